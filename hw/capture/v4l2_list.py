"""The capture devices of this machine in words, for people who look for the address to configure."""

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass

from hw.capture import v4l2_abi as abi
from hw.capture.v4l2_device import PIXEL_FORMATS, V4l2Device, fourcc_text
from hw.capture.v4l2_kernel import Kernel, LinuxKernel
from hw.capture.v4l2_timing import device_trouble, input_trouble, source_timings, timings_trouble
from hw.errors import DeviceError

NODES = "/dev/video*"
STABLE_NAMES = "/dev/v4l/by-id/*"


@dataclass(frozen=True, slots=True)
class CaptureListing:
    """One device, as it is now."""

    address: str  # for capture.device; by its stable name, where it has one
    name: str  # of the card and its input
    signal: str  # what the source sends, or what is wrong
    formats: tuple[str, ...]  # of the driver, each with its sizes; what is not read here says so

    def __str__(self) -> str:
        return "\n    ".join([f"{self.address}  {self.name}", f"signal: {self.signal}", *self.formats])


def list_capture_devices(kernel: Kernel | None = None, nodes: Sequence[str] | None = None) -> list[CaptureListing]:
    """All that capture; a node that may not be opened is listed with the reason."""
    found = sorted(glob.glob(NODES), key=lambda node: (len(node), node)) if nodes is None else nodes
    listings = (_listing(kernel or LinuxKernel(), node) for node in found)
    return [listing for listing in listings if listing is not None]


def _listing(kernel: Kernel, node: str) -> CaptureListing | None:
    """None: it is not for capturing; many cards have such nodes, too."""
    address = f"v4l2:{_stable_name(node)}"
    try:
        device = V4l2Device(kernel, node)
    except OSError as error:
        trouble = device_trouble(node, error)
        return None if "is not a capture device" in trouble.problem else CaptureListing(address, "", str(trouble), ())
    try:
        used = device.input()
        name = device.capability.card.decode("utf-8", "replace")
        if used is not None:
            name = f"{name}, {used.name.decode('utf-8', 'replace')}"
        return CaptureListing(address, name, _signal(device, used), tuple(_formats(device)))
    except OSError as error:
        return CaptureListing(address, "", str(device_trouble(node, error)), ())
    finally:
        device.close()


def _stable_name(node: str) -> str:
    """It stays when devices are plugged in another order."""
    names = [name for name in sorted(glob.glob(STABLE_NAMES)) if os.path.realpath(name) == node]
    return names[0] if names else node


def _signal(device: V4l2Device, used: abi.Input | None) -> str:
    trouble: DeviceError | None = input_trouble(used.status) if used else None
    if used is None or not used.capabilities & abi.IN_CAP_DV_TIMINGS:
        return str(trouble) if trouble else "the device's own"
    timings = abi.DvTimings()
    try:
        device.call(abi.QUERY_DV_TIMINGS, timings)
    except OSError as error:
        finer = timings_trouble(error, source_timings(timings))
        if finer is None:
            raise
        return str(finer)
    return str(trouble or source_timings(timings))


def _formats(device: V4l2Device) -> list[str]:
    lines = []
    for number, description in device.formats():
        pixel_format = PIXEL_FORMATS.get(number)
        sizes = ", ".join(f"{width}x{height}" for width, height in device.sizes(number))
        use = f"format={pixel_format}" if pixel_format else "not read here"
        lines.append(" ".join(part for part in (f"{fourcc_text(number)}: {use}", sizes, description) if part))
    return lines
