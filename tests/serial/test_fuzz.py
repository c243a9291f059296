"""A million bytes of noise and of damaged speech into each protocol: nothing raises, nothing grows.

The simulators, which meet no noise but ours, get a tenth of it.
"""

import random
from collections.abc import Callable

import pytest

from hw.serial.panel import FrontPanel, PanelReport, build_report, build_show
from hw.serial.ports import Beeper, Lamp, PanelView, SerialDevice, XrayState
from hw.serial.simulators.panel_box import SimulatedPanel
from hw.serial.simulators.ports import SimulatedDevice
from hw.serial.simulators.switcher_box import SimulatedSwitcher
from hw.serial.simulators.xray_box import SimulatedXrayBox
from hw.serial.sis import SisSwitcher
from hw.serial.splitter import Splitter
from hw.serial.xray import XrayBox, XrayFrame, pack_frame

TOTAL_BYTES = 1_000_000
MOST_BYTES_KEPT = 20_000
T0 = 10**12
MS = 1_000_000

MakeSpeech = Callable[[random.Random], bytes]


def xray_speech(chance: random.Random) -> bytes:
    state = chance.choice([XrayState.UNKNOWN, XrayState.OFF, XrayState.ON])
    return pack_frame(XrayFrame(chance.randrange(1 << 16), state, chance.randrange(1 << 32)))


def panel_speech(chance: random.Random) -> bytes:
    report = PanelReport(chance.randrange(10**6), chance.randrange(256), chance.randrange(256), chance.random() < 0.5)
    return build_report(report)


def view_speech(chance: random.Random) -> bytes:
    text = "".join(chr(chance.randrange(32, 127)) for _ in range(20))
    return build_show(chance.randrange(1, 256), PanelView(Lamp.ON, Lamp.SLOW, Lamp.OFF, Beeper.OFF, (text, text)))


def switcher_speech(chance: random.Random) -> bytes:
    number = chance.randrange(1000)
    line = chance.choice([f"In{number} All", f"Chn{number}", f"E{number % 100:02}", "Sig 1 0 1*1", "(C) Copyright 1"])
    return f"{line}\r\n".encode()


def command_speech(chance: random.Random) -> bytes:
    return chance.choice([b"%d!" % chance.randrange(20), b"I", b"\x1bLS\r", b"0LS", b"Q", b"\x1b"])


def damaged(speech: bytes, chance: random.Random) -> bytes:
    """Mostly as it was; else with a byte changed, lost or added, cut, or replaced by noise."""
    data, position = bytearray(speech), chance.randrange(len(speech))
    match chance.randrange(8):
        case 0:
            data[position] = chance.randrange(256)
        case 1:
            del data[position]
        case 2:
            data.insert(position, chance.randrange(256))
        case 3:
            del data[position:]
        case 4:
            return chance.randbytes(chance.randrange(1, 200))
    return bytes(data)


def size_kept(device: object) -> int:
    """The bytes of all strings that it holds, those of its parts too."""
    total = 0
    for value in vars(device).values():
        if isinstance(value, bytes | str):
            total += len(value)
        elif isinstance(value, Splitter):
            total += size_kept(value)
    return total


@pytest.mark.parametrize(
    ("make", "speech"),
    [
        (XrayBox, xray_speech),
        (FrontPanel, panel_speech),
        (SisSwitcher, switcher_speech),
        (lambda: SimulatedXrayBox(T0), xray_speech),
        (lambda: SimulatedPanel(T0), view_speech),
        (lambda: SimulatedSwitcher(T0), command_speech),
    ],
    ids=["X-ray contact", "panel", "switcher", "simulated X-ray contact", "simulated panel", "simulated switcher"],
)
def test_a_million_fuzzed_bytes(make: Callable[[], SerialDevice | SimulatedDevice], speech: MakeSpeech) -> None:
    chance, device, now_ns, fed = random.Random(4), make(), T0, 0
    ours = device if isinstance(device, XrayBox | FrontPanel | SisSwitcher) else None
    if ours is not None:
        ours.note_open(now_ns)
    while fed < (TOTAL_BYTES if ours is not None else TOTAL_BYTES // 10):
        data = b"".join(damaged(speech(chance), chance) for _ in range(20))
        fed += len(data)
        now_ns += chance.randrange(300 * MS)
        cut = chance.randrange(len(data))
        device.receive(data[:cut], now_ns)
        device.tick(now_ns)
        device.receive(data[cut:], now_ns)
        assert size_kept(device) < MOST_BYTES_KEPT
        assert len(device.take_output()) < MOST_BYTES_KEPT
        if isinstance(device, SisSwitcher) and chance.random() < 0.1:
            device.select(chance.randrange(20), now_ns)
        if ours is not None:
            assert len(ours.take_events()) < 500


def test_noise_alone_is_never_a_state_of_xray() -> None:
    chance, box = random.Random(5), XrayBox()
    box.note_open(T0)
    for _ in range(TOTAL_BYTES // 1000):
        box.receive(chance.randbytes(1000), T0)
        assert box.state is XrayState.UNKNOWN
    assert box.damaged + box._splitter.too_long > 1000
