"""An installed appliance under its own systemd: a Debian system in systemd-nspawn, cathlink in it by `make install`.

Boots in about a second and keeps nothing. It has this machine's kernel and no devices; several boxes share a network of
their own, where each other's loopback is theirs, too.
"""

import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from tests.appliance.guest import CACHE, ROOT, image

CGROUPS = Path("/sys/fs/cgroup")
UNIFIED = CGROUPS / "unified"  # of a host that still has version 1 beside it
BOOT_S = 60.0
STOP_S = 20.0
DEADLINE_S = 60.0
SOURCE = "usr/src/cathlink"
PACKAGES = ("console/", "daemon/", "deploy/", "hw/", "provisioning/")
INSTALLED = (*PACKAGES, "pyproject.toml", "requirements.lock", "README.md")


def installed() -> Path:
    """The root of a system in which `deploy/install.sh` ran, brought up to this working tree."""
    tree = CACHE / "box"
    if not tree.exists():
        building = CACHE / "box.building"
        shutil.rmtree(building, ignore_errors=True)
        subprocess.run(["cp", "-a", "--reflink=auto", image().tree, building], check=True)
        building.rename(tree)
    source = tree / SOURCE
    files = [name for name in _files_of_this_tree() if name.startswith(INSTALLED)]
    mark = "\n".join(f"{name} {(ROOT / name).stat().st_mtime_ns}" for name in files)
    marked = tree / "usr/src/installed"
    if marked.exists() and marked.read_text() == mark:
        return tree
    shutil.rmtree(source, ignore_errors=True)
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    for name in ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(f"/{name}", tree / name)
    mounts = f"mount -t proc proc {tree}/proc && mount --rbind /dev {tree}/dev"
    install = f"chroot {tree} bash -c 'cd /{SOURCE} && bash deploy/install.sh'"
    _run("unshare", "--mount", "--propagation", "private", "nice", "bash", "-c", f"{mounts} && {install}")
    marked.write_text(mark)
    return tree


def _files_of_this_tree() -> list[str]:
    listed = _run("git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def wait_until(condition: Callable[[], bool], what: str, limit_s: float = DEADLINE_S) -> float:
    """Returns how long it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < limit_s, f"{what} did not come true within {limit_s:g} s"
        time.sleep(0.1)
    return time.monotonic() - start


class Network:
    """Where boxes meet."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> "Network":
        _run("ip", "netns", "add", self.name)
        _run("ip", "-n", self.name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        _run("ip", "netns", "delete", self.name)


class Box:
    """One appliance: booted at the beginning of `with`, switched off at its end."""

    def __init__(self, name: str, network: Network, folder: Path) -> None:
        self.name = name
        self._network = network
        self._log = folder / f"{name}.log"
        self._notify_path = folder / f"{name}.notify"
        self._leader = 0

    def __enter__(self) -> "Box":
        tree = installed()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(self._notify_path))
            notify.settimeout(BOOT_S)
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    self._command(tree),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "NOTIFY_SOCKET": str(self._notify_path)},
                    start_new_session=True,
                )
            try:
                self._wait_for_boot(notify)
            except BaseException:
                self._process.kill()
                raise
        return self

    def _command(self, tree: Path) -> list[str]:
        spawn = [
            *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "-M", self.name, "-D", str(tree)),
            *("--volatile=overlay", f"--network-namespace-path=/run/netns/{self._network.name}"),
            *("--console=pipe", "--notify-ready=yes"),
        ]
        if not UNIFIED.exists():
            return spawn
        group = UNIFIED / self.name
        script = (
            f"mkdir -p {group} && echo $$ > {group}/cgroup.procs && "
            "exec unshare --mount --propagation private bash -c "
            f"'umount -R {CGROUPS} && mount -t cgroup2 cgroup2 {CGROUPS} && exec {' '.join(spawn)}'"
        )
        return ["bash", "-c", script]

    def _wait_for_boot(self, notify: socket.socket) -> None:
        while True:
            try:
                words = notify.recv(4096).decode()
            except TimeoutError:
                raise AssertionError(f"{self.name} did not boot:\n{self._log.read_text()[-4000:]}") from None
            for line in words.splitlines():
                if line.startswith("X_NSPAWN_LEADER_PID="):
                    self._leader = int(line.partition("=")[2])
                if line == "READY=1":
                    return

    def __exit__(self, *_: object) -> None:
        os.kill(self._leader, signal.SIGRTMIN + 4)  # power off
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def run(self, *command: str, data: bytes | None = None) -> str:
        """In the box, as root. Its output, also when it fails."""
        entered = ["nsenter", "-t", str(self._leader), "-a", "--", "env", "-i", "PATH=/usr/sbin:/usr/bin", *command]
        done = subprocess.run(entered, input=data, capture_output=True, check=False)
        return (done.stdout + done.stderr).decode(errors="replace")

    def put(self, files: dict[str, bytes], folder: str, owner: str) -> None:
        """Files into `folder`, readable by `owner` alone."""
        packed = BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(data), 0o600
                archive.addfile(entry, BytesIO(data))
        said = self.run("tar", "-x", "-C", folder, data=packed.getvalue())
        said += self.run("chown", "-R", f"{owner}:", folder)
        assert not said, said

    def unit(self, name: str) -> dict[str, str]:
        """What systemd says of a unit."""
        shown = self.run("systemctl", "show", name)
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "-u", unit, "-o", "cat")
