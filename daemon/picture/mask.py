"""Identity is blanked in place, and that it is blank is verified on the very buffer that is encoded.

The two are different kernels on purpose: what the one forgets, the other finds.
"""

import numpy as np
import numpy.typing as npt
from numba import types

from daemon.errors import MaskError
from daemon.picture.area import Area
from daemon.picture.kernel import PICTURE, PICTURE_IN, kernel
from hw.ports import GrayPicture

BLANK = 0  # level

Boxes = npt.NDArray[np.uint32]
"""Shape (count, 4): x, y, width, height of each box, in the pixels of the picture that is encoded."""

_BOXES = types.Array(types.uint32, 2, "C", readonly=True)


def boxes_inside(identity: tuple[Area, ...], image_area: Area) -> Boxes:
    """The parts of the identity areas that lie in the image area, in its pixels. Both are given in the source's."""
    seen = [part for box in identity if (part := box.overlap(image_area)) is not None]
    moved = [part.moved(-image_area.x, -image_area.y) for part in seen]
    return np.array([(a.x, a.y, a.width, a.height) for a in moved], np.uint32).reshape(-1, 4)


def blank(picture: GrayPicture, boxes: Boxes) -> None:
    """Make the boxes black, in place. They lie inside the picture."""
    _blank(picture, boxes)


def require_masked(picture: GrayPicture, boxes: Boxes) -> None:
    """Raises MaskError when a pixel in a box is not black, or a box reaches beyond the picture."""
    if not _is_blank(picture, boxes):
        raise MaskError("identity areas are not blank after masking", "the picture is withheld")


@kernel(PICTURE, _BOXES)
def _blank(picture: GrayPicture, boxes: Boxes) -> None:
    for n in range(boxes.shape[0]):
        x, y, width, height = boxes[n, 0], boxes[n, 1], boxes[n, 2], boxes[n, 3]
        for row in range(y, min(y + height, picture.shape[0])):
            picture[row, x : x + width] = BLANK


@kernel(PICTURE_IN, _BOXES, returns=types.boolean)
def _is_blank(picture: GrayPicture, boxes: Boxes) -> bool:
    for n in range(boxes.shape[0]):
        left, right = boxes[n, 0], boxes[n, 0] + boxes[n, 2]
        top, bottom = boxes[n, 1], boxes[n, 1] + boxes[n, 3]
        if right > picture.shape[1] or bottom > picture.shape[0]:
            return False
        for row in range(top, bottom):
            seen = np.uint8(0)
            for level in picture[row, left:right]:
                seen |= level
            if seen != BLANK:
                return False
    return True
