"""`python -m tests.bench.pointer_latency [SECONDS]`: from the expert's mouse to the operator's screen.

Two daemons with SDL windows on two Xvfb servers, a path of 20 ms round trip between them, a moving picture of
512x512 at 15 images/s. The mouse is moved by XTEST at random times; the operator's framebuffer is read until the
pointer stands there. What is measured includes both windows' drawing and this program's looking.
"""

import ctypes
import mmap
import random
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from daemon.bench import free_udp_port
from daemon.path_relay import PathConditions, PathRelay
from hw.display.banner import strip_height
from hw.display.tool_strip import STRIP_WIDTH
from provisioning.lab import make_lab
from tests.corridor.rig import WatchedDaemon, wait_until
from tests.x_server import HEIGHT, WIDTH, XServer, x_server

RTT_MS = 20
YELLOW = np.array((10, 214, 255), np.uint8)  # the framebuffer's order: blue, green, red
LEFT = (WIDTH - 1024 - STRIP_WIDTH) // 2
TOP = (HEIGHT - 1024 - strip_height(1024)) // 2 + strip_height(1024)
GIVE_UP_S = 1.0


class Mouse:
    """The X server's pointer, moved without starting a program."""

    def __init__(self, server: XServer) -> None:
        self._x11, self._xtst = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
        self._x11.XOpenDisplay.restype = ctypes.c_void_p
        self._display = ctypes.c_void_p(self._x11.XOpenDisplay(server.name.encode()))

    def move(self, x: int, y: int) -> None:
        self._xtst.XTestFakeMotionEvent(self._display, -1, x, y, 0)
        self._x11.XFlush(self._display)


class Framebuffer:
    """One pixel of an Xvfb screen, read without copying the rest."""

    def __init__(self, server: XServer) -> None:
        with server.framebuffer.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        header = np.frombuffer(self._map, ">u4", 25)
        self._start, self._row_bytes = int(header[0] + header[19] * 12), int(header[12])

    def is_yellow(self, x: int, y: int) -> bool:
        at = self._start + y * self._row_bytes + 4 * x
        return bool((np.frombuffer(self._map[at : at + 3], np.uint8) == YELLOW).all())


def measure(seconds: float) -> list[float]:
    """Milliseconds from each movement of the mouse until the pointer stands on the operator's screen."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cathlink-pointer-", dir="/dev/shm")))
        servers = {}
        for name in ("expert", "operator"):
            (folder / name).mkdir()
            servers[name] = stack.enter_context(x_server(folder / name))
        port = free_udp_port()
        relay = PathRelay(port, PathConditions(delay_ms=RTT_MS / 2))
        stack.callback(relay.close)
        lab = make_lab(folder / "lab", link_port=port)
        drawn = {"SDL_VIDEODRIVER": "x11"}
        receiver = WatchedDaemon(
            lab.receiver_config, "display.device=sdl:", environment={**drawn, "DISPLAY": servers["expert"].name}
        )
        stack.callback(receiver.close)
        sender = WatchedDaemon(
            lab.sender_config,
            "display.device=sdl:",
            "capture.device=phantom:512x512@15?beam_on_s=600&beam_off_s=0",
            f"link.peer=127.0.0.1:{relay.port}",
            environment={**drawn, "DISPLAY": servers["operator"].name},
        )
        stack.callback(sender.close)
        wait_until(lambda: receiver.state == sender.state == "LIVE", "LIVE", 60.0)
        return _move_about(Mouse(servers["expert"]), Framebuffer(servers["operator"]), seconds)


def _move_about(mouse: Mouse, screen: Framebuffer, seconds: float) -> list[float]:
    chance = random.Random(4)
    latencies_ms: list[float] = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        x, y = LEFT + chance.randrange(50, 970), TOP + chance.randrange(50, 970)
        if screen.is_yellow(x, y):
            continue
        moved_s = time.monotonic()
        mouse.move(x, y)
        while not screen.is_yellow(x, y) and time.monotonic() - moved_s < GIVE_UP_S:
            time.sleep(0.0005)
        latencies_ms.append((time.monotonic() - moved_s) * 1e3)
        time.sleep(chance.uniform(0.03, 0.12))
    return latencies_ms


def main() -> None:
    latencies_ms = sorted(measure(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0))
    p95 = latencies_ms[int(0.95 * (len(latencies_ms) - 1))]
    print(
        f"pointer, one way, RTT {RTT_MS} ms: median {statistics.median(latencies_ms):.1f} ms, p95 {p95:.1f} ms, "
        f"{len(latencies_ms)} movements"
    )


if __name__ == "__main__":
    main()
