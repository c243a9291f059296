"""Picture truth at the expert's end: every state, every limit at its edge, which fault is told first."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.link.rtcp import SourceStatus
from daemon.messages import LinkReport
from daemon.picture.truth import (
    LINK_PROCESS_LIMIT_NS,
    LINK_SILENCE_LIMIT_NS,
    LIVE_AGE_LIMIT_NS,
    NO_PICTURE_MS,
    NOT_KNOWN_MS,
    OVERDUE_LIMIT_NS,
    SOURCE_SILENCE_LIMIT_NS,
    PictureTruth,
    Truth,
    is_newer,
    view_status,
)
from daemon.states import EncoderState, PictureState, SourceState
from hw.serial.ports import XrayState

MS = 1_000_000
T0 = 1_000_000 * MS
STREAM = 77
WRAP = 1 << 32  # of frame ids and sequence numbers
OFFSET_NS = 5_000 * MS  # the sender's clock minus ours
PATH_NS = 30 * MS
IMAGE_NS = 33 * MS


def link(now_ns: int, *, heard_ns: int | None = None, offset_ns: int | None = OFFSET_NS, cause: str = "") -> LinkReport:
    return LinkReport(STREAM, now_ns if heard_ns is None else heard_ns, offset_ns, 4 * MS, cause)


def captured_ns(frame_id: int) -> int:
    """Of the image that was encoded as `frame_id`, on the sender's clock: frame 10 at T0 on ours, less the path."""
    return T0 + OFFSET_NS - PATH_NS + (frame_id - 10) * IMAGE_NS


def source(
    now_ns: int, *, sequence: int = 1, state: SourceState = SourceState.LIVE, frame_id: int = 10, captured: bool = True
) -> SourceStatus:
    return SourceStatus(
        sequence=sequence,
        sent_ns=now_ns + OFFSET_NS,
        state=state,
        encoder_state=EncoderState.SOFTWARE,
        frame_id=frame_id,
        image_capture_ns=captured_ns(frame_id) if captured else 0,
        frame_ns=now_ns + OFFSET_NS,
        image_interval_us=33_333,
        width=64,
        height=64,
        cause="" if state in (SourceState.LIVE, SourceState.HELD) else "the source's word",
    )


def running(now_ns: int = T0, *, state: SourceState = SourceState.LIVE) -> PictureTruth:
    """All is well: frame 10 was announced, delivered and shown at `now_ns`."""
    truth = PictureTruth()
    truth.note_link(link(now_ns), now_ns)
    truth.note_source(source(now_ns, state=state), STREAM, now_ns)
    truth.note_delivered(now_ns)
    truth.note_shown(10, STREAM, captured_ns(10), now_ns)
    return truth


def keep(truth: PictureTruth, now_ns: int, *, sequence: int = 2, state: SourceState = SourceState.LIVE) -> None:
    """Link and heartbeat go on; no new image is announced."""
    truth.note_link(link(now_ns), now_ns)
    truth.note_source(source(now_ns, sequence=sequence, state=state), STREAM, now_ns)


def test_live_with_the_age_and_latency_of_the_picture() -> None:
    truth = running().assess(T0 + 20 * MS)
    assert truth == Truth(PictureState.LIVE, "", 10, 50 * MS, 30 * MS, 4 * MS)


def test_without_a_clock_the_age_counts_from_the_screen_and_no_latency_is_told() -> None:
    pictures = running()
    pictures.note_link(link(T0, offset_ns=None), T0)
    truth = pictures.assess(T0 + 20 * MS)
    assert (truth.age_ns, truth.latency_ns, truth.latency_bound_ns) == (20 * MS, None, None)


def test_at_first_the_link_is_starting() -> None:
    truth = PictureTruth().assess(T0)
    assert (truth.state, truth.cause) == (PictureState.LINK_STALLED, "the link is starting")
    assert truth.age_ns is None


