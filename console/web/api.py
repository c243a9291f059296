"""What the pages ask for: JSON, and one stream of what is new (server-sent events)."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from console.errors import ConsoleError
from console.fleet import Device
from console.history import History
from console.service import Console

ROWS_LIMIT = 200
LONGEST_HISTORY_HOURS = 24 * 31
LONGEST_BODY_BYTES = 64 * 1024
KEEP_ALIVE_S = 10.0


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def device_of(request: Request) -> Device | None:
    console: Console = request.app.state.console
    return console.fleet.devices.get(f"{request.path_params['site']}/{request.path_params['device']}")


async def _fleet(request: Request) -> Response:
    console: Console = request.app.state.console
    return _json({"version": console.fleet.version, "glances": [d.glance for d in console.fleet if d.glance]})


async def _device(request: Request) -> Response:
    device = device_of(request)
    return _json({"problem": "no such device"}, 404) if device is None else _json(device_view(device))


def device_view(device: Device) -> dict[str, Any]:
    """All that is known of a device now."""
    age_s = round((time.monotonic_ns() - device.health_at_ns) / 1e9, 1) if device.health else None
    return {
        "key": device.key,
        "presence": device.presence,
        "glance": device.glance,
        "state": device.state,
        "health": device.health,
        "health_age_s": age_s,
        "reported": device.reported,
        "events": [{"kind": kind, "event": event} for kind, event in reversed(device.events)],
    }


async def _history(request: Request) -> Response:
    device = device_of(request)
    if device is None:
        return _json({"problem": "no such device"}, 404)
    try:
        hours = min(LONGEST_HISTORY_HOURS, max(1, int(request.query_params.get("hours", "1"))))
    except ValueError:
        return _json({"problem": "hours: a number"}, 400)
    since_s = int(time.time()) - hours * 3600
    history: History = request.app.state.console.history
    return _json(
        {
            "since_s": since_s,
            "minutes": await asyncio.to_thread(history.minutes, device.key, since_s),
            "cases": await asyncio.to_thread(history.cases, device.key, ROWS_LIMIT),
            "commands": await asyncio.to_thread(history.commands, device.key, ROWS_LIMIT),
        }
    )


async def _command(request: Request) -> Response:
    device = device_of(request)
    if device is None:
        return _json({"problem": "no such device"}, 404)
    body = await request.body()
    if len(body) > LONGEST_BODY_BYTES:
        return _json({"problem": "too long"}, 413)
    user = request.state.user
    try:
        command = await request.app.state.console.send(device, body.decode(errors="replace"), user.name, user.role)
    except ConsoleError as error:
        return _json({"problem": str(error)}, 409)
    return _json({"nonce": command.nonce})


async def _stream(request: Request) -> Response:
    """`version`: of the fleet that the page has; `device`: the one that it shows whole, if any."""
    console: Console = request.app.state.console
    try:
        version = int(request.query_params.get("version", "0"))
    except ValueError:
        return _json({"problem": "version: a number"}, 400)
    key = request.query_params.get("device", "")
    return StreamingResponse(
        _news(console, version, key),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _news(console: Console, version: int, key: str) -> AsyncIterator[bytes]:
    if version > console.fleet.version:
        version = 0  # the console was started again since
    revision, answers, broker_problem = -1, console.answers_count, None
    last_said = time.monotonic()
    while True:
        news: dict[str, Any] = {}
        if console.fleet.version > version:
            news["glances"] = [device.glance for device in console.fleet.changed_since(version)]
            news["version"] = version = console.fleet.version
        device = console.fleet.devices.get(key)
        if device is not None and device.revision != revision:
            news["device"], revision = device_view(device), device.revision
        if console.answers_count > answers:
            news["answers"] = [
                {"device": a.device, "acknowledgement": a.acknowledgement, "problem": a.problem}
                for a in console.answers
                if a.serial > answers and (not key or a.device == key)
            ]
            answers = console.answers_count
        if console.broker.problem != broker_problem:
            news["broker_problem"] = broker_problem = console.broker.problem
        if news or time.monotonic() - last_said > KEEP_ALIVE_S:
            last_said = time.monotonic()
            yield b"data: " + msgspec.json.encode(news) + b"\n\n"
        await console.wait_for_news()


ROUTES = [
    Route("/fleet", _fleet),
    Route("/stream", _stream),
    Route("/device/{site}/{device}", _device),
    Route("/device/{site}/{device}/history", _history),
    Route("/device/{site}/{device}/command", _command, methods=["POST"]),
]
