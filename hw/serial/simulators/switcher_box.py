"""A video switcher of the SW HDMI kind: reads commands character by character, as the real one does (hw.serial.sis)."""

from hw.serial.ports import NEVER_NS

PARTIAL_COMMAND_LIMIT_NS = 10_000_000_000  # "Pauses of 10 seconds or longer between command characters"
GREETING = "(C) Copyright 2026, cathlink, simulated switcher, V1.00"
_ESCAPE = "\x1b"
_LONGEST_COMMAND = 16
LONGEST_NUMBER = 3


class SimulatedSwitcher:
    """A SimulatedDevice with `inputs` inputs. Keys select as a hand at its front does."""

    def __init__(self, now_ns: int, inputs: int = 4) -> None:
        self._partial = ""
        self._partial_ns = now_ns
        self.input = 1
        self.signals = [True] * inputs
        self.is_locked = False
        self._output = f"{GREETING}\r\n".encode()

    @property
    def keys(self) -> str:
        return f"1 to {len(self.signals)}: show that input, s: its signal goes or comes, l: selects by itself or not"

    @property
    def timer_ns(self) -> int:
        return self._partial_ns + PARTIAL_COMMAND_LIMIT_NS if self._partial else NEVER_NS

    def receive(self, data: bytes, now_ns: int) -> None:
        self.tick(now_ns)
        for character in data.decode("ascii", errors="replace"):
            self._partial, self._partial_ns = self._partial + character, now_ns
            self._try_command()

    def tick(self, now_ns: int) -> None:
        if now_ns >= self.timer_ns:
            self._partial = ""

    def _try_command(self) -> None:
        command = self._partial
        if command.startswith(_ESCAPE):
            if not command.endswith("\r"):
                if len(command) > _LONGEST_COMMAND:
                    self._answer("E10")
                return
            self._answer(self._signal_line() if command == f"{_ESCAPE}LS\r" else "E10")
        elif command.endswith("!") and command[:-1].isdecimal():
            self._select(int(command[:-1]))
        elif command in ("I", "i"):
            self._answer(f"In{self.input} All")
        elif command in ("Q", "q"):
            self._answer("1.00")
        elif command in ("\r", "\n"):
            self._partial = ""
        elif not (command.isdecimal() and len(command) <= LONGEST_NUMBER):
            self._answer("E10")

    def _select(self, number: int) -> None:
        if self.is_locked:
            self._answer("E06")
        elif number > len(self.signals):
            self._answer("E01")
        else:
            self.input = number
            self._answer(f"In{number} All")

    def _signal_line(self) -> str:
        marks = ["1" if signal else "0" for signal in self.signals]
        is_output_on = self.input > 0 and self.signals[self.input - 1]
        return f"Sig {' '.join(marks)}*{int(is_output_on)}"

    def _answer(self, line: str) -> None:
        self._partial = ""
        self._output += f"{line}\r\n".encode()

    def press(self, key: str, now_ns: int) -> None:
        """A hand at the front, and what happens at the inputs: told without being asked."""
        if key.isdecimal() and 1 <= int(key) <= len(self.signals):
            self.input = int(key)
            self._output += f"In{self.input} All\r\n".encode()
        elif key == "s" and self.input:
            self.signals[self.input - 1] = not self.signals[self.input - 1]
            self._output += f"{self._signal_line()}\r\n".encode()
        elif key == "l":
            self.is_locked = not self.is_locked

    def take_output(self) -> bytes:
        output, self._output = self._output, b""
        return output

    def describe(self) -> str:
        signals = " ".join(f"{number}:{'on' if signal else 'off'}" for number, signal in enumerate(self.signals, 1))
        return f"input {self.input}, signals {signals}{', selects by itself' if self.is_locked else ''}"
