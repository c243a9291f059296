"""The kernel's virtual camera, and a capture with what the tests do to it."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from hw.capture.v4l2 import V4l2Capture
from hw.errors import DeviceError
from hw.ports import CapturedFrame

DEADLINE_S = 60.0
WEBCAM, HDMI = "0x0", "0x3"


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.05)


class Vivid:
    """The kernel's virtual camera, with one input."""

    path = "/dev/video0"

    def __init__(self, input_types: str, *options: str) -> None:
        self.load(input_types, *options)

    def load(self, input_types: str, *options: str) -> None:
        run("modprobe", "vivid", "n_devs=1", "node_types=0x1", "num_inputs=1", f"input_types={input_types}", *options)
        wait_until(Path(self.path).exists)

    def unload(self) -> None:
        run("rmmod", "vivid")
        wait_until(lambda: not Path(self.path).exists())

    def set(self, **controls: int) -> None:
        run("v4l2-ctl", "-d", self.path, "-c", ",".join(f"{name}={value}" for name, value in controls.items()))

    def __enter__(self) -> "Vivid":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unload()


class Capture(V4l2Capture):
    """With what the tests do to it."""

    reopened = 0

    def frame(self) -> CapturedFrame:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            frame = self._read_on()
            if frame is not None:
                return frame
        raise AssertionError("no frame came")

    def until_lost(self) -> DeviceError:
        """The error that ends the reading."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            try:
                self._read_on()
            except DeviceError as error:
                return error
        raise AssertionError("nothing was noticed")

    def _read_on(self) -> CapturedFrame | None:
        """A guest whose processor is too slow for its frames is opened again, as the daemon does."""
        try:
            return self.read(0.1)
        except DeviceError as error:
            if "no frames" not in str(error):
                raise
            self.reopened += 1
            self.open()
            return None
