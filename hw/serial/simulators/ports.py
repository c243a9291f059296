"""What a simulated device is to whoever gives it a line and a keyboard."""

from typing import Protocol


class SimulatedDevice(Protocol):
    """Pure: no line, no clock."""

    @property
    def keys(self) -> str:
        """Which keys do what, in a line for a person."""
        ...

    @property
    def timer_ns(self) -> int: ...

    def receive(self, data: bytes, now_ns: int) -> None: ...

    def press(self, key: str, now_ns: int) -> None:
        """A key of the keyboard; an unknown one does nothing."""
        ...

    def tick(self, now_ns: int) -> None: ...

    def take_output(self) -> bytes: ...

    def describe(self) -> str:
        """What a person beside the device would see, in a line or two."""
        ...
