"""The sender's capture stage over a card whose cable is pulled, whose source changes, whose driver fails.

The state that both ends show is never the wrong one for longer than promised. In simulated time.
"""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from daemon.config import ColourChoice, FilterChoice
from daemon.guarded import Guarded
from daemon.picture.layout import ANY_SIZE, Layout, LayoutBook
from daemon.picture.source import SourceWatch
from daemon.queues import LatestSlot
from daemon.sender_capture import CapturedImage, CaptureStage
from daemon.states import SourceState
from hw.capture.pacing import SECOND_NS
from hw.capture.v4l2 import V4l2Capture
from hw.capture.v4l2_fake import NOISE, FakeCard, FakeKernel
from hw.capture.v4l2_timing import SourceTimings
from hw.fake import ManualClock
from hw.ports import FrameBytes

PATH = "/dev/video0"
NOISE_LEVEL = 250
STEP_S = 0.01
LOST_WITHIN_S = 0.5
STANDSTILL_WITHIN_S = 1.7  # of a driver that says all is well: it is given a second
BACK_WITHIN_S = 0.9
RUN_S = 12.0
SEQUENCES = 200
FAST_SEQUENCES = 25

SIGNALS = [
    SourceTimings(64, 48, 60.0, is_interlaced=False),
    SourceTimings(64, 48, 25.0, is_interlaced=True),
    SourceTimings(96, 80, 60.0, is_interlaced=False),
    SourceTimings(64, 48, 30.0, is_interlaced=False),
]
TOO_FAST = SourceTimings(128, 96, 85.0, is_interlaced=False)
HIGHEST_RATE_HZ = 75.0
PLACES = LayoutBook((Layout(size=ANY_SIZE, no_identity=True, signed_off_by="a test", signed_off_on="2026-01-01"),))


class Stop(threading.Event):
    """The stage's end comes at its time; waiting for it moves the clock."""

    def __init__(self, clock: "WatchedClock", at_ns: int) -> None:
        super().__init__()
        self._clock, self._at_ns = clock, at_ns

    def is_set(self) -> bool:
        return self._clock.now_ns() >= self._at_ns

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.advance(timeout or 0.0)
        return self.is_set()


class WatchedClock(ManualClock):
    """Moves in small steps, and lets somebody look after each."""

    def __init__(self) -> None:
        super().__init__()
        self.look: Callable[[], None] = lambda: None

    def advance(self, seconds: float) -> None:
        while seconds > 0:
            super().advance(min(seconds, STEP_S))
            seconds -= STEP_S
            self.look()


@dataclass
class Fault:
    """What can happen to a card: how it begins, and what the operator must then read."""

    begin: Callable[[FakeCard], None]
    words: tuple[str, ...]
    within_s: float = LOST_WITHIN_S


def _set(**values: object) -> Callable[[FakeCard], None]:
    def change(card: FakeCard) -> None:
        for name, value in values.items():
            setattr(card, name, value)

    return change


FAULTS = [
    Fault(_set(is_plugged=False), ("unplugged",)),
    Fault(_set(signal=None), ("no signal",)),
    Fault(_set(is_locked=False), ("signal not stable",)),
    Fault(_set(signal=TOO_FAST), (f"signal out of range {TOO_FAST}",)),
    Fault(_set(is_stuck=True), ("no frame",), STANDSTILL_WITHIN_S),
    Fault(_set(damages_frames=True), ("no frame",), STANDSTILL_WITHIN_S),
]


class Run:
    """One stage over one card with a script, looked at every 10 ms."""

    def __init__(self, card: FakeCard, run_s: float = RUN_S) -> None:
        self.card = card
        self.clock = WatchedClock()
        self.kernel = FakeKernel(card, self.clock, PATH)
        self.start_ns = self.clock.now_ns()
        self.events: list[tuple[str, str]] = []
        self.stop = Stop(self.clock, self.start_ns + round(run_s * SECOND_NS))
        self.source = Guarded(SourceWatch(self.start_ns))
        self.images: LatestSlot[CapturedImage] = LatestSlot()
        self.stage = CaptureStage(
            V4l2Capture(PATH, clock=self.clock, kernel=self.kernel),
            PLACES,
            FilterChoice.OFF,
            ColourChoice.NEVER,
            source=self.source,
            images=self.images,
            report_event=lambda what, cause: self.events.append((what, cause)),
            stopping=self.stop,
        )
        self.fault: Fault | None = None
        self.changed_s = 0.0
        self.clock.look = self.look

    def now_s(self) -> float:
        return (self.clock.now_ns() - self.start_ns) / SECOND_NS

    def at(self, seconds: float, fault: Fault | None, change: Callable[[FakeCard], None]) -> None:
        def happen(card: FakeCard) -> None:
            self.fault, self.changed_s = fault, seconds
            change(card)

        self.kernel.change_at(seconds, happen)

    def look(self) -> None:
        if self.stop.is_set():
            return
        image = self.images.take(0)
        now_ns = self.clock.now_ns()
        if image is not None:
            with self.source as source:
                source.note_encoded(image.capture_ns)
        with self.source as source:
            status = source.assess(now_ns)
        since_s = self.now_s() - self.changed_s
        state = SourceState(status.state)
        where = f"at {self.now_s():.2f} s, {since_s:.2f} s after the last change: {state} {status.cause}"
        if image is not None and since_s > LOST_WITHIN_S:
            signal = self.card.signal
            assert signal is not None, where
            assert image.pixels.shape == (signal.height, signal.width), where
            assert image.pixels[0, 0] != NOISE_LEVEL, where
        if self.fault is None and since_s > BACK_WITHIN_S:
            assert status.state in (SourceState.LIVE, SourceState.HELD), where
            assert self.card.signal is not None
            assert (status.width, status.height) == (self.card.signal.width, self.card.signal.height), where
        if self.fault is not None and since_s > self.fault.within_s:
            assert status.state == SourceState.CAPTURE_LOST, where
            assert any(word in status.cause for word in self.fault.words), where

    def go(self) -> None:
        self.stage.run()
        assert self.kernel.open_descriptors == 0


