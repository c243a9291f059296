"""The console's connection to the broker: hears the whole fleet, carries signed commands, comes back by itself."""

import asyncio
import logging
import ssl
import uuid
from collections.abc import Callable

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from console.config import BrokerConfig, host_and_port
from console.errors import ConsoleError, UsageError

logger = logging.getLogger(__name__)

TOPICS = ("v1/+/+/state", "v1/+/+/reported", "v1/+/+/health", "v1/+/+/event/+", "v1/+/+/reply/+")
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
KEEP_ALIVE_S = 30
SEND_LIMIT_S = 5.0
COMMAND_EXPIRY_S = 60
INFLIGHT_MESSAGES = 1000


class Broker:
    """`run` is a task of its own; `take` is called with each topic and payload, in the order of the broker."""

    def __init__(self, config: BrokerConfig, take: Callable[[str, bytes], None]) -> None:
        """Raises UsageError when the certificate cannot be used."""
        self._host, self._port = host_and_port(config.address, "broker.address")
        self._take = take
        self._name = f"console-{uuid.uuid4().hex[:12]}"  # several consoles may have one certificate
        self._client: aiomqtt.Client | None = None
        self.problem = "not connected yet"
        self.connected = asyncio.Event()
        try:
            self._tls = ssl.create_default_context(cafile=config.authority)
            self._tls.load_cert_chain(config.certificate, config.key)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"broker: the certificate, key or authority cannot be used ({error})") from error

    async def run(self) -> None:
        """Until it is cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with self._make_client() as client:
                    for topic in TOPICS:
                        await client.subscribe(topic, qos=1)
                    self._client, self.problem, pause_s = client, "", FIRST_PAUSE_S
                    self.connected.set()
                    logger.info("connected to the broker at %s:%d", self._host, self._port)
                    async for message in client.messages:
                        if isinstance(message.payload, bytes):
                            self._take(message.topic.value, message.payload)
            except aiomqtt.MqttError as error:
                if self.problem != str(error):
                    logger.warning("broker: %s", error)
                self.problem = str(error)
            finally:
                self._client = None
                self.connected.clear()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _make_client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self._host,
            self._port,
            identifier=self._name,
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=self._tls,
            keepalive=KEEP_ALIVE_S,
            timeout=SEND_LIMIT_S,
            max_inflight_messages=INFLIGHT_MESSAGES,
        )

    async def send_command(self, site: str, device: str, command: str, nonce: str, payload: bytes) -> None:
        """Raises ConsoleError when the broker does not take it now. Nothing is kept for later: a command is for now."""
        if self._client is None:
            raise ConsoleError(f"no connection to the broker ({self.problem})", "try again when it is back")
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = COMMAND_EXPIRY_S
        properties.ResponseTopic = f"v1/{site}/{device}/reply/{self._name}"
        properties.CorrelationData = nonce.encode()
        try:
            await self._client.publish(f"v1/{site}/{device}/cmd/{command}", payload, qos=1, properties=properties)
        except aiomqtt.MqttError as error:
            raise ConsoleError(f"the broker did not take the command ({error})", "try again") from error
