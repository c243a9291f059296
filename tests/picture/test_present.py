"""The presenter: the banner moves on when nothing else does, and a display that fails costs the truth nothing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from daemon.messages import SmallMessage
from daemon.picture.present import DecodedPicture, Presenter, banner_of, truth_of, truth_report
from daemon.picture.truth import Truth
from daemon.pointing.desk import PointingDesk
from daemon.pointing.history import ImageHistory
from daemon.pointing.table import PointingTable
from daemon.pointing.words import Author
from daemon.queues import LatestSlot
from daemon.states import PictureState
from hw.errors import DeviceError
from hw.fake import FakeDisplay
from hw.overlay import NOTHING_OVER, Overlay
from hw.ports import Banner, GrayPicture, Tone

MS = 1_000_000
DEADLINE_S = 10.0


class FailingDisplay(FakeDisplay):
    """Cannot be opened, or breaks at the next picture, while `is_broken`."""

    def __init__(self) -> None:
        super().__init__()
        self.is_broken = False
        self.opened = 0

    def open(self) -> None:
        if self.is_broken:
            raise DeviceError("no screen")
        self.opened += 1
        super().open()

    def show(
        self, picture: GrayPicture | None, banner: Banner, *, is_new: bool, overlay: Overlay = NOTHING_OVER
    ) -> None:
        if self.is_broken:
            raise DeviceError("the screen went dark")
        super().show(picture, banner, is_new=is_new, overlay=overlay)


class Stage:
    """A presenter in a thread, and what it told."""

    def __init__(self, display: FakeDisplay) -> None:
        self.display = display
        self.pictures: LatestSlot[DecodedPicture] = LatestSlot()
        self.shown: list[int] = []
        self.shown_ns: list[int] = []
        self.lost = 0
        self.small: list[SmallMessage] = []
        self.reports: list[tuple[Truth, int]] = []
        self.state = PictureState.LIVE
        self.stopping = threading.Event()
        self._presenter = Presenter(
            display,
            self.pictures,
            shown=self._note_shown,
            lost=self._note_lost,
            assess=lambda now_ns: Truth(self.state, "", 1, now_ns % 1000 * MS, None, None),
            report=lambda truth, now_ns: self.reports.append((truth, now_ns)),
            pointing=PointingDesk(
                PointingTable(Author.RECEIVER, ImageHistory(), catheter_french=6.0), send=self.small.append
            ),
        )
        self.thread = threading.Thread(target=self._presenter.run, args=(self.stopping,))

    def _note_shown(self, picture: DecodedPicture, now_ns: int) -> None:
        self.shown.append(picture.frame_id)
        self.shown_ns.append(now_ns)

    def _note_lost(self) -> None:
        self.lost += 1

    def put(self, frame_id: int) -> None:
        self.pictures.put(DecodedPicture(np.full((4, 6), frame_id, np.uint8), frame_id, 1, 0))


@contextmanager
def presenting(display: FakeDisplay) -> Iterator[Stage]:
    stage = Stage(display)
    stage.thread.start()
    try:
        yield stage
    finally:
        stage.stopping.set()
        stage.thread.join(DEADLINE_S)
    assert not stage.thread.is_alive()


def until(condition: Callable[[], object]) -> None:
    """Wait for `condition`, at most DEADLINE_S."""
    tick = threading.Event()
    for _ in range(int(DEADLINE_S / 0.002)):
        if condition():
            return
        tick.wait(0.002)
    pytest.fail("the condition did not come true")


def test_the_banner_is_drawn_and_reported_also_when_nothing_moves() -> None:
    with presenting(FakeDisplay()) as stage:
        until(lambda: len(stage.reports) > 3)
    assert all(shown.picture is None and not shown.is_new for shown in stage.display.shown)
    assert len(stage.display.shown) >= 4


def test_a_new_picture_is_shown_once_as_new_and_stays() -> None:
    with presenting(FakeDisplay()) as stage:
        stage.put(9)
        until(lambda: [shown for shown in stage.display.shown if shown.picture is not None and not shown.is_new])
    pictures = [shown for shown in stage.display.shown if shown.picture is not None]
    assert [shown.is_new for shown in pictures] == [True] + [False] * (len(pictures) - 1)
    assert all((shown.picture == 9).all() for shown in pictures)
    assert stage.shown == [9]


def test_a_change_of_state_reaches_the_screen_without_a_picture() -> None:
    with presenting(FakeDisplay()) as stage:
        until(lambda: stage.display.shown)
        stage.state = PictureState.LINK_STALLED
        until(lambda: stage.display.shown[-1].banner.state == "LINK STALLED")
        assert stage.display.shown[-1].banner.tone is Tone.ALARM


def test_a_display_that_fails_is_told_and_comes_back_with_the_picture() -> None:
    display = FailingDisplay()
    with presenting(display) as stage:
        stage.put(1)
        until(lambda: stage.shown)
        display.is_broken = True
        until(lambda: stage.lost)
        told = len(stage.reports)
        until(lambda: len(stage.reports) > told + 3)  # the others hear of it while there is no screen
        display.is_broken = False
        until(lambda: display.opened == 2)
        before = len(display.shown)
        until(lambda: len(display.shown) > before)
        assert display.shown[-1].picture is not None


def test_a_picture_that_is_back_on_a_mended_display_is_noted_as_shown_again() -> None:
    """Or a held source would leave picture truth believing that nothing is on the screen. It is as old as it was."""
    display = FailingDisplay()
    with presenting(display) as stage:
        stage.put(5)
        until(lambda: stage.shown == [5])
        display.is_broken = True
        until(lambda: stage.lost)
        display.is_broken = False
        until(lambda: stage.shown == [5, 5])
        assert stage.shown_ns[0] == stage.shown_ns[1]
        until(lambda: [shown for shown in display.shown[1:] if shown.is_new])


def test_a_display_that_cannot_be_had_at_first_is_tried_again() -> None:
    display = FailingDisplay()
    display.is_broken = True
    with presenting(display) as stage:
        until(lambda: stage.lost)
        display.is_broken = False
        until(lambda: display.shown)


@pytest.mark.parametrize("state", [*PictureState])
def test_only_live_looks_good(state: PictureState) -> None:
    banner = banner_of(Truth(state, "why", 1, 60 * MS, 40 * MS, 2 * MS))
    assert (banner.tone is Tone.GOOD) is (state is PictureState.LIVE)
    assert (banner.state, banner.cause) == (state.words, "why")
    assert (banner.age_ms, banner.latency_ms, banner.latency_bound_ms) == (60, 40, 2)


@pytest.mark.parametrize(
    ("latency_ns", "tone"),
    [
        (None, Tone.NOTICE),
        (150 * MS, Tone.GOOD),
        (150 * MS + 1, Tone.WARNING),
        (250 * MS, Tone.WARNING),
        (250 * MS + 1, Tone.ALARM),
    ],
)
def test_the_latency_has_its_own_colour(latency_ns: int | None, tone: Tone) -> None:
    assert banner_of(Truth(PictureState.LIVE, "", 1, 0, latency_ns, None)).latency_tone is tone


def test_a_report_read_later_is_older_by_that_much() -> None:
    truth = Truth(PictureState.HELD, "X-ray off", 3, 100 * MS, 40 * MS, 2 * MS)
    later = truth_of(truth_report(truth, 1_000 * MS), 1_070 * MS)
    assert later == Truth(PictureState.HELD, "X-ray off", 3, 170 * MS, 40 * MS, 2 * MS)
    nothing = truth_of(truth_report(Truth(PictureState.LIVE, "", 0, None, None, None), 0), 70 * MS)
    assert (nothing.age_ns, nothing.latency_ns, nothing.latency_bound_ns) == (None, None, None)
