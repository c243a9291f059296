"""`cathlink simulate panel|xray|switcher`: a device of docs/serial.md on a pseudo-terminal, worked by keyboard."""

import argparse
import contextlib
import os
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

from hw.errors import CathlinkError
from hw.serial.simulators.panel_box import SimulatedPanel
from hw.serial.simulators.ports import SimulatedDevice
from hw.serial.simulators.pty import SimulatedPort
from hw.serial.simulators.switcher_box import SimulatedSwitcher
from hw.serial.simulators.xray_box import BeamSchedule, SimulatedXrayBox

LONGEST_TURN_S = 1.0


def add_simulate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    simulate = commands.add_parser(
        "simulate",
        help="a front panel, X-ray contact box or switcher to try the box with: prints the path of its port",
        description="Ends with Ctrl-C. Keys of the keyboard work the device; the command says which.",
    )
    simulate.add_argument("device", choices=("panel", "xray", "switcher"))
    simulate.add_argument("--link", type=Path, metavar="PATH", help="a name for the port that stays the same")
    simulate.add_argument("--on", type=float, metavar="S", help="xray: X-ray on for so long, by turns with --off")
    simulate.add_argument("--off", type=float, metavar="S", help="xray: X-ray off for so long")
    simulate.add_argument("--inputs", type=int, default=4, choices=range(1, 10), help="switcher: %(default)s of them")
    simulate.set_defaults(command=run_simulate)


def run_simulate(options: argparse.Namespace) -> int:
    """Until Ctrl-C or SIGTERM. Raises CathlinkError when the link cannot be made."""
    device = _device(options)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with SimulatedPort(device) as port, _linked(options.link, port.path), _single_keys() as keyboard:
        print(options.link or port.path, flush=True)
        if keyboard is not None:
            print(device.keys, flush=True)
        told = ""
        while True:
            now = device.describe()
            if now != told:
                print(told := now, flush=True)
            if port.step(LONGEST_TURN_S, *([] if keyboard is None else [keyboard])):
                keys = os.read(sys.stdin.fileno(), 16).decode("ascii", errors="ignore")
                for key in keys:
                    device.press(key, time.monotonic_ns())
                port.flush()
                if not keys:  # the keyboard has gone; the device goes on
                    keyboard = None


def _device(options: argparse.Namespace) -> SimulatedDevice:
    now_ns = time.monotonic_ns()
    if options.device == "panel":
        return SimulatedPanel(now_ns)
    if options.device == "switcher":
        return SimulatedSwitcher(now_ns, options.inputs)
    if (options.on is None) != (options.off is None):
        raise CathlinkError("--on and --off go together", "give both, or neither and use the keys")
    if options.on is None:
        return SimulatedXrayBox(now_ns)
    return SimulatedXrayBox(now_ns, BeamSchedule(int(options.on * 1e9), int(options.off * 1e9)))


@contextlib.contextmanager
def _linked(link: Path | None, path: str) -> Iterator[None]:
    if link is None:
        yield
        return
    try:
        if link.is_symlink():
            link.unlink()
        link.symlink_to(path)
    except OSError as error:
        raise CathlinkError(f"--link {link}: cannot be made ({error.strerror})", "choose another place") from error
    try:
        yield
    finally:
        link.unlink(missing_ok=True)


@contextlib.contextmanager
def _single_keys() -> Iterator[int | None]:
    """Standard input, each key as it is pressed; a pipe counts as one too. None: there is no input."""
    if sys.stdin is None or sys.stdin.closed:
        yield None
        return
    keyboard = sys.stdin.fileno()
    if not os.isatty(keyboard):
        yield keyboard
        return
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard)
    try:
        yield keyboard
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
