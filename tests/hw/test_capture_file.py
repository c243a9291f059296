"""Clips: exact grey levels, their own rate, loops without a seam, and errors that say whose fault it is."""

import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hw.capture.decoded import layout_of
from hw.capture.file import FileCapture
from hw.errors import DeviceAddressError, DeviceError
from hw.fake import ManualClock
from hw.ports import GrayPicture, PixelFormat, ValueRange
from hw.select import capture_device

MakePictures = Callable[..., list[GrayPicture]]
WriteClip = Callable[..., Path]


def capture(path: Path, rate_hz: float | None = None, *, loop: bool = True) -> FileCapture:
    return FileCapture(str(path), rate_hz, loop=loop, clock=ManualClock())


def test_a_clip_is_looped_unchanged_and_time_goes_on(make_pictures: MakePictures, write_clip: WriteClip) -> None:
    pictures = make_pictures(7)
    device = capture(write_clip(pictures, rate_hz=25))
    timing = device.open()
    assert (timing.width, timing.height, timing.rate_hz) == (64, 48, 25)
    frames = [device.read(1.0) for _ in range(3)]
    first_ns = frames[0].capture_ns if frames[0] else 0
    for number in range(3, 30):
        frame = device.read(1.0)
        assert frame is not None
        assert np.array_equal(frame.pixels, pictures[number % 7])
        assert frame.sequence == number
        assert frame.capture_ns == first_ns + number * 40_000_000
    device.close()


def test_the_rate_of_the_address_wins(make_pictures: MakePictures, write_clip: WriteClip) -> None:
    device = capture_device(f"file:{write_clip(make_pictures(3), rate_hz=25)}?rate=7.5")
    assert device.open().rate_hz == 7.5
    device.close()


def test_a_late_reader_loses_time_but_no_picture(make_pictures: MakePictures, write_clip: WriteClip) -> None:
    pictures = make_pictures(9)
    clock = ManualClock()
    device = FileCapture(str(write_clip(pictures)), 10, loop=True, clock=clock)
    device.open()
    device.read(1.0)
    clock.advance(0.45)
    frame = device.read(1.0)
    assert frame is not None
    assert frame.sequence == 4
    assert np.array_equal(frame.pixels, pictures[1])
    device.close()


@pytest.mark.parametrize("count", [1, 4])
def test_a_clip_that_is_not_looped_ends(make_pictures: MakePictures, write_clip: WriteClip, count: int) -> None:
    pictures = make_pictures(count)
    device = capture_device(f"file:{write_clip(pictures, rate_hz=200)}?loop=no")
    device.open()
    for picture in pictures:
        frame = device.read(1.0)
        assert frame is not None
        assert np.array_equal(frame.pixels, picture)
    with pytest.raises(DeviceError, match="end of clip"):
        device.read(1.0)
    device.close()