def test_before_anything_was_authenticated_the_links_cause_is_told() -> None:
    truth = PictureTruth()
    truth.note_link(LinkReport(0, None, None, 0, "the peer was refused"), T0)
    assert truth.assess(T0).cause == "the peer was refused"


def test_before_the_first_picture_it_is_waited_for() -> None:
    truth = PictureTruth()
    truth.note_link(link(T0), T0)
    assert truth.assess(T0).state is PictureState.CAPTURE_LOST  # the sender has told nothing yet
    truth.note_source(source(T0), STREAM, T0)
    assert truth.assess(T0).state is PictureState.LINK_STALLED
    assert truth.assess(T0).cause == "waiting for the first image"


def _silent_link(now_ns: int) -> PictureTruth:
    truth = running()
    truth.note_source(source(now_ns, sequence=2), STREAM, now_ns)
    truth.note_link(link(now_ns, heard_ns=T0), now_ns)
    return truth


def _silent_link_process(now_ns: int) -> PictureTruth:
    truth = running()
    truth.note_source(source(now_ns, sequence=2), STREAM, now_ns)
    return truth


def _silent_source(now_ns: int) -> PictureTruth:
    truth = running(state=SourceState.HELD)
    truth.note_link(link(now_ns), now_ns)
    return truth


def _delivered_not_shown(now_ns: int) -> PictureTruth:
    truth = running()
    truth.note_delivered(T0)
    truth.note_delivered(now_ns)
    keep(truth, now_ns)
    return truth


def _announced_not_delivered(now_ns: int) -> PictureTruth:
    truth = running()
    truth.note_source(source(T0, sequence=2, frame_id=11), STREAM, T0)
    truth.note_link(link(now_ns), now_ns)
    truth.note_source(source(now_ns, sequence=3, frame_id=12), STREAM, now_ns)
    return truth


def _nothing_new(now_ns: int) -> PictureTruth:
    truth = running()
    keep(truth, now_ns)
    return truth


@pytest.mark.parametrize(
    ("happens", "limit_ns", "before", "after", "words"),
    [
        (_silent_link, LINK_SILENCE_LIMIT_NS, "LIVE", "LINK_STALLED", "nothing arrives from the sender"),
        (_silent_link_process, LINK_PROCESS_LIMIT_NS, "LIVE", "LINK_STALLED", "this box's link process"),
        (_silent_source, SOURCE_SILENCE_LIMIT_NS, "HELD", "CAPTURE_LOST", "does not tell its state"),
        (_delivered_not_shown, OVERDUE_LIMIT_NS, "LIVE", "DECODER_STALLED", "none is shown"),
        (_announced_not_delivered, OVERDUE_LIMIT_NS, "LIVE", "LINK_STALLED", "do not arrive whole"),
        (_nothing_new, LIVE_AGE_LIMIT_NS, "LIVE", "CAPTURE_LOST", "no new image"),
    ],
)
def test_a_limit_holds_to_the_nanosecond(happens, limit_ns: int, before: str, after: str, words: str) -> None:  # type: ignore[no-untyped-def]
    at_limit = happens(T0 + limit_ns).assess(T0 + limit_ns)
    assert at_limit.state is PictureState[before]
    beyond = happens(T0 + limit_ns + 1).assess(T0 + limit_ns + 1)
    assert beyond.state is PictureState[after]
    assert words in beyond.cause


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (SourceState.LIVE, PictureState.LIVE),
        (SourceState.HELD, PictureState.HELD),
        (SourceState.CAPTURE_LOST, PictureState.CAPTURE_LOST),
        (SourceState.STARTING, PictureState.CAPTURE_LOST),
        (SourceState.MASKED, PictureState.MASKED),
        (99, PictureState.CAPTURE_LOST),  # of a newer sender: not known to be good
    ],
)
def test_the_senders_word_becomes_the_state(told: int, expected: PictureState) -> None:
    truth = running()
    keep(truth, T0 + 10 * MS)
    status = msgspec.structs.replace(source(T0 + 20 * MS, sequence=3), state=int(told))
    truth.note_source(status, STREAM, T0 + 20 * MS)
    assert truth.assess(T0 + 20 * MS).state is expected


