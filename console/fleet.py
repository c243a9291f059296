"""The fleet as its messages tell it: who is there, what each shows, what has changed. No client, no clock.

Rules. An `offline` counts only if it names the boot and session of the last `online`: a will may overtake a rebirth.
A device that is online and says nothing for SILENCE_LIMIT_NS is SILENT, and its last figures are old: they are shown
with their age. What a reader has to know of a device at a glance has a version that grows with each change, so that a
page asks for what is newer than what it has.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from console.errors import MessageError
from console.messages import Event, Health, Reported, State, decode

SILENCE_LIMIT_NS = 15_000_000_000  # three healths
EVENTS_KEPT = 50
DEVICES_LIMIT = 50_000


class Alert(StrEnum):
    """How much a device wants to be looked at, from least to most."""

    GOOD = "good"
    IDLE = "idle"
    NOTICE = "notice"
    ALARM = "alarm"


class Presence(StrEnum):
    ONLINE = "online"
    SILENT = "silent"
    OFFLINE = "offline"


class Glance(NamedTuple):
    """All that the list shows of a device."""

    site: str
    device: str
    role: str
    presence: str
    picture: str
    cause: str
    in_case: bool
    alert: str


@dataclass(slots=True)
class Device:
    site: str
    name: str
    state: State | None = None
    health: Health | None = None
    health_at_ns: int = 0
    reported: Reported | None = None
    presence: Presence = Presence.OFFLINE
    events: deque[tuple[str, Event]] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    glance: Glance | None = None
    version: int = 0  # of the glance
    revision: int = 0  # of anything

    @property
    def key(self) -> str:
        return f"{self.site}/{self.name}"


class Said(NamedTuple):
    """A message that was understood: whose, what it is, and the rest of its topic (an event's kind, a reply's name)."""

    device: Device
    message: State | Health | Reported | Event | bytes
    detail: str


class Fleet:
    """Owned by one thread."""

    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        self.version = 0
        self.not_understood = 0
        self._by_change: OrderedDict[str, Device] = OrderedDict()  # the glance that changed last stands last
        self._by_health: OrderedDict[str, Device] = OrderedDict()  # whose health is oldest stands first

    def take(self, topic: str, payload: bytes, now_ns: int) -> Said | None:
        """A message off the broker. None: it was not understood (and counted), or tells nothing new."""
        parts = topic.split("/")
        if len(parts) < 4 or parts[0] != "v1":
            return None
        device = self._device(parts[1], parts[2], creates=parts[3] in ("state", "health", "reported"))
        if device is None:
            return None
        detail = "/".join(parts[4:])
        try:
            said = self._take(device, parts[3], detail, payload, now_ns)
        except MessageError:
            self.not_understood += 1
            return None
        if said is not None:
            device.revision += 1
            self._look(device)
        return said

    def _device(self, site: str, name: str, *, creates: bool) -> Device | None:
        key = f"{site}/{name}"
        device = self.devices.get(key)
        if device is None and creates and len(self.devices) < DEVICES_LIMIT:
            device = self.devices[key] = Device(site, name)
        return device

    def _take(self, device: Device, what: str, detail: str, payload: bytes, now_ns: int) -> Said | None:
        match what:
            case "state":
                return self._take_state(device, decode(payload, State), now_ns)
            case "health":
                health = decode(payload, Health)
                device.health, device.health_at_ns = health, now_ns
                if device.presence is Presence.SILENT:
                    device.presence = Presence.ONLINE
                self._by_health[device.key] = device
                self._by_health.move_to_end(device.key)
                return Said(device, health, detail)
            case "reported":
                device.reported = decode(payload, Reported)
                return Said(device, device.reported, detail)
            case "event":
                event = decode(payload, Event)
                if any(event.log == other.log and event.id == other.id for _, other in device.events):
                    return None
                device.events.append((detail, event))
                return Said(device, event, detail)
            case "reply":
                return Said(device, payload, detail)
        return None

    def _take_state(self, device: Device, state: State, now_ns: int) -> Said | None:
        last = device.state
        if state.status != "online":
            is_of_last = last is None or (state.boot_id, state.session) == (last.boot_id, last.session)
            if not is_of_last and device.presence is not Presence.OFFLINE:
                return None  # the will of a session that has been followed by another
            device.presence = Presence.OFFLINE
            self._by_health.pop(device.key, None)
        else:
            if last is not None and last.boot_id == state.boot_id and state.session < last.session:
                return None
            device.presence = Presence.ONLINE
            device.health_at_ns = now_ns  # it has as long as any other for its first health
            self._by_health[device.key] = device
            self._by_health.move_to_end(device.key)
        device.state = state
        return Said(device, state, "")

    def note_time(self, now_ns: int) -> None:
        """Find those that have fallen silent. Call it once a second."""
        for device in list(self._by_health.values()):
            if now_ns - device.health_at_ns <= SILENCE_LIMIT_NS:
                return
            del self._by_health[device.key]
            if device.presence is Presence.ONLINE:
                device.presence = Presence.SILENT
                device.revision += 1
                self._look(device)

    def _look(self, device: Device) -> None:
        glance = glance_at(device)
        if glance != device.glance:
            self.version += 1
            device.glance, device.version = glance, self.version
            self._by_change[device.key] = device
            self._by_change.move_to_end(device.key)

    def changed_since(self, version: int) -> list[Device]:
        """Whose glance is newer than `version`, the newest first; all of them for 0."""
        changed = []
        for device in reversed(self._by_change.values()):
            if device.version <= version:
                break
            changed.append(device)
        return changed

    def __iter__(self) -> Iterator[Device]:
        return iter(self.devices.values())


def glance_at(device: Device) -> Glance:
    state, health = device.state, device.health
    role = state.role if state else device.reported.role if device.reported else ""
    picture, cause, in_case = "", "", False
    if device.presence is Presence.OFFLINE:
        cause = state.cause if state else ""
    elif health is not None:
        picture, cause, in_case = health.picture.state, health.picture.cause, health.case.active
    return Glance(device.site, device.name, role, device.presence, picture, cause, in_case, _alert(device))


def _alert(device: Device) -> Alert:
    """A picture that is not as it should be is an alarm during a case, and a notice without one."""
    in_case = device.health is not None and device.health.case.active
    if device.presence is Presence.OFFLINE:
        return Alert.ALARM if in_case else Alert.IDLE
    if device.presence is Presence.SILENT:
        return Alert.ALARM if in_case else Alert.NOTICE
    if device.health is None:
        return Alert.IDLE
    if device.health.picture.state in ("LIVE", "HELD"):
        return Alert.GOOD
    return Alert.ALARM if in_case else Alert.NOTICE
