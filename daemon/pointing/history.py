"""The last images by frame id, so that both ends can stop at the same one. Filled by one thread, read by another."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from hw.ports import Picture

IMAGES_KEPT: Final = 12
"""At 30 images/s this covers 0.4 s: a slow path's delay both ways. 1 MiB each at 1024x1024."""


@dataclass(frozen=True, slots=True)
class KeptImage:
    """As it was shown. `born_ns`: when it was captured, on this machine's clock."""

    frame_id: int
    pixels: Picture
    born_ns: int
    doubt: str = ""  # why it is not good, as picture truth found


class ImageHistory:
    """Keeps references, not copies: who gives the pixels must not write to them any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._images: OrderedDict[int, KeptImage] = OrderedDict()

    def note(self, frame_id: int, pixels: Picture, born_ns: int) -> None:
        with self._lock:
            self._images[frame_id] = KeptImage(frame_id, pixels, born_ns)
            while len(self._images) > IMAGES_KEPT:
                self._images.popitem(last=False)

    def note_doubt(self, frame_id: int, doubt: str) -> None:
        """The image is not good: a freeze of it must say so."""
        with self._lock:
            if frame_id in self._images:
                self._images[frame_id] = replace(self._images[frame_id], doubt=doubt)

    def get(self, frame_id: int) -> KeptImage | None:
        with self._lock:
            return self._images.get(frame_id)
