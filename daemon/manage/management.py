"""Management of one box, in the supervisor's loop: keeps the connection to the broker and says what the schema says.

Nothing here is waited for by the case. The supervisor calls `note_event` and goes on; what this file awaits (broker,
disk) runs in tasks and threads of its own, and a fault of any of them ends as a line in the log and a new try.
"""

import asyncio
import contextlib
import logging
import random
import socket
import ssl
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from daemon.config import ManageConfig, split_address
from daemon.errors import ManageError
from daemon.log import RepeatedProblem
from daemon.manage import schema
from daemon.manage.audit import Audit
from daemon.manage.backoff import Backoff
from daemon.manage.box import Box
from daemon.manage.broker import Broker, BrokerError, Incoming, tls_context
from daemon.manage.case import CaseWatch
from daemon.manage.clone import judge_own_state
from daemon.manage.command_desk import CommandDesk
from daemon.manage.event_kinds import kind_of
from daemon.manage.health import health_message
from daemon.manage.now import Now, installed_at, read_now, utc_text
from daemon.manage.operators import load_operators
from daemon.manage.orders import RULES, Orders
from daemon.manage.schema import HEALTH_EXPIRY_S, MessageError, State, decode, encode
from daemon.manage.session import Session
from daemon.manage.settings import SETTABLE, SettingsStore
from daemon.manage.settings_desk import SettingsDesk
from daemon.manage.spool import Spool
from daemon.manage.topics import Topics
from provisioning.identity import Identity

logger = logging.getLogger(__name__)

HEALTH_EVERY_S = 5.0
HEALTH_PAUSE_S = 1.5  # between two at least, however much happens
CARE_EVERY_S = 1.0
FAREWELL_LIMIT_S = 0.3
STOP_LIMIT_S = 0.5
EVENTS_IN_MEMORY = 1_000
LONGEST_TEXT = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Noted:
    what: str
    cause: str
    now: Now


