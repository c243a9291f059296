"""The seams between the appliance and its serial devices.

Rules. A protocol has no port, thread or clock: bytes and `now_ns` go in; bytes, events and the next timer come out. A
port knows nothing of what it carries, and nothing that it does ever waits. Whoever joins the two (daemon.serial_line)
opens the port again when it is lost.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

NEVER_NS = 1 << 62  # of a timer that is not set


class BytePort(Protocol):
    """A serial line, 8N1 without handshake, found by name. Used by one thread at a time."""

    def open(self) -> None:
        """May take long where a USB device is dying. Raises DeviceError when there is none, or it is in use."""
        ...

    def fileno(self) -> int:
        """Readable when `read` has something, or the line is lost."""
        ...

    def read(self) -> bytes:
        """What has come; empty: nothing now. Raises DeviceError when the line is lost."""
        ...

    def write(self, data: bytes) -> int:
        """How many of the bytes were taken, perhaps none. Raises DeviceError when the line is lost."""
        ...

    def close(self) -> None:
        """Harmless when it is not open."""
        ...


class XrayState(IntEnum):
    """Whether X-ray is on, as a contact tells. The numbers are those on the link (docs/wire-format.md)."""

    NOT_WATCHED = 0  # no contact box is configured
    UNKNOWN = 1  # it is silent, or cannot tell
    OFF = 2
    ON = 3

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", " ")


class Lamp(IntEnum):
    OFF = 0
    ON = 1
    SLOW = 2  # 1 Hz
    FAST = 3  # 4 Hz


class Beeper(IntEnum):
    OFF = 0
    CALL = 1
    ALARM = 2


@dataclass(frozen=True, slots=True)
class PanelView:
    """All that a panel shows. Lines are cut to PANEL_LINE_CHARACTERS, what is not ASCII is replaced."""

    picture: Lamp  # green
    fault: Lamp  # red
    call: Lamp  # blue
    beeper: Beeper
    lines: tuple[str, str]


PANEL_LINE_CHARACTERS = 20


@dataclass(frozen=True, slots=True)
class Answering:
    """The device is heard, or not any more, though its port may be there."""

    is_answering: bool


@dataclass(frozen=True, slots=True)
class ButtonPressed:
    """The panel's call button went down."""


@dataclass(frozen=True, slots=True)
class ButtonReleased:
    """It went up again, or the panel was lost meanwhile."""

    held_ns: int


@dataclass(frozen=True, slots=True)
class XrayChanged:
    state: XrayState


@dataclass(frozen=True, slots=True)
class InputChanged:
    """The switcher shows another input, by our command or by somebody's hand. 0: none."""

    number: int


@dataclass(frozen=True, slots=True)
class SignalsChanged:
    """Which inputs, from 1 on, have a signal."""

    present: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class SelectFailed:
    """The switcher did not do as it was told."""

    number: int
    problem: str


PanelEvent = ButtonPressed | ButtonReleased
SerialEvent = Answering | PanelEvent | XrayChanged | InputChanged | SignalsChanged | SelectFailed


class SerialDevice(Protocol):
    """Our side of one device's protocol. It begins anew with each `note_open`."""

    @property
    def baud_rate(self) -> int: ...

    @property
    def is_answering(self) -> bool:
        """It was heard not long ago."""
        ...

    @property
    def timer_ns(self) -> int:
        """When `tick` is wanted next, at the latest."""
        ...

    def note_open(self, now_ns: int) -> None:
        """The port has been opened: nothing that went before counts."""
        ...

    def note_closed(self, now_ns: int) -> None:
        """The port is lost."""
        ...

    def receive(self, data: bytes, now_ns: int) -> None:
        """Whatever came from the port, in pieces of any size."""
        ...

    def tick(self, now_ns: int) -> None:
        """Time has passed. Harmless at any time."""
        ...

    def take_output(self) -> bytes:
        """What is to be written, in order; once."""
        ...

    def take_events(self) -> list[SerialEvent]:
        """What has happened since the last call."""
        ...


class Panel(SerialDevice, Protocol):
    """A front panel: call button, three lamps, two lines of text, a beeper."""

    @property
    def is_pressed(self) -> bool: ...

    def show(self, view: PanelView, now_ns: int) -> None:
        """From now on, until another view."""
        ...


class XrayContact(SerialDevice, Protocol):
    """A box that watches the console's X-ray contact. Nothing is ever sent to it."""

    @property
    def state(self) -> XrayState: ...

    @property
    def since_ns(self) -> int:
        """When it became so."""
        ...


class Switcher(SerialDevice, Protocol):
    """A video switcher before the capture card."""

    @property
    def input(self) -> int | None:
        """The input shown, from 1 on; 0: none; None: not known."""
        ...

    @property
    def signals(self) -> tuple[bool, ...]:
        """Which inputs have a signal; empty: not known."""
        ...

    def select(self, number: int, now_ns: int) -> None:
        """Show input `number`, from 1 on. InputChanged or SelectFailed follows; a newer wish replaces a waiting one."""
        ...