@pytest.mark.parametrize(
    ("name", "color_range", "pixel_format", "value_range"),
    [
        ("gray", 2, PixelFormat.GRAY8, ValueRange.FULL),
        ("gray16le", 2, PixelFormat.GRAY8, ValueRange.FULL),
        ("yuv420p", 1, PixelFormat.NV12, ValueRange.LIMITED),
        ("yuv420p", 2, PixelFormat.NV12, ValueRange.FULL),
        ("yuv422p", 1, PixelFormat.YUYV422, ValueRange.LIMITED),
        ("yuv444p", 2, PixelFormat.NV12, ValueRange.FULL),
        ("yuv420p10le", 1, PixelFormat.NV12, ValueRange.LIMITED),
        ("rgb24", 2, PixelFormat.BGRX, ValueRange.FULL),
    ],
)
def test_other_layouts_come_as_the_one_next_to_them(
    tmp_path: Path, name: str, color_range: int, pixel_format: PixelFormat, value_range: ValueRange
) -> None:
    """All levels of brightness in a column each, and no colour."""
    path = tmp_path / ("colour.nut" if name == "rgb24" else "colour.mkv")
    samples = np.tile(np.arange(256, dtype=np.uint16), (16, 1))
    bits = next((bits for bits in (10, 16) if str(bits) in name), 8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png" if name == "rgb24" else "ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 256, 16, name
        stream.codec_context.color_range = color_range
        frame = av.VideoFrame(256, 16, name)
        frame.color_range = color_range
        for number, plane in enumerate(frame.planes):
            levels = np.full((plane.height, plane.width), 128) if number > 0 else samples
            if name == "rgb24":
                levels = samples.repeat(3, axis=1)
            scale = {8: 1, 10: 4, 16: 257}[bits]
            plane.update((levels * scale).astype(np.uint16 if bits > 8 else np.uint8).tobytes())
        frame.pts, frame.time_base = 0, Fraction(1, 10)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    device = capture(path)
    timing = device.open()
    assert (timing.pixel_format, timing.value_range) == (pixel_format, value_range)
    read = device.read(1.0)
    assert read is not None
    pixels = read.pixels[:16].reshape(16, 256, pixel_format.pixel_bytes)
    np.testing.assert_array_equal(pixels[..., 0], samples)
    chroma = pixels[..., 1:] if pixel_format is PixelFormat.YUYV422 else read.pixels[16:]
    if pixel_format in (PixelFormat.YUYV422, PixelFormat.NV12):
        assert (chroma == 128).all()
    device.close()


def test_every_layout_of_ffmpeg_has_one_here() -> None:
    assert {layout_of(name) for name in av.video.format.names} <= set(PixelFormat)


def test_any_name_of_a_file_will_do(make_pictures: MakePictures, write_clip: WriteClip) -> None:
    device = capture(write_clip(make_pictures(2), name="http:a=b%20&c 'ä'.mkv"))
    device.open()
    assert device.read(1.0) is not None
    device.close()


def test_a_missing_file_is_the_users_to_mend(
    tmp_path: Path, make_pictures: MakePictures, write_clip: WriteClip
) -> None:
    with pytest.raises(DeviceAddressError, match="there is no file"):
        capture(tmp_path / "no-such.mkv")
    with pytest.raises(DeviceAddressError, match="there is no file"):
        capture(tmp_path)
    path = write_clip(make_pictures(2))
    device = capture(path)
    path.unlink()
    with pytest.raises(DeviceAddressError, match="there is no file"):
        device.open()


@pytest.mark.parametrize("content", [b"", b"hello", bytes(range(256)) * 20, b"\0" * 128 + b"DICM" + b"junk" * 9])
def test_what_is_no_clip_is_the_users_to_mend(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thing"
    path.write_bytes(content)
    with pytest.raises(DeviceAddressError, match=r"is not a clip|has no DICOM pictures") as caught:
        capture(path).open()
    assert caught.value.remedy
    assert len(str(caught.value).splitlines()) == 1


def test_sound_alone_is_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    with pytest.raises(DeviceAddressError, match="it holds no video"):
        capture(path).open()


def test_a_clip_without_a_picture_is_no_clip(make_pictures: MakePictures, write_clip: WriteClip) -> None:
    path = write_clip(make_pictures(1))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(bytes.fromhex("1f43b675"))])  # Matroska's first cluster: after the headers
    with pytest.raises(DeviceAddressError, match=r"holds no picture|is not a clip"):
        capture(path).open()


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "value_range"),
    [
        ("bgr24", "rawvideo", PixelFormat.BGR24, ValueRange.FULL),
        ("bgr0", "ffv1", PixelFormat.BGRX, ValueRange.FULL),
        ("yuyv422", "rawvideo", PixelFormat.YUYV422, ValueRange.LIMITED),
        ("nv12", "rawvideo", PixelFormat.NV12, ValueRange.LIMITED),
    ],
)
def test_colour_that_the_kernels_read_is_taken_as_it_is(
    tmp_path: Path, name: str, codec: str, pixel_format: PixelFormat, value_range: ValueRange
) -> None:
    path = tmp_path / "colour.nut"
    width, height = 64, 16
    buffer = np.random.default_rng(1).integers(0, 256, pixel_format.frame_shape(width, height), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, name
        frame = av.VideoFrame(width, height, name)
        rows = 0
        for plane in frame.planes:
            padded = np.zeros((plane.height, plane.line_size), np.uint8)
            padded[:, : buffer.shape[1]] = buffer[rows : rows + plane.height]
            plane.update(padded.tobytes())
            rows += plane.height
        frame.pts, frame.time_base = 0, Fraction(1, 10)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    device = capture(path)
    timing = device.open()
    assert (timing.pixel_format, timing.value_range) == (pixel_format, value_range)
    read = device.read(1.0)
    assert read is not None
    if name == "bgr0":  # the fourth byte means nothing
        np.testing.assert_array_equal(
            read.pixels.reshape(height, width, 4)[..., :3], buffer.reshape(height, width, 4)[..., :3]
        )
    else:
        np.testing.assert_array_equal(read.pixels, buffer)
    device.close()
