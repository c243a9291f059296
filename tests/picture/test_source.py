"""What the sender knows of its source: live, held, lost, and how soon it says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.picture.source import (
    ENCODER_LIMIT_NS,
    HELD_AFTER_INTERVALS,
    HELD_LIMIT_NS,
    NO_FRAME_LIMIT_INTERVALS,
    NO_FRAME_LIMIT_NS,
    SourceWatch,
)
from daemon.states import EncoderState, FilterState, SourceState
from hw.ports import CaptureTiming, PixelFormat

MS = 1_000_000
T0 = 7_000 * MS
FRAME_NS = 16 * MS
IMAGE_NS = 4 * FRAME_NS


def timing(rate_hz: float = 60.0) -> CaptureTiming:
    return CaptureTiming(640, 480, rate_hz, PixelFormat.GRAY8)


def running(images: int = 10) -> tuple[SourceWatch, int]:
    """A source of 60 frames/s that repeats each image four times; the last frame was a new image, just encoded."""
    watch = SourceWatch(T0)
    watch.note_open(timing())
    for frame in range(4 * images + 1):
        now_ns = T0 + frame * FRAME_NS
        watch.note_frame(now_ns, is_new=frame % 4 == 0)
        if frame % 4 == 0:
            watch.note_encoded(now_ns)
    return watch, now_ns


def repeat(watch: SourceWatch, from_ns: int, until_ns: int) -> None:
    for at_ns in range(from_ns + FRAME_NS, until_ns + 1, FRAME_NS):
        watch.note_frame(at_ns, is_new=False)


def test_live_while_images_come() -> None:
    watch, now_ns = running()
    status = watch.assess(now_ns)
    assert status.state == SourceState.LIVE
    assert (status.image_capture_ns, status.frame_ns) == (now_ns, now_ns)
    assert (status.width, status.height) == (640, 480)
    assert status.image_interval_us * 1000 == IMAGE_NS


def test_starting_until_the_first_image() -> None:
    watch = SourceWatch(T0)
    assert watch.assess(T0).state == SourceState.STARTING
    watch.note_open(timing())
    assert watch.assess(T0).state == SourceState.STARTING
    assert watch.held_from_ns == 0
    watch.note_frame(T0, is_new=True)
    watch.note_encoded(T0)
    assert watch.assess(T0).state == SourceState.LIVE


def test_held_within_two_image_intervals_and_to_the_nanosecond() -> None:
    watch, last_ns = running()
    edge_ns = last_ns + int(HELD_AFTER_INTERVALS * IMAGE_NS)
    assert watch.held_from_ns == edge_ns < last_ns + 2 * IMAGE_NS
    repeat(watch, last_ns, edge_ns)
    assert watch.assess(edge_ns).state == SourceState.LIVE
    assert watch.assess(edge_ns + 1).state == SourceState.HELD


def test_slow_pulses_are_held_after_a_fixed_time_at_most() -> None:
    watch = SourceWatch(T0)
    watch.note_open(timing())
    for image in range(8):
        now_ns = T0 + image * 500 * MS
        watch.note_frame(now_ns, is_new=True)
        watch.note_encoded(now_ns)
    repeat(watch, now_ns, now_ns + HELD_LIMIT_NS)
    assert watch.assess(now_ns + HELD_LIMIT_NS).state == SourceState.LIVE
    assert watch.assess(now_ns + HELD_LIMIT_NS + 1).state == SourceState.HELD


@pytest.mark.parametrize("rate_hz", [60.0, 15.0, 5.0])
def test_no_frame_is_a_lost_capture_to_the_nanosecond_however_slow_the_source(rate_hz: float) -> None:
    watch = SourceWatch(T0)
    watch.note_open(timing(rate_hz))
    watch.note_frame(T0, is_new=True)
    watch.note_encoded(T0)
    limit_ns = max(NO_FRAME_LIMIT_NS, int(NO_FRAME_LIMIT_INTERVALS * 1e9 / rate_hz))
    assert watch.assess(T0 + limit_ns).state == SourceState.LIVE
    status = watch.assess(T0 + limit_ns + 1)
    assert status.state == SourceState.CAPTURE_LOST
    assert str(timing(rate_hz)) in status.cause  # what was seen last helps whoever looks for the cable


def test_a_held_source_that_stops_is_lost() -> None:
    watch, last_ns = running()
    repeat(watch, last_ns, last_ns + 30 * FRAME_NS)
    last_frame_ns = last_ns + 30 * FRAME_NS
    assert watch.assess(last_frame_ns).state == SourceState.HELD
    assert watch.assess(last_frame_ns + NO_FRAME_LIMIT_NS + 1).state == SourceState.CAPTURE_LOST


def test_a_lost_device_is_told_at_once_with_its_cause_until_frames_come_again() -> None:
    watch, now_ns = running()
    watch.note_lost("no signal")
    status = watch.assess(now_ns)
    assert (status.state, status.cause) == (SourceState.CAPTURE_LOST, "no signal")
    watch.note_open(timing())
    status = watch.assess(now_ns)
    assert (status.state, status.cause) == (SourceState.CAPTURE_LOST, f"no frame yet, the source sends {timing()}")
    watch.note_frame(now_ns + FRAME_NS, is_new=True)
    watch.note_encoded(now_ns + FRAME_NS)
    assert watch.assess(now_ns + FRAME_NS).state == SourceState.LIVE


def test_a_withheld_picture_is_told_with_its_reason_until_one_is_let_through() -> None:
    watch, now_ns = running()
    watch.note_withheld(now_ns + FRAME_NS, "another screen")
    status = watch.assess(now_ns + FRAME_NS)
    assert (status.state, status.cause) == (SourceState.MASKED, "another screen")
    assert watch.assess(now_ns + FRAME_NS + NO_FRAME_LIMIT_NS + 1).state == SourceState.CAPTURE_LOST
    watch.note_frame(now_ns + 2 * FRAME_NS, is_new=True)
    watch.note_encoded(now_ns + 2 * FRAME_NS)
    assert watch.assess(now_ns + 2 * FRAME_NS).state == SourceState.LIVE


def test_a_source_may_be_masked_from_the_first_frame_on() -> None:
    watch = SourceWatch(T0)
    watch.note_open(timing())
    watch.note_withheld(T0, "no layout")
    assert watch.assess(T0).state == SourceState.MASKED
    watch.note_lost("no signal")
    assert watch.assess(T0).state == SourceState.CAPTURE_LOST
    watch.note_open(timing())
    assert watch.assess(T0).state == SourceState.CAPTURE_LOST
    watch.note_frame(T0, is_new=True)
    watch.note_encoded(T0)
    assert watch.assess(T0).state == SourceState.LIVE


def test_an_encoder_that_hangs_is_told_to_the_nanosecond() -> None:
    watch, now_ns = running()
    first_ns = now_ns + IMAGE_NS
    for image in range(20):
        watch.note_frame(first_ns + image * FRAME_NS, is_new=True)
    watch.note_frame(first_ns + ENCODER_LIMIT_NS, is_new=True)
    assert watch.assess(first_ns + ENCODER_LIMIT_NS).state == SourceState.LIVE
    status = watch.assess(first_ns + ENCODER_LIMIT_NS + 1)
    assert (status.state, status.cause) == (SourceState.CAPTURE_LOST, "the encoder does not answer")
    watch.note_encoded(first_ns + ENCODER_LIMIT_NS)
    assert watch.assess(first_ns + ENCODER_LIMIT_NS + 2).state == SourceState.LIVE


def test_frame_ids_count_access_units_and_go_on_over_a_restart() -> None:
    watch, now_ns = running()
    first = watch.note_encoded(now_ns)
    assert watch.note_encoded(now_ns) == (first + 1) & 0xFFFF_FFFF  # the same image again is a unit of its own
    restarted = SourceWatch(now_ns + 1000 * MS)
    assert 0 < restarted.note_encoded(now_ns) - first < 1 << 31


@given(
    st.lists(
        st.tuples(st.integers(1, 400 * MS), st.sampled_from(["new", "repeat", "withheld", "lost", "open"])), max_size=40
    ),
    st.integers(0, 600 * MS),
)
def test_never_live_or_held_without_frames(steps: list[tuple[int, str]], rest_ns: int) -> None:
    watch = SourceWatch(T0)
    watch.note_open(timing())
    now_ns, frame_ns, sequence = T0, None, 0
    for until_ns, what in steps:
        now_ns += until_ns
        match what:
            case "new" | "repeat":
                frame_ns = now_ns
                watch.note_frame(now_ns, is_new=what == "new")
                if what == "new":
                    watch.note_encoded(now_ns)
            case "withheld":
                frame_ns = now_ns
                watch.note_withheld(now_ns, "another screen")
            case "lost":
                frame_ns = None
                watch.note_lost("no signal")
            case "open":
                watch.note_open(timing())
        for at_ns in (now_ns, now_ns + rest_ns):
            status = watch.assess(at_ns)
            assert status.sequence == sequence + 1
            sequence += 1
            if status.state in (SourceState.LIVE, SourceState.HELD):
                assert frame_ns is not None
                assert at_ns - frame_ns <= NO_FRAME_LIMIT_NS
            else:
                assert status.cause


def test_what_the_filter_does_goes_with_every_status() -> None:
    watch, now_ns = running()
    assert watch.assess(now_ns).filter_state == FilterState.OFF
    watch.note_filter(FilterState.SUSPENDED)
    assert watch.assess(now_ns).filter_state == FilterState.SUSPENDED


def test_withheld_lasts_until_the_next_new_image() -> None:
    """Nor is a picture of before sent again: not over a reopened capture, not while the source repeats an image."""
    watch, now_ns = running()
    assert not watch.is_withheld
    watch.note_withheld(now_ns + FRAME_NS, "another screen")
    watch.note_lost("no signal")
    watch.note_open(timing())
    watch.note_frame(now_ns + 2 * FRAME_NS, is_new=False)
    assert watch.is_withheld
    watch.note_frame(now_ns + 3 * FRAME_NS, is_new=True)
    assert not watch.is_withheld


def test_the_image_rate_is_the_signals_until_pulses_are_known() -> None:
    watch = SourceWatch(T0)
    assert watch.image_rate_hz == 0
    watch.note_open(timing())
    assert watch.image_rate_hz == timing().rate_hz


@pytest.mark.parametrize("state", EncoderState)
def test_who_encodes_goes_with_every_status(state: EncoderState) -> None:
    watch, now_ns = running()
    assert watch.assess(now_ns).encoder_state is EncoderState.SOFTWARE
    watch.note_encoder(state)
    assert watch.assess(now_ns).encoder_state is state
