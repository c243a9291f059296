"""The video switcher: the documented strings of several families, and selections that end as wished or say why not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.serial.ports import Answering, InputChanged, SelectFailed, SerialEvent, SignalsChanged
from hw.serial.simulators.switcher_box import GREETING, SimulatedSwitcher
from hw.serial.sis import ANSWER_LIMIT_NS, POLL_NS, QUIET_NS, SIGNAL_QUESTIONS, SisSwitcher

MS = 1_000_000
S = 1_000 * MS
T0 = 77 * S


class Joined:
    """Our side and a simulated switcher, joined without a line, in simulated time."""

    def __init__(self, inputs: int = 4) -> None:
        self.now_ns = T0
        self.ours = SisSwitcher()
        self.device = SimulatedSwitcher(T0, inputs)
        self.device.take_output()
        self.events: list[SerialEvent] = []

    def open(self) -> None:
        self.ours.note_open(self.now_ns)
        self.settle()

    def settle(self) -> None:
        """Until neither has anything to say."""
        for _ in range(100):
            to_device, to_ours = self.ours.take_output(), self.device.take_output()
            if not to_device and not to_ours:
                break
            self.device.receive(to_device, self.now_ns)
            self.ours.receive(to_ours, self.now_ns)
        self.events += self.ours.take_events()

    def pass_time(self, duration_ns: int) -> None:
        end_ns = self.now_ns + duration_ns
        while self.now_ns < end_ns:
            self.now_ns = min(end_ns, max(self.now_ns + MS, min(self.ours.timer_ns, self.device.timer_ns)))
            self.ours.tick(self.now_ns)
            self.device.tick(self.now_ns)
            self.settle()

    def select(self, number: int) -> None:
        self.ours.select(number, self.now_ns)
        self.settle()

    def press(self, key: str) -> None:
        self.device.press(key, self.now_ns)
        self.settle()

    def take(self) -> list[SerialEvent]:
        events, self.events = self.events, []
        return events


@pytest.fixture
def joined() -> Joined:
    both = Joined()
    both.open()
    both.take()
    return both


def opened() -> SisSwitcher:
    """Past the questions that follow an opening."""
    switcher = SisSwitcher()
    switcher.note_open(T0)
    assert switcher.take_output() == b"I"
    switcher.receive(b"In1 All\r\n", T0)
    assert switcher.take_output() == b"\x1bLS\r"
    switcher.receive(b"Sig1 1 1 1*1\r\n", T0)
    switcher.take_events()
    return switcher


# --- the documented strings ---


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("In3 All", 3),  # SW HDMI, SW DVI A, SW RGBHV
        ("In003 All", 3),  # SW AV
        ("In 3 All", 3),  # IN1604
        ("In3All", 3),
        ("In3", 3),  # SW4 3G HD-SDI
        ("In3 RGB", 3),  # IN1608, video alone
        ("In12 Vid", 12),
        ("Chn3", 3),  # MPS 409
        ("Chn 3", 3),
        ("C3", 3),  # SW AV after power-up
        ("In0 All", 0),
    ],
)
def test_a_selection_is_understood(line: str, number: int) -> None:
    switcher = opened()
    switcher.receive(f"{line}\r\n".encode(), T0)
    assert switcher.input == number
    assert switcher.take_events() == [InputChanged(number)]


@pytest.mark.parametrize("line", ["In3 Aud", "Reconfig", "Vmt1", "HplgO1", "Exe0", "Amt0", "In3 All 4", "garbage"])
def test_what_says_nothing_of_the_source_changes_nothing(line: str) -> None:
    switcher = opened()
    switcher.receive(f"{line}\r\n".encode(), T0)
    assert (switcher.input, switcher.unknown_lines) == (1, 1)
    assert switcher.take_events() == []


@pytest.mark.parametrize(
    ("line", "number"),
    [("In3 All", 3), ("V3 A1 Vmt0 Amt0", 3), ("Chn3 Pch0 Std0", 3), ("In3 Vid In2 Aud Ausw0 Vmt0 Amt0", 3)],
)
def test_the_answer_to_the_information_request_is_understood(line: str, number: int) -> None:
    switcher = SisSwitcher()
    switcher.note_open(T0)
    assert switcher.take_output() == b"I"
    switcher.receive(f"{line}\r\n".encode(), T0)
    assert (switcher.input, switcher.is_answering) == (number, True)


@pytest.mark.parametrize(
    ("line", "present"),
    [
        ("Sig 1 1 1 0 1 0", (True, True, True, False, True, False)),  # SW AV, SW RGBHV
        ("Sig1 0*1", (True, False)),  # SW HDMI: inputs, output
        ("Sig0 1 0 0*0", (False, True, False, False)),
        ("Sig 1", (True,)),
    ],
)
def test_the_signals_are_understood(line: str, present: tuple[bool, ...]) -> None:
    switcher = opened()
    switcher.receive(f"{line}\r\n".encode(), T0)
    assert switcher.signals == present
    assert switcher.take_events() == [SignalsChanged(present)]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("E01", "there is no such input (E01)"),
        ("E06", "not while the switcher chooses the input itself (E06)"),
        ("E10", "the switcher does not know the command (E10)"),
        ("E13", "a value out of range (E13)"),
        ("E99", "the switcher refuses (E99)"),
    ],
)
def test_a_refusal_is_told_in_words(code: str, words: str) -> None:
    switcher = opened()
    switcher.select(3, T0)
    assert switcher.take_output() == b"3!"
    switcher.receive(f"{code}\r\n".encode(), T0)
    assert switcher.take_events() == [SelectFailed(3, words)]


# --- conversations ---


def test_after_opening_the_source_and_the_signals_are_known() -> None:
    both = Joined(inputs=3)
    both.device.press("2", T0)
    both.device.press("s", T0)
    both.device.take_output()  # said before anybody listened
    both.open()
    assert both.take() == [InputChanged(2), Answering(True), SignalsChanged((True, False, True))]


def test_a_selection_is_done_and_told(joined: Joined) -> None:
    joined.select(3)
    assert joined.device.input == 3
    assert joined.take() == [InputChanged(3)]


def test_a_hand_at_the_switcher_and_a_lost_signal_are_told(joined: Joined) -> None:
    joined.press("4")
    joined.press("s")
    joined.press("s")
    assert joined.take() == [
        InputChanged(4),
        SignalsChanged((True, True, True, False)),
        SignalsChanged((True,) * 4),
    ]


@pytest.mark.parametrize("number", [0, -1, 100, 7])
def test_an_input_that_is_not_there_is_refused_and_nothing_changes(joined: Joined, number: int) -> None:
    joined.select(number)
    assert joined.take() == [SelectFailed(number, "there is no such input" + " (E01)" * (number == 7))]
    assert joined.device.input == 1


def test_a_switcher_that_selects_by_itself_says_so(joined: Joined) -> None:
    joined.press("l")
    joined.select(2)
    (event,) = joined.take()
    assert event == SelectFailed(2, "not while the switcher chooses the input itself (E06)")


def test_the_newest_wish_wins_while_another_is_on_its_way() -> None:
    switcher = opened()
    for number in (2, 3, 4):
        switcher.select(number, T0)
    assert switcher.take_output() == b"2!"
    switcher.receive(b"In2 All\r\n", T0)
    assert switcher.take_output() == b"4!"


def test_the_selection_by_another_hand_is_no_answer_to_ours() -> None:
    switcher = opened()
    switcher.select(2, T0)
    switcher.take_output()
    switcher.receive(b"In4 All\r\n", T0)
    assert switcher.take_events() == [InputChanged(4)]
    switcher.tick(T0 + ANSWER_LIMIT_NS)
    switcher.receive(b"In4 All\r\n", T0 + ANSWER_LIMIT_NS)
    assert switcher.take_output() == b"I2!"  # so it is tried once more


def test_a_newer_wish_is_not_undone_by_the_one_before_that_had_no_answer() -> None:
    switcher = opened()
    switcher.select(2, T0)
    switcher.select(3, T0)
    switcher.tick(T0 + ANSWER_LIMIT_NS)
    switcher.receive(b"In1 All\r\n", T0 + ANSWER_LIMIT_NS)
    assert switcher.take_output() == b"2!I3!"


def test_several_errors_for_one_command_are_one_answer() -> None:
    """An old switcher errs at each character of Esc LS CR; the line brings its errors one by one."""
    switcher = SisSwitcher()
    switcher.note_open(T0)
    switcher.receive(b"In1 All\r\n", T0)
    for n in range(4):
        switcher.receive(b"E10\r\n", T0 + n * MS)
    assert switcher.take_output() == b"I\x1bLS\r"
    switcher.select(3, T0 + 4 * MS)
    assert switcher.timer_ns == T0 + 3 * MS + QUIET_NS
    switcher.tick(switcher.timer_ns)
    assert switcher.take_output() == b"3!"
    assert switcher._signal_questions == SIGNAL_QUESTIONS[1:]


def test_without_an_answer_it_is_tried_once_more_and_then_said() -> None:
    switcher, sent = opened(), []
    switcher.select(2, T0)
    for n in range(5):
        sent.append(switcher.take_output())
        switcher.tick(T0 + n * ANSWER_LIMIT_NS + ANSWER_LIMIT_NS)
    assert sent == [b"2!", b"I", b"2!", b"", b""]
    assert switcher.take_events() == [Answering(False), SelectFailed(2, "the switcher does not answer")]


def test_a_switcher_that_was_without_power_is_asked_anew(joined: Joined) -> None:
    joined.device = SimulatedSwitcher(joined.now_ns)
    joined.press("3")
    joined.take()
    joined.ours.receive(f"{GREETING}\r\n".encode(), joined.now_ns)
    assert joined.ours.take_output() == b"I"


def test_a_silent_switcher_is_said_to_be_silent_and_heard_again(joined: Joined) -> None:
    device, joined.device = joined.device, SimulatedSwitcher(T0)
    now_ns = joined.now_ns
    while joined.ours.is_answering:
        now_ns = joined.ours.timer_ns
        joined.ours.tick(now_ns)
        joined.ours.take_output()
    assert now_ns - joined.now_ns <= 2 * POLL_NS + 2 * ANSWER_LIMIT_NS
    joined.now_ns, joined.device = now_ns, device
    joined.take()
    joined.pass_time(2 * POLL_NS)
    assert Answering(True) in joined.take()


class OldSwitcher(SimulatedSwitcher):
    """Knows `known` alone as its question for signals, and errs at each character of what it does not know."""

    def __init__(self, now_ns: int, known: bytes) -> None:
        super().__init__(now_ns)
        self._known = known.decode()

    def _try_command(self) -> None:
        if self._partial == self._known:
            self._answer("Sig 1 0 1 1")
        elif self._partial in ("\x1b", "L", "S", "\r"):
            self._answer("E10")
        elif not self._known.startswith(self._partial):
            super()._try_command()


@pytest.mark.parametrize("known", [b"\x1bLS\r", b"0LS", b"0S"])
def test_the_question_for_signals_is_the_one_that_the_switcher_knows(known: bytes) -> None:
    both = Joined()
    both.device = SimulatedSwitcher(T0) if known.startswith(b"\x1b") else OldSwitcher(T0, known)
    both.open()
    both.pass_time(6 * POLL_NS + 3 * QUIET_NS)
    assert both.ours._signal_questions[0] == known
    assert both.ours.signals != ()
    assert both.ours.is_answering


# --- faults ---


def test_a_digit_that_a_cut_line_left_behind_selects_nothing_wrong() -> None:
    """The line is cut in the middle of "1!"; "2!" after it would be input 12."""
    both = Joined(inputs=14)
    both.open()
    both.device.receive(b"1", both.now_ns)
    both.ours.note_closed(both.now_ns)
    both.open()
    both.select(2)
    both.pass_time(3 * ANSWER_LIMIT_NS)
    assert both.device.input == 2


def test_a_selection_that_the_cut_interrupts_is_said_to_have_failed() -> None:
    switcher = opened()
    switcher.select(2, T0)
    switcher.select(3, T0)
    switcher.note_closed(T0)
    assert switcher.take_events() == [SelectFailed(3, "the switcher is not connected"), Answering(False)]
    assert (switcher.input, switcher.signals) == (None, ())
    switcher.select(4, T0)
    assert switcher.take_events() == [SelectFailed(4, "the switcher is not connected")]
    assert switcher.take_output() == b""


@given(st.lists(st.tuples(st.integers(1, 14), st.binary(max_size=12), st.booleans()), min_size=1, max_size=12))
def test_the_last_wish_is_fulfilled_or_refused_through_any_noise(steps: list[tuple[int, bytes, bool]]) -> None:
    """Noise towards us and to the switcher, cuts in mid-command: in the end both sides agree on the source."""
    both = Joined(inputs=14)
    both.open()
    for number, noise, is_cut in steps:
        both.ours.select(number, both.now_ns)
        output = both.ours.take_output()
        both.device.receive(output[: len(output) // 2] + noise, both.now_ns)
        both.ours.receive(noise, both.now_ns)
        if is_cut:
            both.ours.note_closed(both.now_ns)
            both.open()
        both.pass_time(ANSWER_LIMIT_NS // 2)
    both.pass_time(12 * S)
    both.take()
    both.select(5)
    both.pass_time(5 * ANSWER_LIMIT_NS)
    assert both.device.input == both.ours.input
    is_done = both.device.input == 5
    assert is_done or any(isinstance(event, SelectFailed) and event.number == 5 for event in both.take())
