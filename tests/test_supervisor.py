"""The supervisor's own judgement: silence, death and repeated death of a worker, without starting any."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from daemon import supervisor, worker_life
from daemon.channel import Channel
from daemon.config import Config, load_config
from daemon.link.message_kinds import MessageKind
from daemon.messages import Event, Failed, SmallMessage, Start, Statistics, ToWorker, TruthReport, XrayReport
from daemon.source_desk import Word, pack
from daemon.states import PictureState
from daemon.supervisor import EVENTS_KEPT, TRUTH_LIMIT_NS, Supervisor
from daemon.worker_life import RESTART_DELAYS_S, SHORT_LIFE_S, ending
from hw.sensors import LinuxSensors
from hw.serial.ports import ButtonPressed, XrayState
from provisioning.lab import make_lab

MS = 1_000_000


class Clock:
    """Stands in for the supervisor's `time`."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000 * MS

    def monotonic_ns(self) -> int:
        return self.now_ns

    def monotonic(self) -> float:
        return self.now_ns / 1e9

    def advance(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(supervisor, "time", clock)
    monkeypatch.setattr(worker_life, "time", clock)
    return clock


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Config]:
    folder: Path = tmp_path_factory.mktemp("lab")
    lab = make_lab(folder / "lab")
    return {"sender": load_config(lab.sender_config), "receiver": load_config(lab.receiver_config)}


MakeBox = Callable[[str], Supervisor]


@pytest.fixture
def make_box(configs: dict[str, Config], clock: Clock) -> Iterator[MakeBox]:
    """A supervisor of that role, which starts nothing."""
    boxes: list[Supervisor] = []

    def make(role: str) -> Supervisor:
        boxes.append(Supervisor(configs[role], reload=lambda settings: configs[role]))
        return boxes[-1]

    yield make
    for box in boxes:
        for ends in box._pipes.values():
            for end in ends:
                end.close()


def report(at_ns: int, state: PictureState = PictureState.LIVE) -> TruthReport:
    return TruthReport(state, "", 5, 40, 35, 2, at_ns)


@pytest.mark.parametrize(
    ("role", "reporter", "other", "silent"),
    [("sender", "link", "video", "LINK STALLED"), ("receiver", "video", "link", "DECODER STALLED")],
)
def test_a_silent_reporters_last_word_does_not_stand(
    make_box: MakeBox, clock: Clock, role: str, reporter: str, other: str, silent: str
) -> None:
    box = make_box(role)
    assert box.truth_now()[0].words == silent
    box.note_message(box._workers[reporter], report(clock.now_ns))
    clock.now_ns += TRUTH_LIMIT_NS
    assert box.truth_now() == (PictureState.LIVE, "")
    clock.now_ns += 1
    assert box.truth_now() == (PictureState[silent.replace(" ", "_")], f"the {reporter} process does not answer")
    box.note_message(box._workers[reporter], report(clock.now_ns))
    box.note_death(box._workers[other])  # the other one's death says nothing about the picture
    assert box.truth_now()[0] is PictureState.LIVE
    box.note_death(box._workers[reporter])
    assert box.truth_now()[0].words == silent


def test_the_snapshot_brings_the_age_up_to_now(make_box: MakeBox, clock: Clock) -> None:
    box = make_box("receiver")
    box.note_message(box._workers["video"], report(clock.now_ns))
    clock.advance(0.1)
    picture = box.snapshot()["picture"]
    assert picture == {
        "state": "LIVE",
        "cause": "",
        "frame_id": 5,
        "age_ms": 140,
        "latency_ms": 35,
        "latency_bound_ms": 2,
    }


def test_xray_at_the_receiver_is_what_the_sender_says_and_not_when_nobody_says_it(
    make_box: MakeBox, clock: Clock
) -> None:
    box = make_box("receiver")
    assert box.snapshot()["xray"] == "unknown"
    box.note_message(box._workers["video"], msgspec.structs.replace(report(clock.now_ns), xray=XrayState.ON))
    assert box.snapshot()["xray"] == "on"
    clock.now_ns += TRUTH_LIMIT_NS + 1
    assert box.snapshot()["xray"] == "unknown"
    assert make_box("sender").snapshot()["xray"] == "not watched"


