"""The console's pages: what is where, who may see it, and what a browser is told about its own safety."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qsl

from itsdangerous import BadSignature, Signer, URLSafeTimedSerializer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from console.accounts import Accounts, User
from console.config import WebConfig
from console.service import Console
from console.web import api, metrics
from console.web.texts import LANGUAGES, NAMES, best_language, texts

HERE = Path(__file__).parent
SESSION_COOKIE = "cathlink_session"
LANGUAGE_COOKIE = "cathlink_language"
SESSION_LIFE_S = 12 * 3600
YEAR_S = 365 * 86_400
LONGEST_FORM_BYTES = 4096
ROWS_SHOWN = 500
OPEN_PATHS = ("/sign-in", "/static/", "/alive", "/metrics", "/language/")
SAFETY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

templates = Jinja2Templates(HERE / "templates")


def make_app(console: Console, accounts: Accounts, config: WebConfig, session_key: bytes) -> Starlette:
    """`session_key`: the same for all consoles behind one address, so that none of them keeps a session."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with console.running():
            yield

    app = Starlette(
        routes=[
            Route("/", _page("fleet.html", "fleet")),
            Route("/device/{site}/{device}", _device_page),
            Route("/events", _events_page),
            Route("/audit", _audit_page),
            Route("/keys", _page("keys.html", "keys")),
            Route("/sign-in", _sign_in, methods=["GET", "POST"]),
            Route("/sign-out", _sign_out, methods=["POST"]),
            Route("/language/{language}", _set_language),
            Route("/alive", _alive),
            Route("/metrics", metrics.show),
            Mount("/api", routes=api.ROUTES),
            Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=_guard)],
        lifespan=lifespan,
        exception_handlers={404: _not_found},
    )
    app.state.console, app.state.accounts, app.state.config = console, accounts, config
    app.state.sessions = URLSafeTimedSerializer(session_key, salt="cathlink session")
    app.state.tokens = Signer(session_key, salt="cathlink token")
    return app


# --- who is asking ---


async def _guard(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Nobody sees anything without having signed in; nothing is changed on another site's behalf."""
    request.state.user, request.state.token = _signed_in(request)
    is_open = request.url.path.startswith(OPEN_PATHS)
    response: Response
    if request.state.user is None and not is_open:
        response = (
            JSONResponse({"problem": "sign in again"}, 401)
            if request.url.path.startswith("/api/")
            else RedirectResponse("/sign-in", 303)
        )
    elif request.method == "POST" and not _is_from_our_page(request):
        response = JSONResponse({"problem": "this page is too old: load it again"}, 403)
    else:
        response = await call_next(request)
    response.headers.update(SAFETY_HEADERS)
    return response


def _signed_in(request: Request) -> tuple[User | None, str]:
    """The user, and the token that whatever they change must show."""
    state = request.app.state
    if state.config.proxy_user_header:
        name = session = request.headers.get(state.config.proxy_user_header, "")
    else:
        session = request.cookies.get(SESSION_COOKIE, "")
        try:
            name, _ = state.sessions.loads(session, max_age=SESSION_LIFE_S)
        except (BadSignature, ValueError, TypeError):
            return None, ""
    return (state.accounts.user(name) if name else None), state.tokens.get_signature(session).decode()


def _is_from_our_page(request: Request) -> bool:
    """Against forged requests: another site's page can neither read the token nor set the header (and see SameSite)."""
    origin = request.headers.get("origin")
    if origin and origin.split("://")[-1] != request.headers.get("host"):
        return False
    if request.url.path == "/sign-in":
        return True
    return bool(request.state.token) and secrets.compare_digest(request.headers.get("x-token", ""), request.state.token)


async def _sign_in(request: Request) -> Response:
    if request.method == "GET":
        return _render(request, "sign_in.html", "sign_in")
    if int(request.headers.get("content-length", LONGEST_FORM_BYTES)) >= LONGEST_FORM_BYTES:
        return _render(request, "sign_in.html", "sign_in", status=413, failed=True)
    form = dict(parse_qsl((await request.body()).decode(errors="replace")))
    name, password = form.get("name", ""), form.get("password", "")
    user = request.app.state.accounts.sign_in(name, password, time.monotonic_ns())
    if user is None:
        return _render(request, "sign_in.html", "sign_in", status=403, failed=True)
    response = RedirectResponse("/", 303)
    _set_cookie(request, response, SESSION_COOKIE, _session_of(request, user), SESSION_LIFE_S)
    return response


def _session_of(request: Request, user: User) -> str:
    return str(request.app.state.sessions.dumps([user.name, secrets.token_urlsafe(16)]))


async def _sign_out(request: Request) -> Response:
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response


async def _set_language(request: Request) -> Response:
    back = request.headers.get("referer", "/").split("://")[-1].partition("/")[2]
    response = RedirectResponse(f"/{back}", 303)
    if request.path_params["language"] in LANGUAGES:
        _set_cookie(request, response, LANGUAGE_COOKIE, request.path_params["language"], YEAR_S)
    return response


def _set_cookie(request: Request, response: Response, name: str, value: str, life_s: int) -> None:
    is_https = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
    response.set_cookie(name, value, life_s, httponly=True, samesite="strict", secure=is_https)


# --- pages ---


def _page(template: str, subject: str) -> Callable[[Request], Awaitable[Response]]:
    async def show(request: Request) -> Response:
        return _render(request, template, subject)

    return show


async def _device_page(request: Request) -> Response:
    device = api.device_of(request)
    if device is None:
        return await _not_found(request, None)
    return _render(request, "device.html", "fleet", device=device)


async def _events_page(request: Request) -> Response:
    rows = await asyncio.to_thread(request.app.state.console.history.events, None, ROWS_SHOWN)
    return _render(request, "events.html", "events", rows=rows)


async def _audit_page(request: Request) -> Response:
    rows = await asyncio.to_thread(request.app.state.console.history.commands, None, ROWS_SHOWN)
    return _render(request, "audit.html", "audit", rows=rows)


async def _not_found(request: Request, _: Exception | None) -> Response:
    return _render(request, "message.html", "", status=404, message="not_found")


async def _alive(request: Request) -> Response:
    console: Console = request.app.state.console
    return PlainTextResponse(console.broker.problem or "connected", 503 if console.broker.problem else 200)


def _render(request: Request, template: str, subject: str, *, status: int = 200, **more: object) -> Response:
    language = best_language(request.cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("accept-language", ""))
    context = {
        "t": texts(language),
        "language": language,
        "languages": NAMES,
        "subject": subject,
        "user": getattr(request.state, "user", None),
        "token": getattr(request.state, "token", ""),
        **more,
    }
    return templates.TemplateResponse(request, template, context, status)
