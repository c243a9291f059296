"""Blanking, and finding what was not blanked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import MaskError
from daemon.picture.area import Area
from daemon.picture.mask import blank, blank_chroma, boxes_inside, require_masked
from hw.ports import NO_CHROMA, ChromaSampling, ColourCoding, ColourMatrix, ColourPicture, GrayPicture

WIDTH, HEIGHT = 70, 50
areas = st.builds(Area, st.integers(0, 90), st.integers(0, 70), st.integers(1, 90), st.integers(1, 70))


@given(st.lists(areas, max_size=5), areas)
def test_what_lies_in_a_box_is_black_and_nothing_else_is_touched(identity: list[Area], image: Area) -> None:
    source = np.random.default_rng(1).integers(1, 256, (140, 180), np.uint8)
    expected = source.copy()
    for box in identity:
        box.view(expected)[:] = 0
    picture = image.view(source).copy()
    boxes = boxes_inside(tuple(identity), image)
    blank(picture, boxes)
    np.testing.assert_array_equal(picture, image.view(expected))
    require_masked(picture, boxes)


@given(st.data())
def test_a_single_pixel_is_found(data: st.DataObject) -> None:
    box = Area(7, 9, 33, 21)
    boxes = boxes_inside((Area(0, 0, 3, 3), box), Area(0, 0, WIDTH, HEIGHT))
    picture = np.full((HEIGHT, WIDTH), 200, np.uint8)
    blank(picture, boxes)
    picture[data.draw(st.integers(9, 29)), data.draw(st.integers(7, 39))] = data.draw(st.integers(1, 255))
    with pytest.raises(MaskError, match="withheld"):
        require_masked(picture, boxes)


@pytest.mark.parametrize("box", [Area(0, 0, WIDTH + 1, 1), Area(0, 0, 1, HEIGHT + 1), Area(500, 500, 1, 1)])
def test_a_box_beyond_the_picture_is_not_taken_as_blank(box: Area) -> None:
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    boxes = boxes_inside((box,), Area(0, 0, 1000, 1000))
    blank(picture, boxes)
    with pytest.raises(MaskError):
        require_masked(picture, boxes)


def test_without_boxes_nothing_happens() -> None:
    picture = np.full((HEIGHT, WIDTH), 9, np.uint8)
    boxes = boxes_inside((), Area.of(picture))
    blank(picture, boxes)
    require_masked(picture, boxes)
    assert (picture == 9).all()


def colour_picture(luma: GrayPicture, sampling: ChromaSampling) -> ColourPicture:
    """With chroma everywhere."""
    chroma = np.full((2, *sampling.plane_shape(luma.shape)), 90, np.uint8)
    return ColourPicture(luma, chroma, ColourCoding(sampling, ColourMatrix.BT709))


@pytest.mark.parametrize("sampling", ChromaSampling)
@given(st.lists(areas, max_size=5), areas)
def test_no_chroma_of_a_box_or_its_edge_is_left(sampling: ChromaSampling, identity: list[Area], image: Area) -> None:
    """What a sample covers, and one sample more; nothing else is touched."""
    picture = colour_picture(np.ones((image.height, image.width), np.uint8), sampling)
    step = 2 if sampling is ChromaSampling.HALF else 1
    boxes = boxes_inside(tuple(identity), image)
    is_name = np.zeros(picture.shape, np.bool_)
    for x, y, width, height in boxes.tolist():
        is_name[y : y + height, x : x + width] = True
    is_name = np.pad(is_name, ((0, -image.height % step), (0, -image.width % step)))
    covers = is_name.reshape(is_name.shape[0] // step, step, is_name.shape[1] // step, step).any(axis=(1, 3))
    framed = np.pad(covers, 1)
    rows, columns = covers.shape
    near = np.any([framed[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0)
    blank(picture.luma, boxes)
    blank_chroma(picture.chroma, sampling, boxes)
    np.testing.assert_array_equal(picture.chroma[0], np.where(near, NO_CHROMA, 90))
    np.testing.assert_array_equal(picture.chroma[1], picture.chroma[0])
    require_masked(picture, boxes)


@pytest.mark.parametrize("sampling", ChromaSampling)
@given(st.data())
def test_a_single_coloured_sample_is_found(sampling: ChromaSampling, data: st.DataObject) -> None:
    boxes = boxes_inside((Area(7, 9, 33, 21),), Area(0, 0, WIDTH, HEIGHT))
    picture = colour_picture(np.zeros((HEIGHT, WIDTH), np.uint8), sampling)
    blank_chroma(picture.chroma, sampling, boxes)
    require_masked(picture, boxes)
    step = 2 if sampling is ChromaSampling.HALF else 1
    row, column = data.draw(st.integers(8, 30)) // step, data.draw(st.integers(6, 40)) // step
    picture.chroma[data.draw(st.integers(0, 1)), row, column] = data.draw(
        st.integers(0, 255).filter(lambda level: level != NO_CHROMA)
    )
    with pytest.raises(MaskError, match="withheld"):
        require_masked(picture, boxes)


@pytest.mark.parametrize("sampling", ChromaSampling)
def test_the_luma_of_a_colour_picture_is_looked_at_too(sampling: ChromaSampling) -> None:
    boxes = boxes_inside((Area(7, 9, 33, 21),), Area(0, 0, WIDTH, HEIGHT))
    picture = colour_picture(np.zeros((HEIGHT, WIDTH), np.uint8), sampling)
    blank_chroma(picture.chroma, sampling, boxes)
    picture.luma[9, 7] = 1
    with pytest.raises(MaskError, match="withheld"):
        require_masked(picture, boxes)
