"""The Display that is a web page: a server thread in the presenter's process, which the presenter never waits for."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import uvicorn

from hw.display.web.jpeg import JpegEncoder
from hw.display.web.server import web_application
from hw.display.web.watch import PicturePage, Shown
from hw.errors import DeviceError
from hw.overlay import NOTHING_OVER, Input, Overlay
from hw.ports import Banner, Picture

logger = logging.getLogger(__name__)

_WILDCARDS = ("", "0.0.0.0", "::")
_GRACE_S = 0.3  # for pages to hear that the server ends


class WebDisplay:
    """Serves the page on `host`:`port` while it is open; port 0 takes a free one.

    The page has no login: `host` should stay a loopback address unless the network is trusted.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server: _ServerThread | None = None
        self._page: PicturePage | None = None
        self._number = 0
        self._pixels: Picture | None = None  # a copy of the picture that `_number` counts, while somebody watches

    @property
    def address(self) -> str:
        """The URL of the page; the true port is known once the display is open."""
        port = self._port if self._server is None else self._server.port
        host = "localhost" if self._host in _WILDCARDS else self._host
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    def open(self) -> None:
        """Raises DeviceError when the address cannot be had."""
        self.close()
        listener = _listen(self._host, self._port)
        self._number, self._pixels = 0, None
        self._server = _ServerThread(listener, self._host)
        self._page = self._server.page
        if not _is_loopback(self._host):
            logger.warning("the picture page is open to the network, without login: %s", self.address)

    def show(self, picture: Picture | None, banner: Banner, *, is_new: bool, overlay: Overlay = NOTHING_OVER) -> None:
        """Leave the newest for the viewers; never waits for one. Raises DeviceError when the server has died."""
        if self._page is None or self._server is None:
            raise DeviceError("web display is not open")
        if not self._server.is_alive():
            raise DeviceError("web display: the page's server has stopped")
        now_ns = time.monotonic_ns()
        if is_new:
            self._number += 1
        if picture is None or self._page.viewers == 0:
            self._pixels = None
        elif is_new or self._pixels is None:
            self._pixels = picture.copy()
        self._page.publish(Shown(banner, None if picture is None else self._number, self._pixels, now_ns, overlay))

    def take_inputs(self) -> Sequence[Input]:
        """What all viewers did; each of them is this end's hand."""
        if self._page is None:
            raise DeviceError("web display is not open")
        inputs: list[Input] = []
        with contextlib.suppress(IndexError):
            while True:
                inputs.append(self._page.inputs.popleft())
        return inputs

    def close(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._server = self._page = self._pixels = None


class _ServerThread:
    """uvicorn on an asyncio loop of its own. Not in the main thread, so it leaves the signals alone."""

    def __init__(self, listener: socket.socket, host: str) -> None:
        self.port: int = listener.getsockname()[1]
        self._encoder = JpegEncoder()
        self._encoding_thread = ThreadPoolExecutor(1, thread_name_prefix="web-jpeg")
        self.page = PicturePage(self._encoder, self._encoding_thread)
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                web_application(self.page, host),
                http="h11",
                ws="websockets-sansio",  # the other implementation is built on a deprecated API
                ws_max_size=4096,  # a page sends serial numbers and a few inputs at once
                ws_per_message_deflate=False,  # JPEG does not shrink, and the banner is small
                lifespan="off",
                log_config=None,
                log_level=logging.WARNING,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._thread = threading.Thread(target=self._run, args=(listener,), name="web-server", daemon=True)
        self._thread.start()

    def _run(self, listener: socket.socket) -> None:
        asyncio.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        await self._uvicorn.serve(sockets=[listener])
        for connection in list(self._uvicorn.server_state.connections):  # pages that no longer read
            connection.transport.abort()
        await asyncio.sleep(0)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        self._thread.join()
        self._encoding_thread.shutdown()
        self._encoder.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=16)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = f"web display: port {port} is in use"
            raise DeviceError(problem, "end the program that holds it, or give another port") from error
        raise DeviceError(f"web display: cannot listen on {host} port {port}: {error.strerror}") from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