def test_a_change_of_state_is_one_event(make_box: MakeBox, clock: Clock) -> None:
    box = make_box("receiver")
    states = [PictureState.LIVE] * 3 + [PictureState.HELD] * 3 + [PictureState.LIVE]
    for state in states:
        box.note_message(box._workers["video"], report(clock.now_ns, state))
    assert [event.what for event in box.events] == ["picture is LIVE", "picture is HELD", "picture is LIVE"]


def test_events_are_bounded(make_box: MakeBox, clock: Clock) -> None:
    box = make_box("receiver")
    for number in range(2 * EVENTS_KEPT):
        box.note_message(box._workers["video"], Event(f"event {number}", "", clock.now_ns))
    assert len(box.events) == EVENTS_KEPT
    assert box.events[-1].what == f"event {2 * EVENTS_KEPT - 1}"


def test_figures_are_those_of_their_worker(make_box: MakeBox, clock: Clock) -> None:
    box = make_box("sender")
    box.note_message(box._workers["link"], Statistics("link", {"rtt_ms": 7.0}))
    workers = box.snapshot()["workers"]
    assert isinstance(workers, dict)
    assert workers["link"]["figures"] == {"rtt_ms": 7.0}
    assert workers["video"]["figures"] == {}


def test_the_machines_health_is_in_the_snapshot_once_it_was_read(make_box: MakeBox, clock: Clock) -> None:
    box = make_box("sender")
    assert box.snapshot()["health"] is None
    box._health.note(LinuxSensors().read())
    health = box.snapshot()["health"]
    assert isinstance(health, dict)
    assert health["memory_total_bytes"] > 0


def test_a_worker_that_cannot_work_ends_the_box(make_box: MakeBox, clock: Clock) -> None:
    box = make_box("sender")
    box.note_message(box._workers["link"], Failed("link.listen: taken", 1))
    assert box.stopping.is_set()


def test_one_that_had_worked_is_started_at_once_and_one_that_dies_at_its_start_later_and_later(
    make_box: MakeBox, clock: Clock
) -> None:
    worker = make_box("sender")._workers["video"]

    def delay_after(lived_s: float) -> float:
        worker._started = clock.monotonic()
        clock.advance(lived_s)
        return worker._restart_delay_s()

    assert [delay_after(SHORT_LIFE_S + 1) for _ in range(10)] == [0.0] * 10
    delays = [delay_after(SHORT_LIFE_S / 2) for _ in range(10)]
    assert delays == [*RESTART_DELAYS_S[1:], *[RESTART_DELAYS_S[-1]] * (11 - len(RESTART_DELAYS_S))]
    assert delay_after(SHORT_LIFE_S + 1) == 0.0


def test_an_ending_is_told_in_words() -> None:
    assert ending(3) == "exit code 3"
    assert ending(-9) == "killed by SIGKILL"
    assert ending(-99) == "killed by signal 99"


def test_the_clock_stands_in_for_the_real_one(clock: Clock) -> None:
    """What the tests above rest on."""
    assert supervisor.time is not time


def test_whatever_a_worker_is_told_its_configuration_comes_first(
    make_box: MakeBox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor tells it X-ray's state while the process is only being made."""
    life = make_box("sender")._workers["video"]
    received: list[ToWorker | None] = []

    async def make_process(*arguments: str, pass_fds: tuple[int, ...], **details: object) -> None:
        life.tell(XrayReport(XrayState.ON, 0, 0))
        channel: Channel[ToWorker] = Channel(socket.socket(fileno=os.dup(pass_fds[0])), ToWorker)
        received.extend([channel.receive(timeout_s=0), channel.receive(timeout_s=0)])
        channel.close()

    monkeypatch.setattr(worker_life.asyncio, "create_subprocess_exec", make_process)
    asyncio.run(life._start())
    assert life.channel is not None
    life.channel.close()
    assert [type(message) for message in received] == [Start, XrayReport]


def test_the_panels_button_answers_a_question_first_and_is_the_calls_otherwise(
    make_box: MakeBox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, calls = make_box("sender"), []
    monkeypatch.setattr(box.voice, "press", calls.append)
    box.note_message(box._workers["link"], SmallMessage(MessageKind.SOURCE, pack(Word.WISH, 3)))
    assert box.source.question == "EXPERT: INPUT 3?"
    for listener in box.serial.panel_listeners:
        listener(ButtonPressed())
    assert (box.source.question, calls) == ("", [])
    assert box.snapshot()["source_wish"] == "input 3: the switcher did not do it"  # there is none
    for listener in box.serial.panel_listeners:
        listener(ButtonPressed())
    assert calls == [ButtonPressed()]