def test_held_may_last_as_long_as_it_is_told() -> None:
    truth = running(state=SourceState.HELD)
    for beat in range(2, 400):
        now_ns = T0 + beat * 25 * MS
        keep(truth, now_ns, sequence=beat, state=SourceState.HELD)
        assert truth.assess(now_ns).state is PictureState.HELD
    assert truth.assess(now_ns).age_ns == now_ns - T0 + PATH_NS


def test_the_fault_nearest_to_this_end_is_told_first() -> None:
    """Link before source before decoder: what lies behind a broken part is not known."""
    later_ns = T0 + 400 * MS
    truth = running()
    truth.note_delivered(T0)
    keep(truth, later_ns)
    assert truth.assess(later_ns).state is PictureState.DECODER_STALLED
    keep(truth, later_ns, sequence=3, state=SourceState.CAPTURE_LOST)
    assert truth.assess(later_ns).state is PictureState.CAPTURE_LOST
    truth.note_link(link(later_ns, heard_ns=T0), later_ns)
    assert truth.assess(later_ns).state is PictureState.LINK_STALLED


def test_a_lost_display_shows_no_picture() -> None:
    truth = running()
    truth.note_display_lost()
    told = truth.assess(T0 + MS)
    assert (told.state, told.cause) == (PictureState.DECODER_STALLED, "the display does not work")
    assert told.age_ns is None
    truth.note_shown(10, STREAM, T0 + OFFSET_NS - PATH_NS, T0)  # the display is back with the same picture
    assert truth.assess(T0 + LIVE_AGE_LIMIT_NS // 2).state is PictureState.LIVE
    keep(truth, T0 + LIVE_AGE_LIMIT_NS + 1)
    assert truth.assess(T0 + LIVE_AGE_LIMIT_NS + 1).state is not PictureState.LIVE


def test_a_picture_of_a_former_stream_is_not_live() -> None:
    truth = running()
    truth.note_source(source(T0 + MS), STREAM + 1, T0 + MS)
    assert truth.assess(T0 + MS).state is PictureState.LINK_STALLED
    truth.note_shown(11, STREAM + 1, T0 + OFFSET_NS, T0 + 2 * MS)
    assert truth.assess(T0 + 2 * MS).state is PictureState.LIVE


def test_a_late_heartbeat_does_not_undo_a_newer_one() -> None:
    truth = running()
    truth.note_source(source(T0 + 20 * MS, sequence=9, state=SourceState.CAPTURE_LOST), STREAM, T0 + 20 * MS)
    truth.note_source(source(T0 + 10 * MS, sequence=8), STREAM, T0 + 21 * MS)
    assert truth.assess(T0 + 21 * MS).state is PictureState.CAPTURE_LOST


def test_a_restarted_senders_heartbeat_counts_though_its_numbers_begin_anew() -> None:
    truth = running()
    truth.note_source(source(T0 + 10 * MS, sequence=5000), STREAM, T0 + 10 * MS)
    truth.note_source(source(T0 + 20 * MS, sequence=1, state=SourceState.STARTING), STREAM, T0 + 20 * MS)
    assert truth.assess(T0 + 20 * MS).state is PictureState.CAPTURE_LOST


def test_an_announcement_is_met_by_a_newer_picture() -> None:
    truth = running()
    for frame_id in (11, 12):
        truth.note_source(source(T0, sequence=frame_id, frame_id=frame_id), STREAM, T0)
    truth.note_shown(12, STREAM, captured_ns(12), T0 + 200 * MS)
    now_ns = T0 + 260 * MS
    keep(truth, now_ns, sequence=20)
    assert truth.assess(now_ns).state is PictureState.LIVE


@given(st.integers(0, WRAP - 1), st.integers(1, WRAP // 2 - 1))
def test_heartbeats_are_compared_over_their_wrap(sequence: int, later_by: int) -> None:
    later = (sequence + later_by) % WRAP
    assert is_newer(later, than=sequence)
    assert not is_newer(sequence, than=later)
    assert not is_newer(sequence, than=sequence)


@given(
    st.integers(0, WRAP - 1),
    st.integers(0, WRAP - 1),
    st.lists(st.tuples(st.sampled_from(["announced", "shown", "both"]), st.integers(1, 90)), min_size=1, max_size=30),
)
def test_frame_ids_tell_nothing_of_which_image_is_newer(
    first_id: int, restarted_id: int, images: list[tuple[str, int]]
) -> None:
    """They wrap, and begin anywhere when the sender's video process is restarted: whatever they are, the state is."""
    plain, any_ids = PictureTruth(), PictureTruth()
    restart = len(images) // 2
    now_ns = T0
    for n, (what, until_ms) in enumerate(images):
        now_ns += until_ms * MS
        frame_id = (first_id + n if n < restart else restarted_id + n) % WRAP
        for truth, number in ((plain, 10 + n), (any_ids, frame_id)):
            truth.note_link(link(now_ns), now_ns)
            heartbeat = source(now_ns, sequence=(number if n < restart else n - restart), frame_id=10 + n)
            if what != "shown":
                truth.note_source(msgspec.structs.replace(heartbeat, frame_id=number), STREAM, now_ns)
            if what != "announced":
                truth.note_shown(number, STREAM, captured_ns(10 + n), now_ns)
        for at_ns in (now_ns, now_ns + OVERDUE_LIMIT_NS, now_ns + OVERDUE_LIMIT_NS + 1):
            told, expected = any_ids.assess(at_ns), plain.assess(at_ns)
            assert (told.state, told.cause) == (expected.state, expected.cause)


def test_an_image_of_a_restarted_sender_that_does_not_arrive_is_missed_however_its_number_begins() -> None:
    for number in (11, 10 + WRAP // 2 + 5, 3):
        truth = running(state=SourceState.HELD)
        at_ns = T0 + IMAGE_NS
        heartbeat = source(at_ns, sequence=1, state=SourceState.HELD, frame_id=11)
        truth.note_source(msgspec.structs.replace(heartbeat, frame_id=number), STREAM, at_ns)
        later_ns = at_ns + OVERDUE_LIMIT_NS + 1
        keep(truth, later_ns, sequence=2, state=SourceState.HELD)
        assert truth.assess(later_ns).cause == "images do not arrive whole"


def test_a_repetition_of_the_image_on_the_screen_is_not_missed() -> None:
    truth = running(state=SourceState.HELD)
    repeated = msgspec.structs.replace(source(T0, sequence=2, state=SourceState.HELD), frame_id=11)
    truth.note_source(repeated, STREAM, T0 + MS)
    later_ns = T0 + MS + OVERDUE_LIMIT_NS + 1
    keep(truth, later_ns, sequence=3, state=SourceState.HELD)
    assert truth.assess(later_ns).state is PictureState.HELD


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 120 * MS),  # until the event
        st.sampled_from(["link", "silent link", "source", "delivered", "shown", "display lost"]),
        st.sampled_from([*SourceState]),
        st.integers(0, 3),  # new frames
    ),
    max_size=60,
)


@given(EVENTS, st.integers(0, 600 * MS))
def test_never_live_over_an_old_picture_or_a_silent_link(
    events: list[tuple[int, str, SourceState, int]], rest_ns: int
) -> None:
    truth = PictureTruth()
    now_ns, frame_id, sequence = T0, 10, 0
    shown_ns = authenticated_ns = told_ns = None
    state = None
    for until_ns, what, said, steps in events:
        now_ns += until_ns
        frame_id += steps
        sequence += 1
        match what:
            case "link":
                authenticated_ns = now_ns
                truth.note_link(link(now_ns), now_ns)
            case "silent link" if authenticated_ns is not None:
                truth.note_link(link(now_ns, heard_ns=authenticated_ns), now_ns)
            case "source":
                told_ns, state = now_ns, said
                truth.note_source(source(now_ns, sequence=sequence, state=said, frame_id=frame_id), STREAM, now_ns)
            case "delivered":
                truth.note_delivered(now_ns)
            case "shown":
                shown_ns = now_ns
                truth.note_shown(frame_id, STREAM, captured_ns(frame_id), now_ns)
            case "display lost":
                shown_ns = None
                truth.note_display_lost()
        for at_ns in (now_ns, now_ns + rest_ns):
            told = truth.assess(at_ns)
            if told.state not in (PictureState.LIVE, PictureState.HELD):
                assert told.cause
                continue
            assert authenticated_ns is not None
            assert at_ns - authenticated_ns <= LINK_SILENCE_LIMIT_NS
            assert told_ns is not None
            assert at_ns - told_ns <= SOURCE_SILENCE_LIMIT_NS
            assert shown_ns is not None
            assert told.state == PictureState(int(state or 0))
            assert told.state is PictureState.HELD or at_ns - shown_ns <= LIVE_AGE_LIMIT_NS


@given(
    st.sampled_from([*PictureState]),
    st.one_of(st.none(), st.integers(0, 1 << 62)),
    st.one_of(st.none(), st.integers(0, 1 << 62)),
    st.integers(0, 1 << 62),
)
def test_the_view_status_fits_its_fields(
    state: PictureState, age_ns: int | None, latency_ns: int | None, bound_ns: int
) -> None:
    status = view_status(Truth(state, "cause", 1, age_ns, latency_ns, bound_ns), 5, T0)
    assert (status.age_ms == NO_PICTURE_MS) is (age_ns is None)
    assert (status.latency_ms == NOT_KNOWN_MS) is (latency_ns is None)
    assert 0 <= status.age_ms <= NO_PICTURE_MS
    assert 0 <= status.latency_ms <= NOT_KNOWN_MS
    assert 0 <= status.latency_bound_ms < NOT_KNOWN_MS
    if bound_ns < 1000 * MS:
        assert status.latency_bound_ms * MS >= bound_ns  # a bound is rounded up


@pytest.mark.parametrize("state", [SourceState.LIVE, SourceState.HELD])
def test_a_doubtful_picture_is_degraded_whatever_the_source_does(state: SourceState) -> None:
    pictures = running(state=state)
    pictures.note_doubt(11, STREAM, "thin lines are lost")  # before it is shown, or after: the check runs beside
    pictures.note_shown(11, STREAM, T0 + OFFSET_NS, T0 + PATH_NS)
    pictures.note_doubt(12, STREAM, "thin lines are lost")
    truth = pictures.assess(T0 + PATH_NS)
    assert (truth.state, truth.cause) == (PictureState.DEGRADED, "thin lines are lost")
    pictures.note_shown(13, STREAM, T0 + OFFSET_NS + 1, T0 + PATH_NS + 1)
    assert pictures.assess(T0 + PATH_NS + 1).state == PictureState(state)
    pictures.note_doubt(13, STREAM + 1, "of another stream")
    assert pictures.assess(T0 + PATH_NS + 1).state == PictureState(state)
    pictures.note_doubt(13, STREAM, "thin lines are lost")
    assert pictures.assess(T0 + PATH_NS + 1).state == PictureState.DEGRADED


def test_xray_on_over_a_still_picture_is_told_whatever_else_is_wrong_with_the_picture() -> None:
    pictures = running(state=SourceState.HELD_WITH_XRAY)
    pictures.note_doubt(10, STREAM, "thin lines are lost")
    truth = pictures.assess(T0 + 20 * MS)
    assert (truth.state, truth.cause) == (PictureState.HELD_WITH_XRAY, "the source's word")
    for beat in range(2, 40):  # it stays so, however old the picture becomes
        keep(pictures, T0 + beat * 25 * MS, sequence=beat, state=SourceState.HELD_WITH_XRAY)
    assert pictures.assess(T0 + 1000 * MS).state is PictureState.HELD_WITH_XRAY


@pytest.mark.parametrize("state", [SourceState.LIVE, SourceState.HELD, SourceState.HELD_WITH_XRAY])
def test_what_the_sender_says_beside_its_state_is_told(state: SourceState) -> None:
    pictures = running(state=state)
    pictures.note_source(msgspec.structs.replace(source(T0, sequence=2, state=state), cause="why"), STREAM, T0 + MS)
    assert pictures.assess(T0 + 20 * MS).cause == "why"


def test_xray_is_what_the_sender_says_as_long_as_it_says_it() -> None:
    pictures = PictureTruth()
    assert pictures.xray(T0) is XrayState.UNKNOWN
    for sequence, told in enumerate(XrayState, 1):
        pictures.note_source(msgspec.structs.replace(source(T0, sequence=sequence), xray=told), STREAM, T0)
        assert pictures.xray(T0 + SOURCE_SILENCE_LIMIT_NS) is told
        silent = XrayState.NOT_WATCHED if told is XrayState.NOT_WATCHED else XrayState.UNKNOWN
        assert pictures.xray(T0 + SOURCE_SILENCE_LIMIT_NS + 1) is silent


def test_a_doubtful_picture_that_is_old_is_told_as_old() -> None:
    pictures = running()
    pictures.note_doubt(11, STREAM, "thin lines are lost")
    pictures.note_shown(11, STREAM, T0 + OFFSET_NS, T0)
    later_ns = T0 + LIVE_AGE_LIMIT_NS + MS
    keep(pictures, later_ns)
    assert pictures.assess(later_ns).state == PictureState.CAPTURE_LOST


def test_the_same_image_encoded_again_was_shown_when_it_first_was() -> None:
    """Its latency is not that of the repetition, and the repetition does not make it young."""
    pictures = running()
    before = pictures.assess(T0 + 100 * MS)
    pictures.note_shown(11, STREAM, T0 + OFFSET_NS - PATH_NS, T0 + 90 * MS)
    after = pictures.assess(T0 + 100 * MS)
    assert (after.frame_id, after.age_ns, after.latency_ns) == (11, before.age_ns, before.latency_ns)
    later_ns = T0 + LIVE_AGE_LIMIT_NS + MS
    keep(pictures, later_ns)
    assert pictures.assess(later_ns).state == PictureState.CAPTURE_LOST


@pytest.mark.parametrize("state", [SourceState.LIVE, SourceState.HELD])
@pytest.mark.parametrize(("told", "words"), [(0, ""), (1, "FILTER"), (2, "FILTER suspended"), (3, "FILTER")])
def test_a_filter_is_told_beside_the_picture(state: SourceState, told: int, words: str) -> None:
    pictures = running(state=state)
    status = msgspec.structs.replace(source(T0, sequence=2, state=state), filter_state=told)
    pictures.note_source(status, STREAM, T0 + MS)
    assert pictures.assess(T0 + 20 * MS).cause == words
    assert pictures.assess(T0 + 20 * MS).state == (
        PictureState.LIVE if state == SourceState.LIVE else PictureState.HELD
    )


@pytest.mark.parametrize("state", EncoderState)
def test_a_hardware_encoder_that_failed_is_told_and_software_alone_is_not(state: EncoderState) -> None:
    pictures = running()
    pictures.note_source(msgspec.structs.replace(source(T0, sequence=2), encoder_state=state), STREAM, T0 + MS)
    assert pictures.assess(T0 + MS).cause == ("SOFTWARE ENCODER" if state is EncoderState.FALLBACK else "")


def test_a_filter_is_told_with_what_is_wrong_as_well() -> None:
    pictures = running()
    pictures.note_source(msgspec.structs.replace(source(T0, sequence=2), filter_state=1), STREAM, T0 + MS)
    truth = pictures.assess(T0 + 2_000 * MS)
    assert truth.state == PictureState.LINK_STALLED
    assert truth.cause.endswith("; FILTER")
