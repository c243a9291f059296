"""What comes on `cmd/+` and `desired`: judged, noted in the audit log, done, and acknowledged with our signature."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from daemon.errors import ManageError
from daemon.manage.audit import Audit
from daemon.manage.broker import Incoming
from daemon.manage.gate import Admitted, CommandGate, Knock, Refused, time_objection
from daemon.manage.now import Now
from daemon.manage.operators import Operator, Operators, signer_of, to_base64url
from daemon.manage.orders import RULES, TAKES_A_WHILE, Orders
from daemon.manage.schema import (
    LONGEST_CORRELATION_BYTES,
    Acknowledgement,
    Command,
    Desired,
    MessageError,
    Outcome,
    Role,
    Signed,
    SignedByDevice,
    decode,
    encode,
)
from daemon.manage.session import Session
from daemon.manage.settings_desk import SettingsDesk
from daemon.manage.topics import Topics
from daemon.token_bucket import TokenBucket

logger = logging.getLogger(__name__)

REFUSALS_NOTED_AT_ONCE = 50  # in the audit log; strangers that knock must not push out what matters
WAITING_LIMIT = 4  # commands that take a while
Say = Callable[[str, bytes, bytes], Awaitable[None]]


def sign_by_device(text: str, private_key: ec.EllipticCurvePrivateKey) -> SignedByDevice:
    """r and s, 32 bytes each, as WebCrypto and JWS (RFC 7518 section 3.4) have them."""
    r, s = decode_dss_signature(private_key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return SignedByDevice(signed=text, signature=to_base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big")))


class CommandDesk:
    """For the life of the program; `open_session` for each connection."""

    def __init__(
        self,
        topics: Topics,
        private_key: ec.EllipticCurvePrivateKey,
        operators: Operators,
        audit: Audit,
        orders: Orders,
        settings: SettingsDesk,
        *,
        now: Callable[[], Now],
        in_case: Callable[[], bool],
        on_disk: Callable[..., Awaitable[Any]],
        note_event: Callable[[str, str], None],
        report: Callable[[], None],
    ) -> None:
        self._topics = topics
        self._private_key = private_key
        self._operators = operators
        self._audit = audit
        self._orders = orders
        self._settings = settings
        self._now = now
        self._in_case = in_case
        self._on_disk = on_disk
        self._note_event = note_event
        self._report = report
        self._refusals = TokenBucket(REFUSALS_NOTED_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._wanted: Desired | None = None

    def open_session(self, session: Session, say: Say) -> None:
        """`say` publishes (topic, payload, correlation data)."""
        self._session = session
        self._say = say
        self._gate = CommandGate(self._topics.device, self._operators, RULES, session.challenge)

    # --- commands ---

    async def take_command(self, name: str, message: Incoming) -> None:
        may_answer = self._topics.is_reply(message.response_topic)
        may_answer = may_answer and len(message.correlation) <= LONGEST_CORRELATION_BYTES
        knock = Knock(name, message.payload, message.is_retained, may_answer)
        verdict = self._gate.judge(knock, self._now(), in_case=self._in_case())
        match verdict:
            case Refused(reason, command, operator):
                await self._note_refusal(name, reason, command, operator)
                if command is not None and may_answer:
                    await self._acknowledge(command, message, Outcome.REFUSED, reason)
            case Admitted(command, operator) if command.command not in TAKES_A_WHILE:
                await self._do(command, operator, message)
            case Admitted(command, operator):
                await self._begin(command, operator, message)

    async def _begin(self, command: Command, operator: Operator, message: Incoming) -> None:
        if len(self._tasks) >= WAITING_LIMIT:
            await self._note_refusal(command.command, "too much is under way", command, operator)
            await self._acknowledge(command, message, Outcome.REFUSED, "too much is under way")
            return
        await self._acknowledge(command, message, Outcome.ACCEPTED, "")
        task = asyncio.get_running_loop().create_task(self._do(command, operator, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, command: Command, operator: Operator, message: Incoming) -> None:
        """The audit has it before it is done: what cannot be noted is not done."""
        try:
            await self._note("command", command, operator, {"outcome": "begun"})
            result = await self._orders.execute(command)
            outcome, reason = Outcome.DONE, ""
        except ManageError as error:
            result, outcome, reason = {}, Outcome.FAILED, str(error)
        try:
            await self._note("command", command, operator, {"outcome": outcome, "reason": reason})
            await self._acknowledge(command, message, outcome, reason, result)
        except ManageError as error:  # the broker has gone, or the disk: it is done all the same
            logger.warning("management: %s", error)
        self._report()

    async def _note_refusal(self, name: str, reason: str, command: Command | None, operator: Operator | None) -> None:
        self._note_event(f"command {name[:32]} refused", reason)
        if self._refusals.take(self._now().mono_ns):
            detail = {
                "outcome": Outcome.REFUSED,
                "reason": reason,
                "topic": name[:64],
                "unnoted": self._refusals.untaken,
            }
            self._refusals.untaken = 0
            await self._note("command", command, operator, detail)

    async def _note(
        self, what: str, signed: Command | Desired | None, operator: Operator | None, detail: Mapping[str, Any]
    ) -> None:
        about: dict[str, Any] = {}
        if operator is not None:
            about |= {"operator": operator.name, "key_id": operator.key_id, "role": operator.role}
        if isinstance(signed, Command):
            about |= {"command": signed.command, "arguments": signed.arguments, "nonce": signed.nonce}
        elif signed is not None:
            about |= {"revision": signed.revision, "settings": signed.settings}
        await self._on_disk(self._audit.append, what, {**about, **detail}, self._now())

    async def _acknowledge(
        self,
        command: Command,
        message: Incoming,
        outcome: Outcome,
        reason: str,
        result: Mapping[str, Any] | None = None,
    ) -> None:
        acknowledgement = Acknowledgement(
            **self._session.stamp(self._now()),
            device=self._topics.device,
            command=command.command,
            nonce=command.nonce,
            outcome=outcome,
            reason=reason,
            result=dict(result or {}),
            audit=self._audit.head,
        )
        signed = sign_by_device(encode(acknowledgement).decode(), self._private_key)
        await self._say(message.response_topic, encode(signed), message.correlation)

    # --- desired settings ---

    async def take_desired(self, message: Incoming) -> None:
        if not message.payload:  # somebody cleared it: what is in force stays
            return
        try:
            signed = decode(message.payload, Signed)
            operator = signer_of(signed, self._operators)
            desired = decode(signed.signed, Desired)
        except (MessageError, ManageError) as error:
            await self._refuse_desired(str(error), None, None)
            return
        if desired.revision == self._settings.revision:
            return  # the broker repeats what it retained
        if reason := self._objection(desired, operator):
            await self._refuse_desired(reason, desired, operator)
            return
        self._wanted = desired
        await self._note("desired", desired, operator, {"outcome": "accepted"})
        if self._in_case():
            self._settings.problem = "waits for the end of the case"
            self._report()
        self.care()

    def _objection(self, desired: Desired, operator: Operator) -> str:
        if desired.device != self._topics.device:
            return f"it is for {desired.device}"
        if desired.role is not operator.role or not operator.role.covers(Role.ENGINEER):
            return f"it needs the role {Role.ENGINEER}"
        if desired.revision < self._settings.revision:
            return f"its revision {desired.revision} is older than {self._settings.revision}"
        return time_objection(desired, self._now(), longest_life=None)

    async def _refuse_desired(self, reason: str, desired: Desired | None, operator: Operator | None) -> None:
        self._note_event("settings refused", reason)
        if self._refusals.take(self._now().mono_ns):
            await self._note("desired", desired, operator, {"outcome": Outcome.REFUSED, "reason": reason})
        if desired is not None:
            self._settings.problem = reason
            self._report()

    def care(self) -> None:
        """Every second: settings that waited for the end of a case."""
        if self._wanted is None or self._in_case():
            return
        wanted, self._wanted = self._wanted, None
        task = asyncio.get_running_loop().create_task(self._apply(wanted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _apply(self, wanted: Desired) -> None:
        try:
            await self._settings.try_out(wanted.settings, wanted.revision)
            self._settings.problem = ""
        except ManageError as error:
            self._settings.problem = str(error)
        self._report()

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