def levels(data: FrameBytes, sequence: int) -> None:
    """Each frame another image, none of them noise."""
    data.fill(NOISE_LEVEL if sequence == NOISE else sequence * 37 % 240)


def card(chance: random.Random) -> FakeCard:
    return FakeCard(
        signal=chance.choice(SIGNALS),
        highest_rate_hz=HIGHEST_RATE_HZ,
        tells_of_changes=chance.random() < 0.6,
        gives_noise=chance.random() < 0.4,
        padding_bytes=chance.choice([0, 8]),
        is_multiplanar=chance.random() < 0.3,
        formats=chance.choice([("GREY",), ("YUYV",), ("BGR3", "YUYV"), ("XR24",)]),
        fill=levels,
    )


@pytest.mark.parametrize(
    "seed",
    [
        *range(FAST_SEQUENCES),
        *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(FAST_SEQUENCES, SEQUENCES)),
    ],
)
def test_losses_returns_and_changes_never_end_in_a_wrong_state(seed: int) -> None:
    chance = random.Random(seed)
    run = Run(card(chance))
    seconds = 0.0
    while seconds < RUN_S:
        seconds += chance.choice([0.01, 0.05, 0.2, 0.5, 1.5, 2.5]) * (0.5 + chance.random())
        heal = _set(
            is_plugged=True, is_locked=True, is_stuck=False, damages_frames=False, signal=chance.choice(SIGNALS)
        )
        match chance.randrange(5):
            case 0 | 1:
                fault = chance.choice(FAULTS)

                def strike(
                    card: FakeCard,
                    heal: Callable[[FakeCard], None] = heal,
                    begin: Callable[[FakeCard], None] = fault.begin,
                ) -> None:
                    heal(card)
                    begin(card)

                run.at(seconds, fault, strike)
            case 2:
                run.at(seconds, None, heal)  # another signal, or the end of a fault
            case 3:
                run.at(seconds, None, lambda card, heal=heal: (heal(card), setattr(card, "has_fatal_error", True)))
            case 4:  # the cable moves in its socket
                for n in range(6):
                    run.at(seconds + 0.03 * n, FAULTS[1], _set(signal=None))
                    run.at(seconds + 0.03 * n + 0.015, None, heal)
                seconds += 0.2
    run.go()


def test_each_cause_is_told_once_until_frames_come_again() -> None:
    run = Run(FakeCard(signal=SIGNALS[0], fill=levels))
    run.at(1.0, FAULTS[1], _set(signal=None))
    run.at(4.0, None, _set(signal=SIGNALS[2]))
    run.at(6.0, FAULTS[1], _set(signal=None))
    run.at(7.5, None, _set(signal=SIGNALS[2]))
    run.at(9.0, FAULTS[0], _set(is_plugged=False))
    run.go()
    assert run.events == [
        ("capture delivers", "64x48p60"),
        ("capture lost", "no signal: check the cable and the source"),
        ("capture delivers", "96x80p60"),
        ("capture lost", "no signal: check the cable and the source"),
        ("capture delivers", "96x80p60"),
        ("capture lost", "unplugged: /dev/video0 is gone: plug the capture device in again"),
        ("capture lost", "unplugged: /dev/video0 is not there: plug the capture device in, or correct the path"),
    ]


def test_lost_frames_are_counted() -> None:
    run = Run(FakeCard(signal=SIGNALS[0], fill=levels), run_s=3.0)
    run.at(1.002, None, _set(damages_frames=True))
    run.at(1.102, None, _set(damages_frames=False))
    run.go()
    assert run.stage.figures() == {"frames_lost": 6.0}


def test_another_resolution_costs_little() -> None:
    run = Run(FakeCard(signal=SIGNALS[0], fill=levels), run_s=3.0)
    seen: list[tuple[float, tuple[int, ...]]] = []
    look = run.look

    def note() -> None:
        with run.source as source:
            status = source.assess(run.clock.now_ns())
        seen.append((run.now_s(), (status.width, status.height)))
        look()

    run.clock.look = note
    run.at(1.0, None, _set(signal=SIGNALS[2]))
    run.go()
    first_s = next(seconds for seconds, size in seen if size == (96, 80))
    assert first_s - 1.0 < 0.1


def test_a_person_reads_every_cause() -> None:
    """The peer is sent 120 bytes of it."""
    run = Run(FakeCard(signal=SIGNALS[0], highest_rate_hz=HIGHEST_RATE_HZ, fill=levels))
    well = _set(is_plugged=True, is_locked=True, signal=SIGNALS[0])
    for n, fault in enumerate(FAULTS[:4]):
        run.at(2.0 * n + 1.0, fault, fault.begin)
        run.at(2.0 * n + 2.0, None, well)
    run.go()
    lost = [cause for what, cause in run.events if what == "capture lost"]
    assert len(lost) >= 4
    assert all(len(cause.encode()) <= 120 for cause in lost), lost
