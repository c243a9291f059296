"""A screen without hardware: Xvfb, whose pixels the tests read, and whose mouse they move with xdotool."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

WIDTH, HEIGHT = 1400, 1240


@dataclass(frozen=True)
class XServer:
    name: str  # for DISPLAY
    framebuffer: Path

    def screen(self) -> npt.NDArray[np.uint8]:
        """What stands on the screen, (height, width, 3) RGB. The server keeps it in an X window dump, version 7."""
        dump = self.framebuffer.read_bytes()
        header = np.frombuffer(dump, ">u4", 25)
        header_size, width, height, row_bytes, colours = header[0], header[4], header[5], header[12], header[19]
        pixels = np.frombuffer(dump, np.uint8, row_bytes * height, int(header_size + colours * 12))
        return pixels.reshape(height, row_bytes // 4, 4)[:, :width, 2::-1]

    def mouse(self, *arguments: object) -> None:
        """xdotool's commands: "mousemove", 10, 20, "mousedown", 1."""
        command = ["xdotool", *map(str, arguments)]
        subprocess.run(command, check=True, env={**os.environ, "DISPLAY": self.name}, timeout=10)


@contextmanager
def x_server(folder: Path) -> Iterator[XServer]:
    """Skips the test where Xvfb is not installed."""
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("Xvfb is not installed")
    ready, says_ready = os.pipe()
    # -noreset: the server would else start over, and refuse clients for a moment, whenever the last one leaves
    options = f"-displayfd {says_ready} -screen 0 {WIDTH}x{HEIGHT}x24 -noreset -nolisten tcp -fbdir"
    arguments = [*options.split(), str(folder)]
    with subprocess.Popen([program, *arguments], pass_fds=[says_ready], stderr=subprocess.DEVNULL) as server:
        os.close(says_ready)
        with os.fdopen(ready) as answer:
            number = answer.readline().strip()  # written when the server takes clients; empty when it died
        assert number, "Xvfb did not start"
        try:
            yield XServer(f":{number}", folder / "Xvfb_screen0")
        finally:
            server.terminate()
