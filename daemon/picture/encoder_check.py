"""Does a decoder make of a hardware encoder's access units what went in? Asked beside the picture's way.

A driver's nonsense can look like H.264 and even decode. So what a hardware encoder gives is decoded again here, in a
thread of its own, and compared with the reference features that each access unit carries: the receiver's own question,
asked before the receiver can. libx264 is not asked; the processor time that the hardware saves is spent here.
"""

import threading
from collections.abc import Callable

from daemon.errors import CodecError
from daemon.picture.decode import Decoder
from daemon.picture.integrity import doubt_about
from daemon.queues import BoundedQueue
from hw.ports import luma_of

UNITS_WAITING = 4  # more, and the check has fallen behind: it goes on with the next IDR
WAIT_S = 0.1


class EncoderCheck:
    """`run` is the thread's work. `doubt` is called once for each chain of images that is no good."""

    def __init__(self, doubt: Callable[[str], None], stopping: threading.Event) -> None:
        self._doubt = doubt
        self._stopping = stopping
        self._units: BoundedQueue[tuple[bytes, bool]] = BoundedQueue(UNITS_WAITING)
        self._decoder: Decoder | None = None
        self.checked = 0

    @property
    def skipped(self) -> int:
        return self._units.drops

    def submit(self, access_unit: bytes, *, is_idr: bool) -> None:
        """Never waits."""
        if not self._units.put((access_unit, is_idr)):
            self._units.clear()

    def run(self) -> None:
        drops = 0
        while not self._stopping.is_set():
            item = self._units.take(WAIT_S)
            if self._units.drops != drops:
                drops, self._decoder = self._units.drops, None
            if item is not None:
                self._check(*item)

    def _check(self, access_unit: bytes, is_idr: bool) -> None:
        if is_idr:
            self._decoder = Decoder()
        if self._decoder is None:
            return
        self.checked += 1
        try:
            doubt = doubt_about(luma_of(self._decoder.decode(access_unit)), access_unit)
        except CodecError as error:
            doubt = str(error)
        if doubt:
            self._decoder = None  # nothing more to say until it begins anew
            self._doubt(f"what it encoded is no good: {doubt}")
