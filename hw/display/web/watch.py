"""The picture page's server side: what was shown last goes to everybody who watches, and never more than that.

A viewer gets one update, answers when it is drawn, and only then gets the next, which is the newest there is: whatever
the network does, no queue can grow. Updates are driven by the presenter alone, which shows at least every 50 ms; when
it stops, updates stop, and the page itself says that its picture is old.
"""

import asyncio
import contextlib
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from hw.display.banner import LATENCY_LABELS, latency_words
from hw.display.web.jpeg import JpegEncoder
from hw.display.web.pointing import INPUTS_KEPT, OverlayUpdate, parse_inputs
from hw.overlay import NOTHING_OVER, Input, Overlay
from hw.ports import Banner, Picture, Tone

MAX_VIEWERS = 8
ANSWER_DEADLINE_S = 5.0
TRY_AGAIN_LATER = 1013  # WebSocket close codes, RFC 6455 and its IANA registry
POLICY_VIOLATION = 1008


@dataclass(frozen=True, slots=True)
class Shown:
    """What the presenter showed at `at_ns`. `pixels` is None when there is no picture, or nobody watched."""

    banner: Banner
    number: int | None  # counts new pictures; None: there is no picture
    pixels: Picture | None
    at_ns: int
    overlay: Overlay = NOTHING_OVER

    @property
    def born_ns(self) -> int:
        """When the picture was new, on this process's clock."""
        return self.at_ns - (self.banner.age_ms or 0) * 1_000_000


class Update(msgspec.Struct, frozen=True):
    """One message to the page (JSON). Its JPEG, if `jpeg_follows`, is the next message."""

    serial: int  # what the page answers
    waited_ms: float  # between the page's last answer and now: tells the page the network's share
    number: int | None  # the receiver's picture; None: there is none and the page must blank
    jpeg_follows: bool
    behind_ms: float  # how much older the page's picture is than the receiver's
    tone: Tone
    state: str
    cause: str
    age_ms: float | None  # of the picture that the page shows once it has drawn this update
    latency: str
    latency_label: str
    latency_tone: Tone
    overlay: OverlayUpdate = OverlayUpdate.of(NOTHING_OVER)


@dataclass(frozen=True, slots=True)
class _Encoded:
    shown: Shown
    jpeg: bytes


