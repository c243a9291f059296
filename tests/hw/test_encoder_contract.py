"""What every encoder promises, on libx264, on the fake, watched, and on the hardware encoder's class.

The last runs with libx264 in the driver's place: NV12 in, range tag and parameter sets out.
"""

import contextlib
from collections.abc import Callable, Iterator

import av
import numpy as np
import pytest

from daemon.picture.decode import Decoder
from hw.encoders.accelerated import AcceleratedEncoder, unfit
from hw.encoders.access_unit import read_access_unit
from hw.encoders.fake import FaultyEncoder
from hw.encoders.pixels import FULL_RANGE
from hw.encoders.table import ACCELERATORS, Accelerator
from hw.encoders.watched import WatchedEncoder
from hw.encoders.x264 import X264Encoder
from hw.errors import DeviceError
from hw.ports import ChromaSampling, ColourCoding, ColourMatrix, Encoder, EncoderSettings, GrayPicture

WIDTH, HEIGHT = 320, 240
SETTINGS = EncoderSettings(WIDTH, HEIGHT, 30.0, 3_000_000, "superfast")
DRIVER = {"preset": "superfast", "tune": "zerolatency", "forced-idr": "1"}
GENEROUS_S = 10.0  # of a machine that does other things as well


def accelerator(*, changes_rate_live: bool) -> Accelerator:
    return Accelerator("libx264", "", (), "", "", "", options=DRIVER, changes_rate_live=changes_rate_live)


MAKERS: dict[str, Callable[[], Encoder]] = {
    "x264": X264Encoder,
    "fake": lambda: FaultyEncoder(lambda: None),
    "watched": lambda: WatchedEncoder("watched", X264Encoder(), encode_limit_s=GENEROUS_S),
    "accelerated": lambda: AcceleratedEncoder(
        Accelerator("libx264", "", (), "", "", "", options=DRIVER, changes_rate_live=True)
    ),
    "accelerated, fixed rate": lambda: AcceleratedEncoder(Accelerator("libx264", "", (), "", "", "", options=DRIVER)),
}


@pytest.fixture(params=MAKERS)
def encoder(request: pytest.FixtureRequest) -> Iterator[Encoder]:
    made = MAKERS[request.param]()
    yield made
    made.close()


def pictures(count: int, noise: float = 6.0) -> list[GrayPicture]:
    random = np.random.default_rng(4)
    ramp = np.linspace(0, 255, WIDTH)
    return [np.clip(ramp + random.normal(0, noise, (HEIGHT, WIDTH)), 0, 255).astype(np.uint8) for _ in range(count)]


def test_each_image_gives_one_access_unit_that_decodes_at_once(encoder: Encoder) -> None:
    encoder.open(SETTINGS)
    decoder = Decoder()
    for index, picture in enumerate(pictures(5)):
        encoded = encoder.encode(picture, force_idr=False)
        assert encoded.is_idr is (index == 0)
        assert read_access_unit(encoded.data).is_idr is encoded.is_idr
        decoded = decoder.decode(encoded.data)
        assert decoded.shape == picture.shape
        assert abs(decoded.astype(int) - picture).mean() < 6


def test_an_idr_comes_when_it_is_asked_for_and_stands_alone(encoder: Encoder) -> None:
    encoder.open(SETTINGS)
    units = [encoder.encode(picture, force_idr=index == 3) for index, picture in enumerate(pictures(5))]
    assert [unit.is_idr for unit in units] == [True, False, False, True, False]
    assert Decoder().decode(units[3].data).shape == (HEIGHT, WIDTH)


