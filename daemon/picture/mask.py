"""Identity is blanked in place, and that it is blank is verified on the very buffer that is encoded.

The two are different kernels on purpose: what the one forgets, the other finds. Chroma is blanked one sample further
than the box, for a source may share it between neighbours in other pairs than the picture does.
"""

import numpy as np
import numpy.typing as npt
from numba import types

from daemon.errors import MaskError
from daemon.picture.area import Area
from daemon.picture.kernel import PICTURE, PICTURE_IN, kernel
from hw.ports import NO_CHROMA, ChromaPlanes, ChromaSampling, ColourPicture, GrayPicture, Picture

BLANK = 0  # level
CHROMA_MARGIN = 1  # samples

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
    _blank(picture, boxes, 1, 0, BLANK)


def blank_chroma(planes: ChromaPlanes, sampling: ChromaSampling, boxes: Boxes) -> None:
    """Take the colour out of the boxes, which are in pixels of the luma, in place."""
    for plane in planes:
        _blank(plane, boxes, _pixels_a_sample(sampling), CHROMA_MARGIN, NO_CHROMA)


def require_masked(picture: Picture, boxes: Boxes) -> None:
    """Raises MaskError when a pixel in a box is not black, or a box reaches beyond the picture."""
    if isinstance(picture, ColourPicture):
        pixels = _pixels_a_sample(picture.coding.sampling)
        is_masked = _is_blank(picture.luma, boxes, 1, 0, BLANK) and all(
            _is_blank(plane, boxes, pixels, CHROMA_MARGIN, NO_CHROMA) for plane in picture.chroma
        )
    else:
        is_masked = _is_blank(picture, boxes, 1, 0, BLANK)
    if not is_masked:
        raise MaskError("identity areas are not blank after masking", "the picture is withheld")


def _pixels_a_sample(sampling: ChromaSampling) -> int:
    return 2 if sampling is ChromaSampling.HALF else 1


_SAMPLES = (*[types.uint32] * 2, types.uint8)


@kernel(PICTURE, _BOXES, *_SAMPLES)
def _blank(plane: GrayPicture, boxes: Boxes, pixels_a_sample: int, margin: int, level: int) -> None:
    for n in range(boxes.shape[0]):
        x, y, width, height = boxes[n, 0], boxes[n, 1], boxes[n, 2], boxes[n, 3]
        left, top = x // pixels_a_sample, y // pixels_a_sample
        left -= min(left, margin)
        top -= min(top, margin)
        right = (x + width - 1) // pixels_a_sample + 1 + margin
        bottom = (y + height - 1) // pixels_a_sample + 1 + margin
        for row in range(top, min(bottom, plane.shape[0])):
            plane[row, left:right] = level


@kernel(PICTURE_IN, _BOXES, *_SAMPLES, returns=types.boolean)
def _is_blank(plane: GrayPicture, boxes: Boxes, pixels_a_sample: int, margin: int, level: int) -> bool:
    for n in range(boxes.shape[0]):
        first_x, last_x = boxes[n, 0], boxes[n, 0] + boxes[n, 2] - 1
        first_y, last_y = boxes[n, 1], boxes[n, 1] + boxes[n, 3] - 1
        if last_x // pixels_a_sample >= plane.shape[1] or last_y // pixels_a_sample >= plane.shape[0]:
            return False
        left = max(first_x // pixels_a_sample, margin) - margin
        right = min(last_x // pixels_a_sample + 1 + margin, plane.shape[1])
        top = max(first_y // pixels_a_sample, margin) - margin
        bottom = min(last_y // pixels_a_sample + 1 + margin, plane.shape[0])
        for row in range(top, bottom):
            seen = np.uint8(0)
            for value in plane[row, left:right]:
                seen |= value ^ level
            if seen != 0:
                return False
    return True
