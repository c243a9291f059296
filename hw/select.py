"""From a device address to the device.

Each device's module is imported when an address asks for it: a box without a screen must not load the SDL library.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hw.address import AddressForm, DeviceAddress, parse_address
from hw.audio.ports import AudioDevices
from hw.capture.pacing import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from hw.capture.signal import Signal
from hw.encoders.table import ACCELERATORS, accelerator
from hw.errors import DeviceAddressError
from hw.ports import CaptureDevice, CaptureTiming, ColourMatrix, Display, PixelFormat, ValueRange

if TYPE_CHECKING:
    from hw.encoders.watched import WatchedEncoder

DEFAULT_RAW_RATE_HZ = 30.0
DEFAULT_PULSE_HZ = 15.0
DEFAULT_BEAM_ON_S = 8.0
DEFAULT_QUANTA = 60.0  # X-ray quanta a pixel, about low-dose fluoroscopy
DEFAULT_WEB_PORT = 8080
DEFAULT_WEB_HOST = "127.0.0.1"
HIGHEST_PORT = 65535

SIGNAL_KEYS = frozenset({"matrix", "range", "interlaced"})
CAPTURE_FORMS = {
    "v4l2": AddressForm("v4l2:/dev/video0", SIGNAL_KEYS | {"format", "size", "rate", "edid"}, needs_rest=True),
    "file": AddressForm("file:clip.mkv", SIGNAL_KEYS | {"rate", "loop"}, needs_rest=True),
    "phantom": AddressForm(
        "phantom:1024x1024@15",
        frozenset({"output_hz", "beam_on_s", "beam_off_s", "quanta", "seed"}),
        needs_rest=True,
    ),
    "raw": AddressForm(
        "raw:-?format=gray8&size=1024x1024&rate=30", SIGNAL_KEYS | {"format", "size", "rate"}, needs_rest=True
    ),
}
DISPLAY_FORMS = {
    "sdl": AddressForm("sdl:", frozenset({"fullscreen"})),
    "raw": AddressForm("raw:-?format=gray8", frozenset({"format"}), needs_rest=True),
    "web": AddressForm("web:127.0.0.1:8080"),
    "none": AddressForm("none:"),
}
AUDIO_FORMS = {
    "sound": AddressForm("sound:Jabra", frozenset({"microphone", "speaker"})),
}

_PULSES = re.compile(r"(?P<size>[^@]+)(@(?P<rate>[^@]+))?")


def capture_device(address: str) -> CaptureDevice:
    """The capture device that `address` names, not opened yet. Raises DeviceAddressError."""
    parsed = parse_address(address, CAPTURE_FORMS)
    if parsed.scheme == "v4l2":
        return _v4l2(parsed)
    if parsed.scheme == "file":
        return _file(parsed)
    if parsed.scheme == "phantom":
        return _phantom(parsed)
    return _raw_capture(parsed)


def display_device(address: str) -> Display:
    """The display that `address` names, not opened yet. Raises DeviceAddressError."""
    parsed = parse_address(address, DISPLAY_FORMS)
    if parsed.scheme == "sdl":
        return _sdl(parsed)
    if parsed.scheme == "raw":
        return _raw_display(parsed)
    if parsed.scheme == "web":
        return _web(parsed)
    return _none(parsed)


def hardware_encoder(name: str) -> "Callable[[], WatchedEncoder]":
    """Makes the hardware encoder `name`, or the one that fails on script ("fake:FILE"). Raises DeviceAddressError."""
    from hw.encoders.watched import WatchedEncoder

    if name.startswith("fake:"):
        from hw.encoders.fake import FaultyEncoder, fault_file

        script = Path(name.removeprefix("fake:"))
        return lambda: WatchedEncoder("fake encoder", FaultyEncoder(fault_file(script)))
    known = accelerator(name)
    if known is None:
        names = ", ".join(entry.name for entry in ACCELERATORS)
        raise DeviceAddressError(
            f"encoder.device: {name!r} is not an encoder", f"write auto, software or one of {names}"
        )
    from hw.encoders.accelerated import AcceleratedEncoder

    return lambda: WatchedEncoder(known.name, AcceleratedEncoder(known))


def audio_devices(address: str) -> AudioDevices:
    """Microphone and speaker that `address` names, not opened yet. Raises DeviceAddressError."""
    parsed = parse_address(address, AUDIO_FORMS)
    from hw.audio.sound import SoundDevices

    return SoundDevices(parsed.option("microphone") or parsed.rest, parsed.option("speaker") or parsed.rest)


# --- capture ---


def _v4l2(address: DeviceAddress) -> CaptureDevice:
    from hw.capture.v4l2 import V4l2Capture, V4l2Wish

    wish = V4l2Wish(
        size=address.size("size") if address.option("size") else None,
        rate_hz=_rate_hz(address, None),
        pixel_format=_pixel_format(address) if address.option("format") else None,
        edid_path=address.option("edid"),
    )
    return V4l2Capture(address.rest, wish, signal=_signal(address))


def _file(address: DeviceAddress) -> CaptureDevice:
    from hw.capture.file import FileCapture

    loop = address.flag("loop", default=True)
    return FileCapture(address.rest, _rate_hz(address, None), loop=loop, signal=_signal(address))


def _raw_capture(address: DeviceAddress) -> CaptureDevice:
    from hw.capture.raw import RawCapture

    pixel_format = _pixel_format(address)
    width, height = address.size("size")
    rate_hz = _rate_hz(address, DEFAULT_RAW_RATE_HZ) or DEFAULT_RAW_RATE_HZ
    return RawCapture(address.rest, _signal(address).over(CaptureTiming(width, height, rate_hz, pixel_format)))


def _phantom(address: DeviceAddress) -> CaptureDevice:
    from hw.capture.phantom import PhantomCapture
    from hw.capture.phantom_beam import BeamSchedule

    match = _PULSES.fullmatch(address.rest)
    if match is None:
        raise address.error(f"{address.rest!r} is not WIDTHxHEIGHT@RATE", f"for example {address.form.example}")
    width, height = address.parse_size("size", match["size"])
    pulse_hz = DEFAULT_PULSE_HZ
    if match["rate"]:
        pulse_hz = address.parse_number("pulse rate", match["rate"], lowest=LOWEST_RATE_HZ, highest=HIGHEST_RATE_HZ)
    output_hz = address.number("output_hz", pulse_hz, lowest=LOWEST_RATE_HZ, highest=HIGHEST_RATE_HZ)
    if output_hz < pulse_hz:
        raise address.error(f"output_hz is under the pulse rate of {pulse_hz:g}", "give the same or more")
    schedule = BeamSchedule(
        pulse_hz=pulse_hz,
        output_hz=output_hz,
        beam_on_s=address.number("beam_on_s", DEFAULT_BEAM_ON_S, lowest=0.1, highest=3600.0),
        beam_off_s=address.number("beam_off_s", 0.0, lowest=0.0, highest=3600.0),
    )
    quanta = address.number("quanta", DEFAULT_QUANTA, lowest=1.0, highest=10_000.0)
    return PhantomCapture(width, height, schedule, quanta, address.whole_number("seed", 1, lowest=0, highest=10**9))


def _pixel_format(address: DeviceAddress) -> PixelFormat:
    return PixelFormat(address.choice("format", PixelFormat.GRAY8, tuple(PixelFormat)))


def _signal(address: DeviceAddress) -> Signal:
    matrix, value_range = address.option("matrix"), address.option("range")
    return Signal(
        ColourMatrix(address.choice("matrix", "", tuple(ColourMatrix))) if matrix else None,
        ValueRange(address.choice("range", "", tuple(ValueRange))) if value_range else None,
        address.flag("interlaced", default=False),
    )


def _rate_hz(address: DeviceAddress, default: float | None) -> float | None:
    if address.option("rate") is None:
        return default
    return address.number("rate", 0.0, lowest=LOWEST_RATE_HZ, highest=HIGHEST_RATE_HZ)


# --- display ---


def _sdl(address: DeviceAddress) -> Display:
    _no_rest(address)
    fullscreen = address.flag("fullscreen", default=False)
    from hw.display.sdl import SdlDisplay

    return SdlDisplay(fullscreen=fullscreen)


def _raw_display(address: DeviceAddress) -> Display:
    from hw.display.raw import RawDisplay

    pixel_format = address.choice("format", PixelFormat.GRAY8, (PixelFormat.GRAY8, PixelFormat.BGRX))
    return RawDisplay(address.rest, PixelFormat(pixel_format))


def _web(address: DeviceAddress) -> Display:
    host, _, port_text = address.rest.rpartition(":")
    port = DEFAULT_WEB_PORT
    if address.rest:
        port = address.parse_whole_number("port", port_text, lowest=0, highest=HIGHEST_PORT)
    from hw.display.web import WebDisplay

    return WebDisplay(host.strip("[]") or DEFAULT_WEB_HOST, port)


def _none(address: DeviceAddress) -> Display:
    _no_rest(address)
    from hw.display.none import NoneDisplay

    return NoneDisplay()


def _no_rest(address: DeviceAddress) -> None:
    if address.rest:
        raise address.error(f"{address.rest!r} means nothing here", f"write {address.form.example}")