class Management:
    """`start`, then `stop`."""

    def __init__(self, box: Box, manage: ManageConfig) -> None:
        """Raises ManageError or IdentityError for what can be seen at once to be wrong."""
        config = box.config.identity
        self._box = box
        self._host, self._port = split_address(manage.broker, "manage.broker")
        self._identity = Identity.load(Path(config.certificate), Path(config.key), Path(config.authority))
        self._topics = Topics(manage.site, self._identity.name)
        self._spool = Spool(Path(manage.directory) / "spool.sqlite")
        self._boot_id = str(uuid.uuid4())
        self._own_boots = self._spool.note_boot(self._boot_id)
        self._no_sooner_than = installed_at()
        self._started_ns = time.monotonic_ns()
        self._version = version("cathlink")
        self._case = CaseWatch()
        self._noted: deque[_Noted] = deque(maxlen=EVENTS_IN_MEMORY)
        self._has_noted = asyncio.Event()
        self._has_news = asyncio.Event()
        self._has_spooled = asyncio.Event()
        self._disk = asyncio.Lock()
        self._backoff = Backoff(random.random)
        self._problem = RepeatedProblem(logger)
        self._broker: Broker | None = None
        self._session: Session | None = None
        self._clone = ""
        self._must_report = asyncio.Event()
        self._open_desks(manage)
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None

    def _open_desks(self, manage: ManageConfig) -> None:
        folder = Path(manage.directory)
        self._operators = load_operators(Path(manage.operators))
        audit, store = Audit(folder, self._boot_id), SettingsStore(folder)
        self._settings = SettingsDesk(self._box, store, self._on_disk)
        self._commands = CommandDesk(
            self._topics,
            self._identity.private_key,
            self._operators,
            audit,
            Orders(self._box, audit, self._settings),
            self._settings,
            now=self._now,
            in_case=lambda: self._case.is_active(time.monotonic_ns()),
            on_disk=self._on_disk,
            note_event=self._box.note_event,
            report=self._must_report.set,
        )
        if store.was_on_trial:
            self._box.note_event("settings taken back", "the program ended during their trial")

    # --- what the supervisor calls ---

    def takes_the_blame(self, problem: str) -> bool:
        """See SettingsDesk."""
        return self._settings.takes_the_blame(problem)

    def note_event(self, what: str, cause: str) -> None:
        """Never waits."""
        self._noted.append(_Noted(what[:LONGEST_TEXT], cause[:LONGEST_TEXT], self._now()))
        self._has_noted.set()
        self._has_news.set()

    def snapshot(self) -> dict[str, object]:
        """For `cathlink status`."""
        return {
            "connected": self._broker is not None,
            "spooled": self._spool.waiting,
            "case": self._case.is_active(time.monotonic_ns()),
        }

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        parts = (self._care, self._spool_events, self._connect)
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(self._again_and_again(part))

    async def _again_and_again(self, part: Callable[[], Any]) -> None:
        """A fault that nobody thought of must not end management, let alone the supervisor."""
        while not self._is_stopping:
            try:
                await part()
            except Exception as error:
                logger.exception("management: %s", error)
            await asyncio.sleep(CARE_EVERY_S)

    async def stop(self) -> None:
        """Say farewell, keep what was not said yet. Takes no longer than STOP_LIMIT_S and FAREWELL_LIMIT_S."""
        self._is_stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=STOP_LIMIT_S)
        await self._commands.stop()
        with contextlib.suppress(TimeoutError, ManageError):
            async with asyncio.timeout(FAREWELL_LIMIT_S):
                while self._noted:
                    await self._spool_one()
        self._spool.close()

    # --- its own work ---

    def _now(self) -> Now:
        return read_now(self._no_sooner_than)

    async def _on_disk(self, call: Callable[..., T], *arguments: object) -> T:
        """One call at a time, in a thread: a slow disk must not hold the supervisor's loop."""
        async with self._disk:
            return await asyncio.to_thread(call, *arguments)

    async def _care(self) -> None:
        while True:
            self._case.note(self._box.truth_now()[0], time.monotonic_ns())
            self._commands.care()
            await asyncio.sleep(CARE_EVERY_S)

    async def _spool_events(self) -> None:
        while True:
            await self._has_noted.wait()
            self._has_noted.clear()
            while self._noted:
                await self._spool_one()

    async def _spool_one(self) -> None:
        noted = self._noted.popleft()
        moment = noted.now.moment(self._boot_id)
        await self._on_disk(self._spool.add, kind_of(noted.what), noted.what, noted.cause, moment)
        self._has_spooled.set()

    # --- the connection ---

    async def _connect(self) -> None:
        while not self._is_stopping:
            has_rival, self._clone = False, ""
            try:
                await self._one_session()
            except* (ManageError, OSError, ssl.SSLError) as errors:
                first = _first(errors)
                has_rival = isinstance(first, BrokerError) and first.has_rival
                self._problem.note(f"management: {first}")
            if has_rival and not self._clone:
                self._note_clone("it took the session over")
            await asyncio.sleep(self._backoff.wait_s(has_rival=bool(self._clone)))

    def _note_clone(self, who: str) -> None:
        self._clone = who
        self._box.note_event("another device uses this identity", who)

    async def _one_session(self) -> None:
        session = Session(self._boot_id, await self._on_disk(self._spool.next_session))
        tls = await asyncio.to_thread(tls_context, self._box.config.identity)
        will = encode(self._state(session.will_stamp(self._now()), "offline", "connection lost", None))
        async with Broker(
            self._host, self._port, self._identity.name, tls, will_topic=self._topics.state, will=will
        ) as broker:
            self._broker, self._session = broker, session
            try:
                await broker.subscribe(self._topics.state)  # before the birth: to see who was there last
                self._commands.open_session(session, broker.answer)
                await broker.subscribe(self._topics.commands, retain_as_published=True)
                await self._say_birth(broker, session)
                await broker.subscribe(self._topics.desired)
                self._backoff.note_connected()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._say_health(broker, session))
                    group.create_task(self._report(broker, session))
                    group.create_task(self._deliver_events(broker, session))
                    group.create_task(self._listen(broker, session))
            except asyncio.CancelledError:
                await self._say_farewell(broker, session)
                raise
            finally:
                self._broker = self._session = None

    def _state(self, stamp: Mapping[str, Any], status: Any, cause: str, challenge: str | None) -> State:
        return State(
            **stamp,
            status=status,
            cause=cause,
            role=self._box.config.role.value,
            host=socket.gethostname() or "unknown",
            version=self._version,
            challenge=challenge,
        )

    async def _say_birth(self, broker: Broker, session: Session) -> None:
        birth = self._state(session.stamp(self._now()), "online", "", session.challenge)
        await broker.publish(self._topics.state, encode(birth), retain=True)

    async def _say_farewell(self, broker: Broker, session: Session) -> None:
        farewell = self._state(session.stamp(self._now()), "offline", "stopped", None)
        with contextlib.suppress(BrokerError, TimeoutError):
            async with asyncio.timeout(FAREWELL_LIMIT_S):
                await broker.publish(self._topics.state, encode(farewell), retain=True)

    async def _say_health(self, broker: Broker, session: Session) -> None:
        while True:
            now = self._now()
            case = schema.Case(active=self._case.is_active(now.mono_ns), for_s=self._case.for_s(now.mono_ns))
            health = health_message(
                session.stamp(now),
                self._box.snapshot(),
                uptime_s=(now.mono_ns - self._started_ns) // 1_000_000_000,
                case=case,
                spooled=self._spool.waiting,
                spool_dropped=self._spool.dropped,
            )
            await broker.publish(self._topics.health, encode(health), qos=0, expiry_s=HEALTH_EXPIRY_S)
            await asyncio.sleep(HEALTH_PAUSE_S)
            with contextlib.suppress(TimeoutError):  # sooner when something has happened: people look at it
                async with asyncio.timeout(HEALTH_EVERY_S - HEALTH_PAUSE_S):
                    await self._has_news.wait()
            self._has_news.clear()

    async def _report(self, broker: Broker, session: Session) -> None:
        """Now, and whenever it has changed."""
        certificate = self._identity.certificate
        while True:
            self._must_report.clear()
            config = msgspec.to_builtins(self._box.config)
            reported = schema.Reported(
                **session.stamp(self._now()),
                schema=schema.SCHEMA_VERSION,
                version=self._version,
                role=self._box.config.role.value,
                peer=self._box.config.link.peer_name,
                certificate=certificate.public_bytes(Encoding.PEM).decode(),
                certificate_expires=utc_text(certificate.not_valid_after_utc),
                commands=list(RULES),
                operators=[operator.listed for operator in self._operators.values()],
                settings={key: _value_of(config, key) for key in SETTABLE},
                settings_revision=self._settings.revision,
                settings_problem=self._settings.problem,
            )
            await broker.publish(self._topics.reported, encode(reported), retain=True)
            await self._must_report.wait()

    async def _deliver_events(self, broker: Broker, session: Session) -> None:
        """One after the other: an event is forgotten when the broker has it, and not before."""
        while True:
            self._has_spooled.clear()
            while event := await self._on_disk(self._spool.oldest):
                message = schema.Event(
                    **session.stamp(self._now()),
                    log=self._spool.log,
                    id=event.id,
                    what=event.what,
                    cause=event.cause,
                    at=event.at,
                )
                await broker.publish(self._topics.event(event.kind), encode(message))
                await self._on_disk(self._spool.delivered, event.id)
            await self._has_spooled.wait()

    async def _listen(self, broker: Broker, session: Session) -> None:
        while True:
            message = await broker.receive()
            if message.topic == self._topics.state:
                await self._note_own_state(broker, session, message)
            elif message.topic == self._topics.desired:
                await self._commands.take_desired(message)
            elif (name := self._topics.command_of(message.topic)) is not None:
                await self._commands.take_command(name, message)

    async def _note_own_state(self, broker: Broker, session: Session, message: Incoming) -> None:
        try:
            state = decode(message.payload, State)
        except MessageError as error:
            self._problem.note(f"management: on our own state topic: {error}")
            return
        verdict = judge_own_state(state, self._boot_id, session.number, self._own_boots)
        if verdict.clone and verdict.clone != self._clone:
            self._note_clone(verdict.clone)
        if verdict.must_repeat_birth and not message.is_retained:  # else it is older than this session's birth
            await self._say_birth(broker, session)


def _value_of(config: Mapping[str, Any], key: str) -> schema.Setting:
    table, _, name = key.partition(".")
    value: schema.Setting = config[table][name]
    return value


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
