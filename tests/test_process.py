"""`cathlink process`: the sender's own chain over a file, one frame for each new image, and nothing unmasked."""

import itertools
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from daemon.main import main
from daemon.picture.area import Area
from daemon.picture.layout import Landmark, Layout, LayoutBook
from daemon.picture.layout_file import save_layouts
from daemon.picture.noise_curve import IMAGES_NEEDED
from hw.planes import plane_pixels
from hw.ports import GrayPicture
from tests.conftest import write_gray_clip

WIDTH, HEIGHT = 128, 96
IMAGES = 12
REPEATS = 4
RATE_HZ = 60
NAME = Area(60, 4, 60, 12)
WORDS = Area(4, 4, 40, 12)


def read(path: Path) -> tuple[list[GrayPicture], list[int]]:
    """The pictures, and their times in milliseconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("ffv1", "gray")
        frames = list(container.decode(video=0))
        return [frame.to_ndarray() for frame in frames], [round(1000 * (frame.time or 0.0)) for frame in frames]


@pytest.fixture
def images() -> list[GrayPicture]:
    random = np.random.default_rng(2)
    ramp = np.linspace(60, 160, WIDTH)
    made = [np.clip(ramp + random.normal(0, 4, (HEIGHT, WIDTH)), 0, 200).astype(np.uint8) for _ in range(IMAGES)]
    for image in made:
        WORDS.view(image)[:] = np.random.default_rng(1).integers(0, 2, (12, 40)) * 200
        NAME.view(image)[:] = 255
    return made


@pytest.fixture
def clip(tmp_path: Path, images: list[GrayPicture]) -> Path:
    return write_gray_clip(tmp_path / "in.mkv", [image for image in images for _ in range(REPEATS)], RATE_HZ)


@pytest.fixture
def layout(tmp_path: Path, images: list[GrayPicture]) -> Path:
    path = tmp_path / "layout.toml"
    landmark = Landmark.seen_in(images[0], WORDS)
    save_layouts(path, LayoutBook((Layout(f"{WIDTH}x{HEIGHT}", identity=(NAME,), landmarks=(landmark,)),)))
    return path


def process(clip: Path, *options: str) -> tuple[int, Path, dict[str, object]]:
    out, stats = clip.with_name("out.mkv"), clip.with_name("stats.json")
    code = main(["process", str(clip), str(out), "--stats", str(stats), *options])
    return code, out, json.loads(stats.read_bytes()) if code == 0 else {}


def test_one_masked_frame_for_each_new_image_at_its_time(
    clip: Path, layout: Path, images: list[GrayPicture], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, stats = process(clip, "--stage", "masked", "--layout", str(layout))
    assert code == 0
    pictures, times_ms = read(out)
    for picture, image in zip(pictures, images, strict=True):
        expected = image.copy()
        NAME.view(expected)[:] = 0
        np.testing.assert_array_equal(picture, expected)
    assert times_ms == pytest.approx([n * REPEATS * 1000 / RATE_HZ for n in range(IMAGES)], abs=1)
    counts = {key: stats[key] for key in ("frames_in", "images_new", "images_held", "frames_withheld")}
    assert list(counts.values()) == [48, 12, 36, 0]
    assert stats["pulse_rate_hz"] == pytest.approx(15, rel=0.01)
    assert "48 frames: 12 new, 36 held, 0 withheld; 15 images/s" in capsys.readouterr().out


def test_decoded_pictures_are_near_and_their_bytes_counted(clip: Path, layout: Path, images: list[GrayPicture]) -> None:
    code, out, stats = process(clip, "--stage", "decoded", "--layout", str(layout), "--crf", "10")
    assert code == 0
    pictures, _ = read(out)
    assert len(pictures) == IMAGES
    rows = slice(30, HEIGHT)
    assert max(np.abs(p[rows].astype(int) - i[rows]).mean() for p, i in zip(pictures, images, strict=True)) < 3
    assert isinstance(stats["encoded_bytes"], int)
    assert stats["encoded_bytes"] > 1000
    assert set(stats["stage_ms"]) == {"chain", "encode", "decode"}  # type: ignore[call-overload]


def test_a_lower_bit_rate_makes_fewer_bytes(clip: Path) -> None:
    sizes = []
    for bitrate in ("300000", "3000000"):
        _, _, stats = process(clip, "--stage", "decoded", "--layout", "none", "--bitrate", bitrate)
        sizes.append(stats["encoded_bytes"])
    assert sizes[0] < sizes[1] / 2  # type: ignore[operator]


def test_interlaced_frames_become_whole_images(tmp_path: Path, images: list[GrayPicture]) -> None:
    smooth = [image[::4].repeat(4, axis=0) for image in images]
    woven = []
    for before, after in itertools.pairwise(smooth):
        changing = after.copy()
        changing[::2] = before[::2]  # the image changes between the fields
        woven += [changing, after]
    clip = write_gray_clip(tmp_path / "woven.mkv", woven, RATE_HZ)
    _, out, _ = process(clip, "--stage", "masked", "--layout", "none", "--interlaced")
    whole = read(out)[0]
    assert all(any(np.array_equal(picture, image) for image in smooth) for picture in whole[1:])
    _, out, _ = process(clip, "--stage", "masked", "--layout", "none")
    assert not all(any(np.array_equal(picture, image) for image in smooth) for picture in read(out)[0][1:])


def test_no_identity_is_said_aloud_and_recorded(clip: Path, images: list[GrayPicture]) -> None:
    code, out, stats = process(clip, "--stage", "masked", "--layout", "none")
    assert (code, stats["layout"]) == (0, "none")
    np.testing.assert_array_equal(read(out)[0], images)


def test_the_safe_filter_is_applied_and_what_it_did_is_recorded(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    made = [np.clip(random.normal(120, 4, (128, 128)), 0, 255).astype(np.uint8) for _ in range(IMAGES)]
    clip = write_gray_clip(tmp_path / "in.mkv", made, RATE_HZ)
    _, out, stats = process(clip, "--stage", "filtered", "--layout", "none")
    assert (stats["filter"], stats["filter_images"]) == ("off", {})
    np.testing.assert_array_equal(read(out)[0], made)
    _, out, stats = process(clip, "--stage", "filtered", "--layout", "none", "--filter", "safe")
    learning = IMAGES_NEEDED
    assert stats["filter"] == "safe"
    assert stats["filter_images"] == {"suspended: learning the noise": learning, "on": IMAGES - learning}
    pictures, _ = read(out)
    assert pictures[-1].std() < 0.95 * made[-1].std()
    _, out, stats = process(clip, "--stage", "masked", "--layout", "none", "--filter", "safe")
    assert stats["filter"] == "off"
    np.testing.assert_array_equal(read(out)[0], made)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["process", *arguments])
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return code, line


def test_without_a_layout_nothing_is_done(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = clip.with_name("out.mkv")
    code, line = refused(capsys, str(clip), str(out), "--stage", "masked")
    assert (code, out.exists()) == (2, False)
    assert "--layout is missing" in line
    assert "none" in line


def test_a_screen_that_no_layout_knows_is_a_fault(
    tmp_path: Path, layout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blank = [np.full((HEIGHT, WIDTH), 90, np.uint8)] * 3
    other = write_gray_clip(tmp_path / "other.mkv", blank, RATE_HZ)
    code, line = refused(capsys, str(other), str(tmp_path / "o.mkv"), "--stage", "masked", "--layout", str(layout))
    assert code == 1
    assert "nothing was let through" in line


def test_paths_that_cannot_be(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--stage", "masked", "--layout", "none")
    assert refused(capsys, str(clip), str(clip), *options)[0] == 2
    assert "cannot be written" in refused(capsys, str(clip), str(clip.parent / "no" / "out.mkv"), *options)[1]
    assert refused(capsys, str(clip.parent / "no.mkv"), str(clip.parent / "out.mkv"), *options)[0] == 2
    assert len(read(clip)[0]) == IMAGES * REPEATS


def write_bgr_clip(path: Path, images: list[GrayPicture], *, red_from: int) -> Path:
    """Lossless; from image `red_from` on with a red bar."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=15)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for n, image in enumerate(images):
            pixels = np.stack([image, image, image, np.zeros_like(image)], axis=2)
            if n >= red_from:
                pixels[60:70, 40:80] = (30, 30, 200, 0)
            frame = av.VideoFrame(WIDTH, HEIGHT, "bgr0")
            frame.planes[0].update(np.ascontiguousarray(pixels))
            frame.pts, frame.time_base = n, Fraction(1, 15)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("stage", ["masked", "decoded"])
