"""The HTTP side of the picture page: its four files, its health, and who may ask.

The picture is patients' data, so a page of another site must not get at it through the browser of somebody who may:
a WebSocket is accepted from this page's own origin alone, and requests only under a name that cannot be one of another
site's pointed here (DNS rebinding).
"""

import ipaddress
import time
from importlib import resources
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from hw.display.web.watch import POLICY_VIOLATION, PicturePage

SILENT_PRESENTER_MS = 1000

_SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/pointing.js": ("pointing.js", "text/javascript; charset=utf-8"),
}


def web_application(page: PicturePage, host: str) -> ASGIApp:
    """`host` is the name or address that the page is served under, besides localhost and plain addresses."""

    async def healthz(request: Request) -> Response:
        """200 while the presenter shows, 503 when it is silent."""
        shown = page.latest
        silent_ms = None if shown is None else (time.monotonic_ns() - shown.at_ns) // 1_000_000
        is_well = silent_ms is not None and silent_ms < SILENT_PRESENTER_MS
        return JSONResponse(
            {"status": "ok" if is_well else "no pictures", "silent_ms": silent_ms, "viewers": page.viewers},
            200 if is_well else 503,
        )

    async def frozen(request: Request) -> Response:
        jpeg = await page.frozen_jpeg(request.path_params["number"])
        return Response(status_code=404) if jpeg is None else Response(jpeg, media_type="image/jpeg")

    async def no_icon(request: Request) -> Response:
        return Response(status_code=204)

    routes: list[BaseRoute] = [_file_route(path, *file) for path, file in _FILES.items()]
    routes += [Route("/frozen/{number:int}.jpg", frozen)]
    routes += [Route("/healthz", healthz), Route("/favicon.ico", no_icon), WebSocketRoute("/watch", page.watch)]
    return OwnSiteOnly(Starlette(routes=routes), host)


def _file_route(path: str, name: str, media_type: str) -> Route:
    content = resources.files(__package__).joinpath(name).read_bytes()

    async def serve(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return Route(path, serve)


class OwnSiteOnly:
    """Refuses other sites, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._names = {"localhost", host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_SECURITY_HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        origin = headers.get("origin")
        is_same_origin = origin is None or urlsplit(origin).netloc == headers.get("host")
        if self._is_own_name(headers.get("host", "")) and is_same_origin:
            await self._app(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await WebSocketClose(POLICY_VIOLATION)(scope, receive, send)
        else:
            refusal = PlainTextResponse("This page answers only to itself, under its own name or address.", 403)
            await refusal(scope, receive, send_with_headers)

    def _is_own_name(self, host_header: str) -> bool:
        try:
            name = urlsplit(f"//{host_header}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
