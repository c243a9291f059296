"""The X-ray contact box: its frames to the byte, and that nothing but a good frame is ever taken for a state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.serial.ports import NEVER_NS, Answering, XrayChanged, XrayState
from hw.serial.simulators.xray_box import BeamSchedule, SimulatedXrayBox
from hw.serial.xray import HEARTBEAT_NS, SILENCE_LIMIT_NS, XrayBox, XrayFrame, crc16, pack_frame, parse_frame

MS = 1_000_000
S = 1_000 * MS
T0 = 77 * S

FRAMES = st.builds(
    XrayFrame,
    st.integers(0, 0xFFFF),
    st.sampled_from([XrayState.UNKNOWN, XrayState.OFF, XrayState.ON]),
    st.integers(0, 0xFFFF_FFFF),
)


def opened() -> XrayBox:
    box = XrayBox()
    box.note_open(T0)
    return box


def frame(sequence: int, state: XrayState, lasts_ms: int = 0) -> bytes:
    return pack_frame(XrayFrame(sequence, state, lasts_ms))


def test_the_crc_is_the_catalogued_one() -> None:
    assert crc16(b"123456789") == 0x29B1  # CRC-16/IBM-3740, also called CCITT-FALSE


@given(FRAMES)
def test_a_frame_is_read_as_it_was_written(sent: XrayFrame) -> None:
    data = pack_frame(sent)
    assert len(data) == 12
    assert data.index(0) == 11
    assert parse_frame(data[:-1]) == sent


@given(FRAMES, st.integers(0, 10), st.integers(0, 7))
def test_a_frame_with_a_wrong_bit_is_no_frame(sent: XrayFrame, position: int, bit: int) -> None:
    data = bytearray(pack_frame(sent)[:-1])
    data[position] ^= 1 << bit
    assert parse_frame(bytes(data)) is None


def test_its_word_is_taken_with_the_time_since_when_it_is_so() -> None:
    box = opened()
    assert (box.state, box.is_answering) == (XrayState.UNKNOWN, False)
    box.receive(frame(1, XrayState.ON, 250), T0 + 300 * MS)
    assert (box.state, box.since_ns) == (XrayState.ON, T0 + 50 * MS)
    assert box.take_events() == [Answering(True), XrayChanged(XrayState.ON)]
    box.receive(frame(2, XrayState.ON, 1250), T0 + 1300 * MS)
    assert box.take_events() == []
    assert box.since_ns == T0 + 50 * MS


def test_silence_is_unknown_and_never_off() -> None:
    box = opened()
    box.receive(frame(1, XrayState.ON), T0)
    box.take_events()
    assert box.timer_ns == T0 + SILENCE_LIMIT_NS
    box.tick(T0 + SILENCE_LIMIT_NS - 1)
    assert box.state is XrayState.ON
    box.tick(T0 + SILENCE_LIMIT_NS)
    assert box.state is XrayState.UNKNOWN
    assert box.take_events() == [Answering(False), XrayChanged(XrayState.UNKNOWN)]
    assert box.timer_ns == NEVER_NS


def test_unplugged_is_unknown_at_once() -> None:
    box = opened()
    box.receive(frame(1, XrayState.ON), T0)
    box.note_closed(T0 + 1)
    assert box.state is XrayState.UNKNOWN
    assert box.take_events()[-2:] == [Answering(False), XrayChanged(XrayState.UNKNOWN)]


def test_the_same_frame_again_is_no_sign_of_life() -> None:
    box = opened()
    for n in range(10):  # a line that echoes, or an adapter that repeats its buffer
        box.receive(frame(1, XrayState.OFF), T0 + n * HEARTBEAT_NS)
        box.tick(T0 + n * HEARTBEAT_NS)
    assert box.state is XrayState.UNKNOWN


def test_lost_frames_are_counted_and_a_box_that_begins_anew_is_not() -> None:
    box = opened()
    for sequence in (0xFFFE, 0xFFFF, 0, 3, 1, 2):  # two lost, then begun anew
        box.receive(frame(sequence, XrayState.OFF), T0)
    assert box.lost == 2
    assert box.damaged == 0


def test_a_box_that_cannot_tell_says_nothing_about_xray() -> None:
    box = opened()
    box.receive(frame(1, XrayState.ON) + frame(2, XrayState.UNKNOWN), T0)
    assert (box.state, box.is_answering) == (XrayState.UNKNOWN, True)


@given(st.lists(st.tuples(st.binary(max_size=30), FRAMES), max_size=20))
def test_noise_between_frames_costs_at_most_the_frame_after_it(parts: list[tuple[bytes, XrayFrame]]) -> None:
    box = opened()
    for number, (noise, sent) in enumerate(parts):
        good = pack_frame(XrayFrame(2 * number + 1, sent.state, sent.lasts_ms))
        again = pack_frame(XrayFrame(2 * number + 2, sent.state, sent.lasts_ms))
        box.receive(noise + good + again, T0)
        assert box.state is sent.state


def test_with_the_simulated_box_over_ten_minutes_of_runs() -> None:
    """Both sides joined without a line: the state is the contact's at each instant, and a change takes no time."""
    box = opened()
    device = SimulatedXrayBox(T0, BeamSchedule(on_ns=3 * S, off_ns=2 * S))
    now_ns = T0
    while now_ns < T0 + 600 * S:
        now_ns = device.timer_ns
        device.tick(now_ns)
        box.receive(device.take_output(), now_ns)
        box.tick(now_ns)
        is_on = (now_ns - T0) % (5 * S) < 3 * S
        assert box.state is (XrayState.ON if is_on else XrayState.OFF)
    assert (box.damaged, box.lost) == (0, 0)
    changes = [event for event in box.take_events() if isinstance(event, XrayChanged)]
    assert len(changes) == 241


@pytest.mark.parametrize(
    ("key", "state"), [("o", XrayState.ON), ("f", XrayState.OFF), ("?", XrayState.UNKNOWN), ("x", XrayState.OFF)]
)
def test_the_simulated_boxs_keys(key: str, state: XrayState) -> None:
    device, box = SimulatedXrayBox(T0), opened()
    device.tick(T0)
    device.press(key, T0)
    box.receive(device.take_output(), T0)
    assert box.state is state
    assert state.words in device.describe()


def test_the_simulated_box_can_fall_silent() -> None:
    device = SimulatedXrayBox(T0)
    device.press("s", T0)
    device.press("o", T0)
    device.tick(T0)
    assert device.take_output() == b""
    assert "silent" in device.describe()
