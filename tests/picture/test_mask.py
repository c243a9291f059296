"""Blanking, and finding what was not blanked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import MaskError
from daemon.picture.area import Area
from daemon.picture.mask import blank, boxes_inside, require_masked

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