class _Viewer:
    """One page. `holds` is the picture that it has drawn, or will have when it answers."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.answered = asyncio.Event()
        self.answered_ns = time.monotonic_ns()
        self.holds: Shown | None = None
        self.serial = 0
        self.must_answer = False


class _WrongAnswerError(Exception):
    """The page does not keep to the exchange. The text is told to it."""


class PicturePage:
    """`publish` belongs to the presenter's thread, all else to the server's loop."""

    def __init__(self, encoder: JpegEncoder, encoding_thread: ThreadPoolExecutor) -> None:
        self._encoder = encoder
        self._thread = encoding_thread
        self._loop: asyncio.AbstractEventLoop | None = None
        self._viewers: set[_Viewer] = set()
        self._encoding: asyncio.Future[_Encoded] | None = None
        self.inputs: deque[Input] = deque(maxlen=INPUTS_KEPT)  # what viewers did; appended here, taken by the presenter
        self.latest: Shown | None = None  # the one slot: replaced whole, so that no lock is needed

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    def publish(self, shown: Shown) -> None:
        """Replace the newest; never waits."""
        self.latest = shown
        if self._viewers and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody watches any more
                self._loop.call_soon_threadsafe(self._tell_news)

    def _tell_news(self) -> None:
        for viewer in self._viewers:
            viewer.news.set()

    async def watch(self, socket: WebSocket) -> None:
        """Serve one page until it leaves."""
        await socket.accept()
        if len(self._viewers) >= MAX_VIEWERS:
            await socket.close(TRY_AGAIN_LATER, f"{MAX_VIEWERS} viewers watch already")
            return
        self._loop = asyncio.get_running_loop()
        viewer = _Viewer()
        self._viewers.add(viewer)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(socket, viewer))
                tasks.create_task(self._tell(socket, viewer))
        except* WebSocketDisconnect:
            pass
        except* _WrongAnswerError as wrong:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it may be gone by now
                await socket.close(POLICY_VIOLATION, str(wrong.exceptions[0]))
        finally:
            self._viewers.discard(viewer)

    async def _tell(self, socket: WebSocket, viewer: _Viewer) -> None:
        """One update after the other, each when the one before is answered."""
        while True:
            jpeg = await self._news_for(viewer)
            assert self.latest is not None
            viewer.serial += 1
            viewer.must_answer = True
            viewer.answered.clear()
            update = _update(self.latest, viewer, jpeg_follows=jpeg is not None)
            await socket.send_text(msgspec.json.encode(update).decode())
            if jpeg is not None:
                await socket.send_bytes(jpeg)
            try:
                async with asyncio.timeout(ANSWER_DEADLINE_S):
                    await viewer.answered.wait()
            except TimeoutError:
                raise _WrongAnswerError("no answer to the last update") from None

    async def _news_for(self, viewer: _Viewer) -> bytes | None:
        """Wait until there is something to tell; the picture that belongs to it unless the viewer holds it."""
        while True:
            await viewer.news.wait()
            viewer.news.clear()
            if (shown := self.latest) is None:
                continue
            jpeg = None
            if shown.number is not None and (viewer.holds is None or viewer.holds.number != shown.number):
                if shown.pixels is None:
                    continue  # shown before anybody watched: the presenter's next call brings the pixels
                encoded = await self._encode(shown)
                viewer.holds, jpeg = encoded.shown, encoded.jpeg
            if self.latest is None or self.latest.number is None:  # by now: a picture that is withheld must not follow
                viewer.holds, jpeg = None, None
            return jpeg

    async def _listen(self, socket: WebSocket, viewer: _Viewer) -> None:
        """Hear the viewer's answers, what people do on its page, and that it left."""
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message["code"])
            text = message.get("text") or ""
            if text.startswith("["):
                try:
                    self.inputs.extend(parse_inputs(text))
                except ValueError:
                    raise _WrongAnswerError("that is nothing that one can do on this page") from None
                continue
            if not viewer.must_answer or text != str(viewer.serial):
                raise _WrongAnswerError("that is no answer to the last update")
            viewer.must_answer = False
            viewer.answered_ns = time.monotonic_ns()
            viewer.answered.set()

    async def frozen_jpeg(self, number: int) -> bytes | None:
        """The frozen picture, if that is its number now."""
        frozen = self.latest.overlay.frozen if self.latest else None
        if frozen is None or frozen.number != number or frozen.pixels is None:
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._encoder.encode, frozen.pixels)

    async def _encode(self, wanted: Shown) -> _Encoded:
        """`wanted` as JPEG, or the one that is just being encoded for another viewer: that is hardly older."""
        last = self._encoding
        if last is None or (last.done() and (last.exception() or last.result().shown.number != wanted.number)):
            loop = asyncio.get_running_loop()
            last = self._encoding = loop.run_in_executor(self._thread, self._encode_in_thread, wanted)
        return await asyncio.shield(last)

    def _encode_in_thread(self, wanted: Shown) -> _Encoded:
        assert wanted.pixels is not None
        return _Encoded(wanted, self._encoder.encode(wanted.pixels))


def _update(shown: Shown, viewer: _Viewer, *, jpeg_follows: bool) -> Update:
    now_ns = time.monotonic_ns()
    banner, holds = shown.banner, viewer.holds
    behind_ms = 0.0
    if holds is not None and holds.number != shown.number:
        behind_ms = max(0.0, (shown.born_ns - holds.born_ns) / 1e6)
    since_shown_ms = (now_ns - shown.at_ns) / 1e6
    return Update(
        serial=viewer.serial,
        waited_ms=(now_ns - viewer.answered_ns) / 1e6,
        number=shown.number,
        jpeg_follows=jpeg_follows,
        behind_ms=behind_ms,
        tone=banner.tone,
        state=banner.state,
        cause=banner.cause,
        age_ms=None if banner.age_ms is None else banner.age_ms + since_shown_ms + behind_ms,
        latency=latency_words(banner.latency_ms, banner.latency_bound_ms),
        latency_label=LATENCY_LABELS[banner.latency_tone],
        latency_tone=banner.latency_tone,
        overlay=OverlayUpdate.of(shown.overlay),
    )
