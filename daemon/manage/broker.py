"""The one file that touches MQTT: a connection to the broker, with our certificate. paho-mqtt through aiomqtt."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from daemon.config import IdentityConfig
from daemon.errors import ManageError
from daemon.manage.schema import LONGEST_MESSAGE_BYTES, WILL_DELAY_S

KEEPALIVE_S = 15
ANSWER_LIMIT_S = 10.0
SESSION_EXPIRY_S = 4 * WILL_DELAY_S  # longer than the will's delay, or the will would come at once
INBOX_LIMIT = 64
SESSION_TAKEN_OVER = 0x8E  # MQTT 5, section 2.4

_quiet = logging.getLogger(f"{__name__}.paho")
_quiet.setLevel(logging.CRITICAL)  # it would log a line for each message of a flood; failures arrive as exceptions


class BrokerError(ManageError):
    """The connection cannot be made, or has ended. `has_rival`: another device took it over."""

    def __init__(self, problem: str, *, has_rival: bool = False) -> None:
        super().__init__(problem)
        self.has_rival = has_rival


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as the broker gave it. Nothing of it is to be believed."""

    topic: str
    payload: bytes
    is_retained: bool
    response_topic: str
    correlation: bytes


def tls_context(identity: IdentityConfig) -> ssl.SSLContext:
    """TLS 1.2 or newer; the broker's certificate is checked against our authority and its name."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=identity.authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(identity.certificate, identity.key)
    return context


class _Inbox(asyncio.Queue[aiomqtt.Message]):
    """Bounded; what does not fit is dropped. It is the sender's part to ask again."""

    def put_nowait(self, item: aiomqtt.Message) -> None:
        if not self.full():
            super().put_nowait(item)


class Broker:
    """A connection, as an async context. Every method raises BrokerError when it is not one any more."""

    def __init__(self, host: str, port: int, name: str, tls: ssl.SSLContext, *, will_topic: str, will: bytes) -> None:
        self._client = aiomqtt.Client(
            host,
            port,
            identifier=name,
            protocol=aiomqtt.ProtocolVersion.V5,
            will=aiomqtt.Will(
                will_topic, will, 1, True, _properties(PacketTypes.WILLMESSAGE, WillDelayInterval=WILL_DELAY_S)
            ),
            clean_start=False,
            properties=_properties(
                PacketTypes.CONNECT,
                SessionExpiryInterval=SESSION_EXPIRY_S,
                MaximumPacketSize=2 * LONGEST_MESSAGE_BYTES,
            ),
            tls_context=tls,
            keepalive=KEEPALIVE_S,
            timeout=ANSWER_LIMIT_S,
            logger=_quiet,
            queue_type=_Inbox,
            max_queued_incoming_messages=INBOX_LIMIT,
            max_queued_outgoing_messages=INBOX_LIMIT,
        )

    async def __aenter__(self) -> "Broker":
        with _told_of_its_end():
            await self._client.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        """Whoever leaves has a reason already: a farewell that fails must not hide it, least of all a cancellation."""
        with contextlib.suppress(aiomqtt.MqttError, OSError, ValueError):
            await self._client.__aexit__(None, None, None)

    async def subscribe(self, topic: str, *, retain_as_published: bool = False) -> None:
        """`retain_as_published`: what was sent to be retained is seen as such, not only what comes out of the store."""
        options = SubscribeOptions(qos=1, retainAsPublished=retain_as_published)
        with _told_of_its_end():
            await self._client.subscribe(topic, options=options)

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry_s: int | None = None,
        correlation: bytes = b"",
    ) -> None:
        """With QoS 1 it returns when the broker has it."""
        wanted: dict[str, object] = {}
        if expiry_s is not None:
            wanted["MessageExpiryInterval"] = expiry_s
        if correlation:
            wanted["CorrelationData"] = correlation
        with _told_of_its_end():
            await self._client.publish(topic, payload, qos, retain, _properties(PacketTypes.PUBLISH, **wanted))

    async def answer(self, topic: str, payload: bytes, correlation: bytes) -> None:
        await self.publish(topic, payload, correlation=correlation)

    async def receive(self) -> Incoming:
        with _told_of_its_end():
            message = await anext(self._client.messages)
        payload = message.payload if isinstance(message.payload, bytes) else str(message.payload or "").encode()
        response_topic = getattr(message.properties, "ResponseTopic", "")
        correlation = getattr(message.properties, "CorrelationData", b"")
        return Incoming(message.topic.value, payload, message.retain, response_topic, correlation)


@contextlib.contextmanager
def _told_of_its_end() -> Iterator[None]:
    """Foreign exceptions become ours; and a cancellation is one.

    asyncio.wait_for, in aiomqtt, swallows a cancellation that comes together with its result (Python 3.11). What was
    cancelled before does not count: there a TaskGroup leaves its parent's count raised when a child has failed.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    except (aiomqtt.MqttError, OSError, ValueError) as error:
        raise _mapped(error) from error
    if task and task.cancelling() > before:
        raise asyncio.CancelledError


def _properties(packet: int, **wanted: object) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in wanted.items():
        setattr(properties, name, value)
    return properties


def _mapped(error: BaseException) -> BrokerError:
    """In words. The reason of a broken connection is the cause of what aiomqtt raises."""
    told: BaseException | None = error
    while told is not None:
        code = getattr(getattr(told, "rc", None), "value", None)
        if code == SESSION_TAKEN_OVER:
            return BrokerError("another device took the session over", has_rival=True)
        if told.__cause__ is None:
            break
        told = told.__cause__
    return BrokerError(f"broker: {told}")