def test_black_and_white_stay_what_they_are_and_are_tagged_so(encoder: Encoder) -> None:
    encoder.open(SETTINGS)
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    picture[:, WIDTH // 2 :] = 255
    unit = encoder.encode(picture, force_idr=False).data
    assert set(np.unique(Decoder().decode(unit)[:, 32:-32:8])) <= {0, 1, 254, 255}
    context = av.CodecContext.create("h264", "r")
    frame = (context.decode(av.Packet(unit)) or context.decode(None))[0]
    assert frame.color_range == FULL_RANGE
    if len(frame.planes) > 1:
        chroma = np.frombuffer(frame.planes[1], np.uint8)[: WIDTH // 2]
        assert np.all(chroma == 128)


def test_another_bit_rate_shows(encoder: Encoder) -> None:
    encoder.open(SETTINGS)
    images = pictures(24, noise=20.0)
    before = [len(encoder.encode(image, force_idr=False).data) for image in images[:8]]
    encoder.set_bitrate(SETTINGS.bitrate_bps // 4)
    after = [len(encoder.encode(image, force_idr=False).data) for image in images[8:]]
    assert np.mean(after[-4:]) < 0.5 * np.mean(before[-4:])


def test_it_opens_anew_for_another_size(encoder: Encoder) -> None:
    encoder.open(SETTINGS)
    encoder.encode(pictures(1)[0], force_idr=False)
    encoder.open(EncoderSettings(64, 48, 15.0, 500_000, "superfast"))
    assert encoder.encode(np.full((48, 64), 90, np.uint8), force_idr=False).is_idr


def test_what_is_not_open_does_not_encode(encoder: Encoder) -> None:
    with pytest.raises(DeviceError, match="not open"):
        encoder.encode(pictures(1)[0], force_idr=False)
    encoder.close()
    encoder.close()


def test_a_driver_that_forgets_the_range_is_corrected() -> None:
    options = {**DRIVER, "x264-params": "fullrange=off"}
    encoder = AcceleratedEncoder(Accelerator("libx264", "", (), "", "", "", options=options))
    encoder.open(SETTINGS)
    context = av.CodecContext.create("h264", "r")
    unit = encoder.encode(pictures(1)[0], force_idr=True).data
    assert (context.decode(av.Packet(unit)) or context.decode(None))[0].color_range == FULL_RANGE


def test_an_idr_of_a_driver_that_gives_its_parameter_sets_once_has_them_all_the_same() -> None:
    encoder = AcceleratedEncoder(accelerator(changes_rate_live=True))
    encoder.open(SETTINGS)
    first = encoder.encode(pictures(1)[0], force_idr=True).data
    bare = first[first.index(b"\0\0\1\x65") :]
    assert not read_access_unit(bare).parameter_sets
    assert read_access_unit(encoder._finished(bare).data).parameter_sets
    assert Decoder().decode(encoder._finished(bare).data).shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize("entry", ACCELERATORS, ids=lambda entry: str(entry.name))
def test_the_options_in_the_table_are_known_to_ffmpeg(entry: Accelerator) -> None:
    known = {option.name: option for option in av.CodecContext.create(entry.name, "w").supported_options.private}
    for name, value in entry.options.items():
        assert name in known
        choices = {choice.name for choice in known[name].choices or ()}
        assert value.lstrip("-").isdigit() or value in choices, f"{entry.name} {name}={value}"


@pytest.mark.parametrize("entry", ACCELERATORS, ids=lambda entry: str(entry.name))
def test_a_hardware_encoder_that_is_not_there_is_a_device_error(entry: Accelerator) -> None:
    """Or, where it is there, it works."""
    encoder = AcceleratedEncoder(entry)
    with contextlib.suppress(DeviceError):
        encoder.open(SETTINGS)
        assert encoder.encode(pictures(1)[0], force_idr=True).is_idr
    encoder.close()


def test_what_hardware_is_not_for() -> None:
    assert unfit(SETTINGS) == ""
    assert "odd" in unfit(EncoderSettings(321, 240, 30.0, 3_000_000, "superfast"))
    assert unfit(EncoderSettings(320, 240, 30.0, 3_000_000, "superfast", lossless=True))
    assert unfit(EncoderSettings(320, 240, 30.0, 3_000_000, "superfast", crf=20))
    colour = ColourCoding(ChromaSampling.HALF, ColourMatrix.BT709)
    assert unfit(EncoderSettings(320, 240, 30.0, 3_000_000, "superfast", colour=colour))
