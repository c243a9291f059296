"""A real broker with the deployed configuration, boxes that are managed for real, a console that notes everything."""

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from daemon.config import Config, load_config
from daemon.lab_broker import LabBroker, free_tcp_port
from daemon.manage.management import Management
from daemon.manage.settings import as_overrides
from daemon.messages import Event
from daemon.states import PictureState
from provisioning.lab import Lab, make_lab

DEADLINE_S = 15.0


def wait_until(condition: Callable[[], object], what: str, limit_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        threading.Event().wait(0.005)


@dataclass
class FakeBox:
    """Stands in for the supervisor; notes what it was asked to do."""

    config: Config
    state: PictureState = PictureState.HELD
    told: list[tuple[str, str]] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    management: Management | None = None
    reload: Any = None
    workers_up: bool = True

    @property
    def events(self) -> list[Event]:
        return [Event(what, cause, 1) for what, cause in self.told]

    def workers_are_up(self) -> bool:
        return self.workers_up

    def restart_worker(self, name: str) -> None:
        if name not in ("link", "video"):
            raise KeyError(name)
        self.calls.append(("restart_worker", name))

    def use_config(self, config: Config, restart: Any) -> None:
        self.config = config
        self.calls.append(("use_config", config.encoder.bitrate_bps, sorted(restart)))

    def restart_program(self) -> None:
        self.calls.append(("restart_program",))

    def switch_source(self, number: int) -> None:
        self.calls.append(("switch_source", number))

    def identify(self, seconds: int) -> None:
        self.calls.append(("identify", seconds))

    async def self_test(self) -> dict[str, Any]:
        return {"ok": True, "line": "READY", "checks": []}

    def truth_now(self) -> tuple[PictureState, str]:
        return self.state, ""

    def snapshot(self) -> dict[str, Any]:
        return {
            "role": str(self.config.role),
            "picture": {
                "state": self.state.words, "cause": "", "age_ms": 40, "latency_ms": 61, "latency_bound_ms": 5,
            },
            "workers": {
                "link": {"restarts": 0, "figures": {"rtt_ms": 20.123}}, "video": {"restarts": 1, "figures": {}},
            },
            "health": None,
        }  # fmt: skip

    def note_event(self, what: str, cause: str) -> None:
        self.told.append((what, cause))
        if self.management is not None:
            self.management.note_event(what, cause)


class ManagedBox:
    """`Management` in a loop of its own."""

    def __init__(self, config: Config) -> None:
        self.box = FakeBox(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live)
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._thread.start()
        assert self._started.wait(DEADLINE_S)

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        assert self.box.config.manage is not None
        self.management = self.box.management = Management(self.box, self.box.config.manage)
        self.management.start()
        self._started.set()
        await self._stop.wait()
        await self.management.stop()
        await self._loop.shutdown_default_executor()

    def note_event(self, what: str, cause: str = "") -> None:
        self._loop.call_soon_threadsafe(self.box.note_event, what, cause)

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(DEADLINE_S)
            assert not self._thread.is_alive()


@dataclass(frozen=True, slots=True)
class Heard:
    topic: str
    payload: bytes
    is_retained: bool
    properties: Any

    @property
    def json(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.payload)
        return loaded


class Peer:
    """An MQTT client with the certificate NAME.crt of the lab; notes all that it hears."""

    def __init__(self, folder: Path, port: int, name: str, *topics: str, client_id: str = "") -> None:
        self.heard: list[Heard] = []
        self.ends: list[int] = []
        self._is_subscribed = threading.Event()
        self._topics = topics
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5)
        self.client.tls_set_context(client_tls(folder, name))
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self._is_subscribed.set()
        self.client.on_message = lambda _c, _u, m: self.heard.append(Heard(m.topic, m.payload, m.retain, m.properties))
        self.client.on_disconnect = lambda _c, _u, _f, code, _p: self.ends.append(code.value)
        self.client.connect("localhost", port)
        self.client.loop_start()
        assert self._is_subscribed.wait(DEADLINE_S)

    def _on_connect(self, *_: object) -> None:
        self._is_subscribed.clear()
        self.client.subscribe([(topic, mqtt.SubscribeOptions(qos=1)) for topic in self._topics or ("none",)])

    def say(
        self, topic: str, payload: bytes, *, retain: bool = False, response_topic: str = "", correlation: bytes = b""
    ) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        if response_topic:
            properties.ResponseTopic = response_topic
        if correlation:
            properties.CorrelationData = correlation
        self.client.publish(topic, payload, 1, retain, properties).wait_for_publish(DEADLINE_S)

    def on(self, ending: str) -> list[Heard]:
        """What came on topics with that ending, or below it."""
        return [message for message in list(self.heard) if f"/{ending}" in message.topic]

    def wait_for(self, ending: str, count: int = 1, limit_s: float = DEADLINE_S) -> Heard:
        wait_until(lambda: len(self.on(ending)) >= count, f"{count} messages on {ending}", limit_s)
        return self.on(ending)[count - 1]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def client_tls(folder: Path, name: str = "") -> ssl.SSLContext:
    """Without a name: without a certificate."""
    context = ssl.create_default_context(cafile=folder / "authority.crt")
    if name:
        context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    return context


class ManagedLab:
    """A lab, its broker, and whatever was started with it; all ended by `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_tcp_port()
        self.lab: Lab = make_lab(folder, broker_port=self.port)
        self.broker = LabBroker(folder, self.port)
        self._open: list[ManagedBox | Peer] = []

    def config(self, role: str = "sender", **manage: str) -> Config:
        config = load_config(self.folder / f"{role}.toml")
        assert config.manage is not None
        return msgspec.structs.replace(config, manage=msgspec.structs.replace(config.manage, **manage))

    def box(self, role: str = "sender", **manage: str) -> ManagedBox:
        box: ManagedBox = self._note(ManagedBox(self.config(role, **manage)))
        box.box.reload = lambda settings: load_config(self.folder / f"{role}.toml", as_overrides(settings))
        return box

    def peer(self, name: str, *topics: str, client_id: str = "") -> Peer:
        return self._note(Peer(self.folder, self.port, name, *topics, client_id=client_id))

    def console(self) -> Peer:
        return self.peer("console", "v1/#")

    def _note(self, part: Any) -> Any:
        self._open.append(part)
        return part

    def close(self) -> None:
        with ExitStack() as stack:
            stack.callback(self.broker.stop)
            for part in self._open:
                stack.callback(part.close)


@contextmanager
def managed_lab(folder: Path) -> Iterator[ManagedLab]:
    lab = ManagedLab(folder)
    try:
        yield lab
    finally:
        lab.close()
