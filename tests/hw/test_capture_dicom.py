"""DICOM: grey levels of every kind of pixel, rates by their order, compressed frames, stills, and what is refused."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import JPEGBaseline8Bit

from hw.capture.file import FileCapture
from hw.errors import DeviceAddressError, DeviceError
from hw.fake import ManualClock
from hw.ports import CapturedFrame, GrayPicture

WriteDicom = Callable[..., Path]
RAMP = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)


def capture(path: Path) -> FileCapture:
    return FileCapture(str(path), None, loop=True, clock=ManualClock())


def first_picture(path: Path) -> GrayPicture:
    device = capture(path)
    device.open()
    frame = device.read(1.0)
    device.close()
    assert frame is not None
    return frame.pixels


def test_eight_bits_are_shown_as_they_are_whatever_the_window(write_dicom: WriteDicom) -> None:
    assert np.array_equal(first_picture(write_dicom(RAMP, WindowCenter=50, WindowWidth=10)), RAMP[0])


def test_monochrome1_is_inverted(write_dicom: WriteDicom) -> None:
    path = write_dicom(RAMP, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(first_picture(path), 255 - RAMP[0])


def levels_shown(write_dicom: WriteDicom, values: list[int], dtype: type[Any], **attributes: object) -> list[int]:
    frame = np.zeros((1, 16, 16), dtype)
    frame[0, 0, : len(values)] = values
    return [int(level) for level in first_picture(write_dicom(frame, **attributes))[0, : len(values)]]


def test_deeper_pixels_go_through_their_window(write_dicom: WriteDicom) -> None:
    # PS3.3 C.11.2.1.2.1: with c = 2048.5 and w = 511 black ends at 1793, white begins at 2303
    window = {"BitsStored": 12, "HighBit": 11, "WindowCenter": [2048.5, 1], "WindowWidth": [511, 2]}
    shown = levels_shown(write_dicom, [0, 1793, 1795, 2048, 2303, 4095], np.uint16, **window)
    assert shown == [0, 0, 1, 128, 255, 255]


def test_without_a_window_the_stored_range_is_shown(write_dicom: WriteDicom) -> None:
    stored = {"BitsStored": 12, "HighBit": 11}
    assert levels_shown(write_dicom, [0, 16, 2048, 4095], np.uint16, **stored) == [0, 1, 128, 255]
    assert levels_shown(write_dicom, [-2048, 0, 2047], np.int16, **stored) == [0, 128, 255]
    inverted = {"PhotometricInterpretation": "MONOCHROME1"}
    assert levels_shown(write_dicom, [0, 16, 2048, 4095], np.uint16, **stored, **inverted) == [255, 254, 127, 0]


def test_the_window_is_one_of_rescaled_values(write_dicom: WriteDicom) -> None:
    rescale = {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 0.5, "WindowWidth": 256}
    assert levels_shown(write_dicom, [0, 500, 564, 1000], np.uint16, **rescale) == [0, 128, 255, 255]


@pytest.mark.parametrize(
    ("attributes", "rate_hz"),
    [
        ({"FrameTime": "40", "CineRate": 15, "RecommendedDisplayFrameRate": 8}, 25),
        ({"FrameTime": "0", "CineRate": 30, "RecommendedDisplayFrameRate": 8}, 30),
        ({"RecommendedDisplayFrameRate": 8}, 8),
        ({}, 15),
    ],
)
def test_the_rate_is_the_files_own(write_dicom: WriteDicom, attributes: dict[str, object], rate_hz: float) -> None:
    device = capture(write_dicom(RAMP, **attributes))
    assert device.open().rate_hz == rate_hz
    device.close()


def test_an_unusable_rate_asks_for_one(write_dicom: WriteDicom) -> None:
    with pytest.raises(DeviceAddressError, match=r"usable rate: add one, as in file:clip\.mkv\?rate=15"):
        capture(write_dicom(RAMP, FrameTime="0.001")).open()


def test_a_still_is_held(write_dicom: WriteDicom) -> None:
    device = capture(write_dicom(RAMP))
    device.open()
    frames = [device.read(1.0) for _ in range(20)]
    assert all(isinstance(frame, CapturedFrame) and np.array_equal(frame.pixels, RAMP[0]) for frame in frames)
    device.close()


def jpeg(picture: GrayPicture) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=95)
    return file.getvalue()


def test_jpeg_baseline_is_decoded_frame_by_frame(write_dicom: WriteDicom) -> None:
    slope = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)
    frames = np.stack([slope + 40 * n for n in range(4)]).astype(np.uint8)
    path = write_dicom(frames, syntax=JPEGBaseline8Bit, encapsulated=[jpeg(frame) for frame in frames])
    device = capture(path)
    device.open()
    for number in range(9):
        read = device.read(1.0)
        assert read is not None
        assert np.abs(read.pixels.astype(int) - frames[number % 4]).max() <= 4
    device.close()


def test_a_damaged_frame_is_a_device_error(write_dicom: WriteDicom) -> None:
    frames = np.zeros((2, 48, 64), np.uint8)
    path = write_dicom(frames, syntax=JPEGBaseline8Bit, encapsulated=[jpeg(frames[0]), b"\xff\xd8 no jpeg at all"])
    device = capture(path)
    device.open()
    assert device.read(1.0) is not None
    with pytest.raises(DeviceError, match="cannot be played on"):
        device.read(1.0)
    device.close()


def test_colour_is_refused(write_dicom: WriteDicom) -> None:
    with pytest.raises(DeviceAddressError, match="has RGB pixels of 8 bits: 8 or 16 bits of grey are accepted"):
        capture(write_dicom(RAMP, PhotometricInterpretation="RGB")).open()


def test_a_report_has_no_pictures(write_dicom: WriteDicom) -> None:
    with pytest.raises(DeviceAddressError, match="has no DICOM pictures"):
        capture(write_dicom(RAMP, Rows=None)).open()
