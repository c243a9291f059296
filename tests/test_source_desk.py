"""The operator's order and the expert's wish for a source: two desks joined without a link, in simulated time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config import Role
from daemon.errors import UsageError
from daemon.source_desk import ANSWER_LIMIT_NS, SWITCH_LIMIT_NS, WISH_LIMIT_NS, SourceDesk, Word, pack, parse
from hw.errors import DeviceError
from hw.serial.ports import ButtonPressed, ButtonReleased, InputChanged, SelectFailed

T0 = 10**12


class Switch:
    """A switcher that does what it is told when the test says so."""

    def __init__(self) -> None:
        self.source: int | None = 1
        self.told: list[int] = []
        self.is_there = True

    def switch_source(self, number: int) -> None:
        if not self.is_there:
            raise DeviceError("no switcher is configured")
        self.told.append(number)


class Pair:
    def __init__(self) -> None:
        self.switch = Switch()
        self.is_cut = False
        self.events: dict[Role, list[str]] = {role: [] for role in Role}
        self.operator, self.expert = self._desk(Role.SENDER), self._desk(Role.RECEIVER)

    def _desk(self, role: Role) -> SourceDesk:
        def tell_peer(payload: bytes) -> None:
            if not self.is_cut:
                (self.expert if role is Role.SENDER else self.operator).hear(payload, T0)

        def note(what: str, cause: str) -> None:
            self.events[role].append(cause)

        return SourceDesk(role, self.switch, tell_peer=tell_peer, note_event=note)


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_the_operators_order_is_followed_at_once(pair: Pair) -> None:
    pair.operator.obey("3", T0)
    assert pair.switch.told == [3]
    assert pair.expert.words == ""
    pair.switch.is_there = False
    with pytest.raises(DeviceError):
        pair.operator.obey("3", T0)


def test_the_expert_alone_switches_nothing(pair: Pair) -> None:
    pair.expert.obey("3", T0)
    assert pair.switch.told == []
    assert pair.operator.question == "EXPERT: INPUT 3?"
    assert pair.expert.words == "input 3: the operator is asked"


@pytest.mark.parametrize("by_panel", [True, False])
def test_the_operator_grants_it_and_the_expert_is_told_when_it_is_done(pair: Pair, by_panel: bool) -> None:
    pair.expert.obey("3", T0)
    if by_panel:
        assert pair.operator.press(ButtonPressed(), T0)
    else:
        pair.operator.obey("accept", T0)
    assert pair.operator.question == ""
    assert pair.switch.told == [3]
    assert pair.expert.words == "input 3: the operator is asked"
    pair.operator.note_switched(InputChanged(2))  # somebody's hand
    assert pair.operator.words == "input 3: the expert asks for it"
    pair.operator.note_switched(InputChanged(3))
    assert pair.expert.words == pair.operator.words == "input 3: switched"


def test_without_a_question_the_button_means_something_else(pair: Pair) -> None:
    assert not pair.operator.press(ButtonPressed(), T0)
    pair.expert.obey("3", T0)
    assert not pair.operator.press(ButtonReleased(1), T0)
    assert not pair.expert.press(ButtonPressed(), T0)


def test_a_switch_that_nobody_wished_is_no_answer_to_anybody(pair: Pair) -> None:
    pair.operator.note_switched(InputChanged(2))
    pair.operator.note_switched(SelectFailed(3, "no such input"))
    assert pair.events == {Role.SENDER: [], Role.RECEIVER: []}


def test_nobody_asks_the_expert(pair: Pair) -> None:
    pair.expert.hear(pack(Word.WISH, 3), T0)
    assert pair.expert.question == ""
    pair.operator.hear(pack(Word.SWITCHED, 3), T0)
    assert pair.operator.words == ""


def test_the_operator_refuses(pair: Pair) -> None:
    pair.expert.obey("3", T0)
    pair.operator.obey("refuse", T0)
    assert pair.switch.told == []
    assert pair.expert.words == "input 3: the operator refuses"


def test_silence_is_no_consent(pair: Pair) -> None:
    pair.expert.obey("3", T0)
    pair.operator.tick(T0 + WISH_LIMIT_NS - 1)
    assert pair.operator.question
    pair.operator.tick(T0 + WISH_LIMIT_NS)
    assert not pair.operator.question
    assert not pair.operator.press(ButtonPressed(), T0 + WISH_LIMIT_NS)
    assert pair.expert.words == "input 3: the operator did not answer"


def test_a_source_that_is_shown_already_is_granted_without_the_switcher(pair: Pair) -> None:
    pair.expert.obey("1", T0)
    pair.operator.obey("accept", T0)
    assert pair.switch.told == []
    assert pair.expert.words == "input 1: switched"


def test_what_the_switcher_does_not_do_is_told(pair: Pair) -> None:
    pair.expert.obey("9", T0)
    pair.operator.obey("accept", T0)
    pair.operator.note_switched(SelectFailed(9, "there is no such input"))
    assert pair.expert.words == "input 9: the switcher did not do it"
    pair.expert.obey("8", T0)
    pair.operator.obey("accept", T0)
    pair.operator.tick(T0 + SWITCH_LIMIT_NS)
    assert pair.expert.words == "input 8: the switcher did not do it"
    pair.switch.is_there = False
    pair.expert.obey("7", T0)
    pair.operator.obey("accept", T0)
    assert pair.expert.words == "input 7: the switcher did not do it"


def test_a_newer_wish_replaces_the_one_that_waits_and_its_answer_is_no_answer_to_the_other(pair: Pair) -> None:
    pair.expert.obey("3", T0)
    pair.expert.obey("4", T0)
    assert pair.operator.question == "EXPERT: INPUT 4?"
    pair.expert.hear(pack(Word.SWITCHED, 3), T0)
    assert pair.expert.words == "input 4: the operator is asked"
    pair.operator.obey("accept", T0)
    assert pair.switch.told == [4]


def test_a_link_that_brings_no_answer_is_said(pair: Pair) -> None:
    pair.is_cut = True
    pair.expert.obey("3", T0)
    pair.expert.tick(T0 + ANSWER_LIMIT_NS)
    assert pair.expert.words == "input 3: no answer came"


@pytest.mark.parametrize("words", ["", "0", "100", "three", "-1", "1 2", "٣"])
def test_words_that_mean_nothing_are_one_line(pair: Pair, words: str) -> None:
    with pytest.raises(UsageError, match="an input's number"):
        pair.operator.obey(words, T0)
    with pytest.raises(UsageError, match="no source is asked for"):
        pair.operator.obey("accept", T0)


@given(st.sampled_from(Word), st.integers(1, 255))
def test_a_payload_is_read_as_it_was_written(word: Word, number: int) -> None:
    assert parse(pack(word, number)) == (word, number)


def test_whatever_comes_from_the_peer_never_switches_and_never_raises(pair: Pair) -> None:
    chance = random.Random(3)
    for _ in range(100_000):
        payload = chance.randbytes(chance.choice([2, 2, 2, 0, 1, 3]))
        pair.operator.hear(payload, T0)
        pair.expert.hear(payload, T0)
    assert pair.switch.told == []
