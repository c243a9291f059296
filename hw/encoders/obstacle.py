"""Why a hardware encoder cannot be had, in words; and what it depends on, so that a verdict is not kept too long.

Sources: kernel documentation `ABI/testing/sysfs-class-drm` and `admin-guide/devices` (device files); the libraries are
those that libavcodec opens by name.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from hw.encoders.table import ACCELERATORS, Accelerator

_DRIVER_FILES = (
    "proc/version",
    "proc/driver/nvidia/version",
    "sys/module/*/version",
    "usr/lib/*/libmfx*.so*",
    "usr/lib/*/libvpl.so*",
    "usr/lib/*/dri/*_drv_video.so",
    "usr/lib/*/libcuda.so*",
    "usr/lib/*/libnvidia-encode.so*",
    "usr/lib/*/libamfrt64.so*",
)


def obstacle(accelerator: Accelerator, root: Path = Path("/")) -> str:
    """What the machine itself says against it; empty: it is worth a try. `root` is another one in tests."""
    files = list(_device_files(accelerator, root))
    if not files:
        return accelerator.device_words
    if accelerator.graphics_vendor:
        vendors = {_vendor(file, root) for file in files}
        if accelerator.graphics_vendor not in vendors and None not in vendors:
            return f"this machine's graphics device is another maker's than {accelerator.maker}"
    if not any(os.access(file, os.R_OK | os.W_OK) for file in files):
        return f"no permission for {files[0]}: its user must be a member of the group {accelerator.group}"
    return ""


def words_for(accelerator: Accelerator, problem: str) -> str:
    """What libavcodec says, as an engineer would say it."""
    return accelerator.driver_words if any(sign in problem for sign in accelerator.missing_signs) else problem


def fingerprint(root: Path = Path("/")) -> str:
    """Changes when the kernel, a driver, a device or an encoder library does."""
    parts = []
    for pattern in _DRIVER_FILES:
        for path in sorted(root.glob(pattern)):
            parts.append(f"{path} {_content_or_date(path)}")
    for accelerator in ACCELERATORS:
        parts += [f"{path} {os.access(path, os.R_OK | os.W_OK)}" for path in _device_files(accelerator, root)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _device_files(accelerator: Accelerator, root: Path) -> Iterator[Path]:
    for pattern in accelerator.device_files:
        yield from sorted(root.glob(pattern.lstrip("/")))


def _vendor(file: Path, root: Path) -> str | None:
    """None: it does not tell."""
    try:
        return (root / "sys/class/drm" / file.name / "device/vendor").read_text().strip()
    except OSError:
        return None


def _content_or_date(path: Path) -> str:
    """Of the small files of proc and sys what they say, of libraries their size and date."""
    try:
        if path.suffix.startswith(".so") or ".so." in path.name:
            status = path.stat()
            return f"{status.st_size} {status.st_mtime_ns}"
        return path.read_text(errors="replace")[:1000]
    except OSError:
        return ""
