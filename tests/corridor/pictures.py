"""The two ends of the corridor's pictures: what a source shows, and what comes out at the screen."""

import os
import select
import threading
import time
from collections import deque
from enum import Enum
from pathlib import Path

import numpy as np

from hw.pipe import has_room_for
from hw.ports import GrayPicture

PICTURES_KEPT = 64
OPEN_AGAIN_S = 0.01


class Show(Enum):
    MOVING = "a new image with every frame"
    HELD = "the last image again with every frame"
    NOTHING = "no frame, as with a pulled cable"


def noisy_pictures(width: int, height: int, count: int = 16) -> list[GrayPicture]:
    """Mild noise on a ramp: each differs from the others everywhere, and all are cheap to encode."""
    random = np.random.default_rng(5)
    ramp = np.linspace(60, 180, width)
    return [np.clip(ramp + random.normal(0, 6, (height, width)), 0, 255).astype(np.uint8) for _ in range(count)]


class PictureSource:
    """Writes frames into the named pipe `path` at `rate_hz`, as `show` says; whole ones, also to a new reader."""

    def __init__(self, path: Path, pictures: list[GrayPicture], rate_hz: float) -> None:
        os.mkfifo(path)
        self.show = Show.MOVING
        self.last_new_ns = 0  # when the last new image was written
        self._path = path
        self.pictures = pictures
        self._frames = [picture.tobytes() for picture in pictures]
        self._interval_s = 1 / rate_hz
        self._fd = -1
        self._rest = b""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)
        self._thread.start()

    def show_pictures(self, pictures: list[GrayPicture]) -> None:
        """From the next frame on; of the same size as before."""
        self.pictures = pictures
        self._frames = [picture.tobytes() for picture in pictures]

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._close_pipe()

    def _run(self) -> None:
        next_s = time.monotonic()
        index = 0
        while not self._stopping.wait(max(0.0, next_s - time.monotonic())):
            next_s = max(next_s + self._interval_s, time.monotonic() - self._interval_s)
            show = self.show
            if show is Show.NOTHING:
                continue
            if show is Show.MOVING:
                index += 1
            frames = self._frames
            if self._write(frames[index % len(frames)]) and show is Show.MOVING:
                self.last_new_ns = time.monotonic_ns()

    def _write(self, frame: bytes) -> bool:
        """False: nobody took it."""
        try:
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            if self._rest:
                self._rest = self._rest[os.write(self._fd, self._rest) :]
            if self._rest or not has_room_for(self._fd, len(frame)):
                return False
            self._rest = frame[os.write(self._fd, frame) :]
        except BlockingIOError:
            return False
        except OSError:  # no reader yet, or not any more
            self._close_pipe()
            return False
        return True

    def _close_pipe(self) -> None:
        self._rest = b""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


class PictureSink:
    """Reads the pictures that a `raw:` display writes into the named pipe `path`."""

    def __init__(self, path: Path, width: int, height: int) -> None:
        os.mkfifo(path)
        self.count = 0
        self.last: GrayPicture | None = None
        self.brightest = 0  # level in any picture that came
        self.times_ns: deque[int] = deque(maxlen=4096)  # when each picture was there whole
        self._shape = (height, width)
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sink", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        os.close(self._fd)

    def _run(self) -> None:
        size = self._shape[0] * self._shape[1]
        part = bytearray()
        while not self._stopping.is_set():
            if not select.select([self._fd], [], [], 0.05)[0]:
                continue
            try:
                data = os.read(self._fd, size - len(part))
            except BlockingIOError:
                continue
            if not data:  # no display has it open: what is left of a picture stays a part
                part.clear()
                self._stopping.wait(OPEN_AGAIN_S)
                continue
            part += data
            if len(part) == size:
                self.last = np.frombuffer(bytes(part), np.uint8).reshape(self._shape)
                self.brightest = max(self.brightest, int(self.last.max()))
                self.times_ns.append(time.monotonic_ns())
                self.count += 1
                part.clear()