def test_a_clip_in_colour_stays_in_colour(tmp_path: Path, layout: Path, images: list[GrayPicture], stage: str) -> None:
    clip = write_bgr_clip(tmp_path / "in.mkv", images, red_from=0)
    code, out, _ = process(clip, "--stage", stage, "--layout", str(layout))
    assert code == 0
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
    assert (frame.format.name, frame.color_range, frame.colorspace) == ("yuv444p", 2, 1)
    planes = [plane_pixels(frame, number).astype(int) for number in range(3)]
    kr, kb = 0.2126, 0.0722
    luma = kr * 200 + (1 - kr) * 30
    expected = luma, (30 - luma) / (2 - 2 * kb) + 128, (200 - luma) / (2 - 2 * kr) + 128
    tolerance = 1 if stage == "masked" else 6
    for plane, level in zip(planes, expected, strict=True):
        assert np.abs(plane[62:68, 44:76] - level).max() <= tolerance
    assert np.abs(planes[1][80:] - 128).max() <= tolerance
    assert np.abs(planes[0][5:15, 62:118]).max() <= tolerance, "the name"


def test_colour_that_comes_later_needs_a_word(
    tmp_path: Path, images: list[GrayPicture], capsys: pytest.CaptureFixture[str]
) -> None:
    clip = write_bgr_clip(tmp_path / "in.mkv", images, red_from=2)
    code, problem = refused(capsys, str(clip), str(tmp_path / "out.mkv"), "--stage", "masked", "--layout", "none")
    assert code == 1
    assert "colour comes or goes after" in problem
    assert "--colour always" in problem
    for choice, pix_fmt in (("always", "yuv444p"), ("never", "gray")):
        code, out, _ = process(clip, "--stage", "masked", "--layout", "none", "--colour", choice)
        assert code == 0
        with av.open(str(out)) as container:
            assert {frame.format.name for frame in container.decode(video=0)} == {pix_fmt}
