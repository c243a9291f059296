"""The page on which a layout is drawn: the frame as PNG, the layouts as JSON, and saving what was drawn."""

import asyncio
import datetime
from collections.abc import Callable
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Annotated

import msgspec
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from daemon.layout_tool.find import find_image_area
from daemon.layout_tool.grab import FrameGrabber
from daemon.picture.area import Area
from daemon.picture.layout import Landmark, Layout, LayoutBook
from daemon.picture.layout_file import load_layouts, save_layouts
from hw.display.web.server import OwnSiteOnly
from hw.errors import CathlinkError
from hw.ports import GrayPicture

LARGEST_DRAWING_BYTES = 64 * 1024
FIND_FRAMES, FIND_FRAMES_APART = 4, 8  # each 8th: at least one X-ray image later
JSON = "application/json"

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}


class Drawing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the page draws: a layout whose landmarks are areas of the frame, not yet fingerprints."""

    name: Annotated[str, msgspec.Meta(max_length=100)]
    image: Area | None
    identity: Annotated[tuple[Area, ...], msgspec.Meta(max_length=64)]
    landmarks: Annotated[tuple[Area, ...], msgspec.Meta(max_length=16)]
    no_identity: bool
    signed_off_by: str


class LayoutEditor:
    """The grabbed frame, and the layout file that is being made. Used by one request at a time."""

    def __init__(self, grabber: FrameGrabber, path: Path) -> None:
        self._grabber = grabber
        self._path = path
        self._frame: GrayPicture | None = None

    def grab(self) -> None:
        """Take a new frame. Raises DeviceError."""
        (self._frame,) = self._grabber.grab()

    def grab_again(self) -> dict[str, object]:
        self.grab()
        return {"size": self.size}

    def find(self) -> dict[str, object]:
        """Where the X-ray image seems to be. Raises DeviceError, or LayoutError when nothing moves."""
        frames = self._grabber.grab(FIND_FRAMES, FIND_FRAMES_APART)
        self._frame = frames[-1]
        return {"image": find_image_area(frames)}

    @property
    def frame(self) -> GrayPicture:
        assert self._frame is not None, "grab comes first"
        return self._frame

    @property
    def size(self) -> str:
        return f"{self.frame.shape[1]}x{self.frame.shape[0]}"

    def drawings(self) -> list[Drawing]:
        """The saved layouts of this frame's size. Raises LayoutError when the file is no good."""
        return [
            Drawing(
                name=layout.name,
                image=layout.image,
                identity=layout.identity,
                landmarks=tuple(Area(m.x, m.y, m.width, m.height) for m in layout.landmarks),
                no_identity=layout.no_identity,
                signed_off_by=layout.signed_off_by or "",
            )
            for layout in self._saved()
            if layout.size == self.size
        ]

    def save(self, drawing: Drawing) -> str:
        """Put the layout in the file, in place of one of its size and name. Returns words for the engineer.

        A layout for any size goes: it would let through what the drawn one does not know. Raises ValueError when the
        drawing is no layout, LayoutError when the file cannot be read or written.
        """
        made = Layout(
            size=self.size,
            name=drawing.name,
            image=drawing.image,
            identity=drawing.identity,
            landmarks=tuple(Landmark.seen_in(self.frame, area) for area in drawing.landmarks),
            no_identity=drawing.no_identity,
            signed_off_by=drawing.signed_off_by or None,
            signed_off_on=datetime.date.today() if drawing.signed_off_by else None,
        )
        saved = self._saved()
        sized = [layout for layout in saved if not layout.is_for_any_size]
        others = [layout for layout in sized if (layout.size, layout.name) != (made.size, made.name)]
        save_layouts(self._path, LayoutBook((*others, made)))
        words = f"Saved in {self._path}: {len(others) + 1} of this source's screens."
        return words if len(sized) == len(saved) else f"{words} The layout for any size was taken out."

    def _saved(self) -> tuple[Layout, ...]:
        return load_layouts(self._path).layouts if self._path.exists() else ()


def layout_application(editor: LayoutEditor, host: str) -> ASGIApp:
    async def frame(request: Request) -> Response:
        file = BytesIO()
        Image.fromarray(editor.frame).save(file, "PNG", compress_level=1)
        return Response(file.getvalue(), media_type="image/png")

    async def layouts(request: Request) -> Response:
        return _answer(lambda: {"size": editor.size, "layouts": editor.drawings()})

    async def save(request: Request) -> Response:
        body = await _body(request)
        return _answer(lambda: {"saved": editor.save(msgspec.json.decode(body, type=Drawing))})

    async def grab(request: Request) -> Response:
        return await asyncio.to_thread(_answer, editor.grab_again)

    async def find(request: Request) -> Response:
        return await asyncio.to_thread(_answer, editor.find)

    async def no_icon(request: Request) -> Response:
        return Response(status_code=204)

    routes: list[BaseRoute] = [_file_route(path, *file) for path, file in _FILES.items()]
    routes += [
        Route("/frame.png", frame),
        Route("/layouts", layouts),
        Route("/layouts", save, methods=["POST"]),
        Route("/grab", grab, methods=["POST"]),
        Route("/find", find, methods=["POST"]),
        Route("/favicon.ico", no_icon),
    ]
    return OwnSiteOnly(Starlette(routes=routes), host)


async def _body(request: Request) -> bytes:
    """At most LARGEST_DRAWING_BYTES; what is longer is cut, and so no JSON."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_DRAWING_BYTES:
            return b""
    return body


def _answer(make: Callable[[], dict[str, object]]) -> Response:
    """What `make` returns, or its error as words for the engineer."""
    try:
        return Response(msgspec.json.encode(make()), media_type=JSON)
    except (CathlinkError, ValueError, msgspec.MsgspecError) as error:
        return Response(msgspec.json.encode({"problem": str(error)}), 422, media_type=JSON)


def _file_route(path: str, name: str, media_type: str) -> Route:
    content = resources.files(__package__).joinpath(name).read_bytes()

    async def serve(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return Route(path, serve)
