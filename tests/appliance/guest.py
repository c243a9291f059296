"""A Debian guest in QEMU, without KVM: its kernel has the devices that this machine lacks (vivid, USB serial).

The image is built once, by mmdebstrap, and kept in ~/.cache/cathlink/appliance, by what it is built of. The repository
is seen in the guest as it is, read only; what the tests there find comes back as a JUnit file.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cathlink" / "appliance"
SUITE = "bookworm"
PACKAGES = "linux-image-amd64 initramfs-tools zstd systemd-sysv udev dbus kmod iproute2 procps python3 python3-venv"
GUEST_PACKAGES = f"{PACKAGES} python3-numpy python3-pytest python3-serial v4l-utils"
LEAN = ["man", "doc", "locale", "info"]
IMAGE_MIB = 1500
BOOT_AND_TEST_S = 900.0

STUB = """#!/bin/bash
# Gives over to the repository's tests/appliance/guest-init.sh.
mount -t tmpfs tmpfs /run
mkdir -p /run/repo
modprobe -a 9pnet_virtio 9p
until mount -t 9p -o trans=virtio,version=9p2000.L,ro repo /run/repo 2>/dev/null; do sleep 0.2; done
exec /run/repo/tests/appliance/guest-init.sh
"""


@dataclass(frozen=True)
class Image:
    """A folder with the guest's root as a folder and as a disk, its kernel and initial file system."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "root.img"

    @property
    def tree(self) -> Path:
        return self.folder / "root"


def image() -> Image:
    """From the cache, or built now: two to three minutes, as root, with Debian's packages from the network."""
    recipe = "\n".join([SUITE, GUEST_PACKAGES, *LEAN, str(IMAGE_MIB), STUB])
    folder = CACHE / hashlib.sha256(recipe.encode()).hexdigest()[:12]
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=CACHE, prefix="building-"))
        try:
            _build(building)
            building.rename(folder)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    return Image(folder)


def _build(folder: Path) -> None:
    tree = folder / "root"
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{kind}/*" for kind in LEAN]
    included = f"--include={','.join(GUEST_PACKAGES.split())}"
    _run("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", *excluded, included, SUITE, str(tree))
    stub = tree / "sbin" / "guest-stub"
    stub.write_text(STUB)
    stub.chmod(0o755)
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(next((tree / "boot").glob(f"{name}-*")), folder / name)
    _run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", str(tree), str(folder / "root.img"), f"{IMAGE_MIB}M")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2000:]}"


@dataclass(frozen=True)
class Results:
    """What the guest's tests found; `console` is all that it printed."""

    passed: int
    problems: list[str]  # failed, broken and skipped ones, with their text
    console: str


def run_in_guest(tests: str, out: Path) -> Results:
    """Boot, run `tests` (a path in the repository), switch off."""
    system = image()
    arguments = (
        f"root=LABEL=root rw console=ttyS0 quiet panic=-1 mitigations=off nokaslr init=/sbin/guest-stub tests={tests}"
    )
    command = [
        *("nice", "-n", "10", "qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=512", "-M", "q35"),
        *("-cpu", "max", "-smp", "2", "-m", "1G", "-display", "none", "-nodefaults", "-no-user-config", "-no-reboot"),
        *("-kernel", f"{system.folder}/vmlinuz", "-initrd", f"{system.folder}/initrd.img", "-append", arguments),
        *("-drive", f"file={system.disk},if=none,id=disk,format=raw,cache=unsafe,snapshot=on"),
        *("-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci", "-serial", "stdio"),
        # two USB serial adapters, joined
        *("-device", "qemu-xhci", "-chardev", f"socket,id=near,path={out}/cable,server=on,wait=off"),
        *("-device", "usb-serial,chardev=near,serial=near,always-plugged=on"),
        *("-chardev", f"socket,id=far,path={out}/cable"),
        *("-device", "usb-serial,chardev=far,serial=far,always-plugged=on"),
        *("-virtfs", f"local,path={ROOT},mount_tag=repo,security_model=none,readonly=on"),
        *("-virtfs", f"local,path={out},mount_tag=out,security_model=none"),
    ]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=BOOT_AND_TEST_S,
        check=False,
    )
    console = done.stdout + done.stderr
    results = out / "results.xml"
    assert results.exists(), f"the guest gave no results:\n{console[-4000:]}"
    return _results(results, console)


def _results(path: Path, console: str) -> Results:
    passed, problems = 0, []
    for case in ElementTree.parse(path).iter("testcase"):
        found = [part for part in case if part.tag in ("failure", "error", "skipped")]
        passed += not found
        problems += [f"{case.get('name')}: {part.tag}\n{part.text or part.get('message')}" for part in found]
    return Results(passed, problems, console)
