"""Figures for Prometheus: the fleet's at a glance, each device's that is online, and the console's own."""

import secrets
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from console.fleet import Presence
from console.minutes import FIGURES, figures_of
from console.service import Console


async def show(request: Request) -> Response:
    """404 without `web.metrics_token`: what is not wanted is not there."""
    token = request.app.state.config.metrics_token
    if not token:
        return PlainTextResponse("not found", 404)
    if not secrets.compare_digest(request.headers.get("authorization", ""), f"Bearer {token}"):
        return PlainTextResponse("the token is wrong", 401, {"WWW-Authenticate": "Bearer"})
    registry = CollectorRegistry()
    registry.register(_Figures(request.app.state.console))
    return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")


class _Figures:
    def __init__(self, console: Console) -> None:
        self._console = console

    def collect(self) -> Iterable[Any]:
        console, fleet = self._console, self._console.fleet
        counts: dict[tuple[str, str], int] = {}
        latency = GaugeMetricFamily("cathlink_latency_ms", "Glass to glass.", labels=("site", "device"))
        gauges = {
            name: GaugeMetricFamily(f"cathlink_{name}", "As the device says.", labels=("site", "device"))
            for name in FIGURES
        }
        for device in fleet:
            if device.glance is None:
                continue
            key = (device.glance.presence, device.glance.alert)
            counts[key] = counts.get(key, 0) + 1
            if device.presence is not Presence.ONLINE or device.health is None:
                continue
            if device.health.picture.latency_ms is not None:
                latency.add_metric((device.site, device.name), device.health.picture.latency_ms)
            for name, value in figures_of(device.health).items():
                gauges[name].add_metric((device.site, device.name), value)
        devices = GaugeMetricFamily("cathlink_devices", "How many.", labels=("presence", "alert"))
        for labels, count in counts.items():
            devices.add_metric(labels, count)
        yield devices
        yield latency
        yield from gauges.values()
        yield CounterMetricFamily("cathlink_console_messages", "Off the broker.", console.received)
        yield CounterMetricFamily("cathlink_console_not_understood", "Messages.", fleet.not_understood)
        yield CounterMetricFamily("cathlink_console_history_dropped", "Rows.", console.history.dropped)
        yield GaugeMetricFamily("cathlink_console_connected", "To the broker.", float(not console.broker.problem))
