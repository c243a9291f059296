"""Picture truth at the operator's end: what the expert sees, and what this end knows for itself comes first."""

import msgspec
import pytest

from daemon.link.rtcp import SourceStatus, ViewStatus
from daemon.picture.remote import VIEW_SILENCE_LIMIT_NS, RemoteTruth
from daemon.picture.truth import LINK_SILENCE_LIMIT_NS, NO_PICTURE_MS, NOT_KNOWN_MS
from daemon.states import EncoderState, PictureState, SourceState

MS = 1_000_000
T0 = 50_000 * MS

VIEW = ViewStatus(
    sequence=7,
    sent_ns=900 * MS,
    state=PictureState.LIVE,
    frame_id=12,
    age_ms=40,
    latency_ms=35,
    latency_bound_ms=3,
    cause="",
)
SOURCE = SourceStatus(
    sequence=1,
    sent_ns=T0,
    state=SourceState.LIVE,
    encoder_state=EncoderState.SOFTWARE,
    frame_id=12,
    image_capture_ns=T0,
    frame_ns=T0,
    image_interval_us=0,
    width=64,
    height=64,
)


def view(**changes: object) -> ViewStatus:
    return msgspec.structs.replace(VIEW, **changes)


def running() -> RemoteTruth:
    remote = RemoteTruth()
    remote.note_link(T0, "")
    remote.note_source(SOURCE)
    remote.note_view(VIEW, T0)
    return remote


def test_the_experts_view_with_its_age_brought_up_to_now() -> None:
    truth = running().assess(T0 + 10 * MS)
    assert (truth.state, truth.frame_id, truth.age_ns) == (PictureState.LIVE, 12, 50 * MS)
    assert (truth.latency_ns, truth.latency_bound_ns) == (35 * MS, 3 * MS)


def test_what_is_not_known_is_not_told() -> None:
    remote = running()
    remote.note_view(view(sequence=8, sent_ns=901 * MS, age_ms=NO_PICTURE_MS), T0)
    assert remote.assess(T0).age_ns is None
    remote.note_view(view(sequence=9, sent_ns=902 * MS, latency_ms=NOT_KNOWN_MS), T0)
    assert remote.assess(T0).latency_ns is None


@pytest.mark.parametrize("state", [*PictureState])
def test_every_state_of_the_receiver_is_passed_on(state: PictureState) -> None:
    remote = running()
    remote.note_view(view(sequence=8, sent_ns=901 * MS, state=int(state), cause="the expert's cause"), T0)
    truth = remote.assess(T0)
    assert (truth.state, truth.cause) == (state, "the expert's cause")


def test_a_state_of_a_newer_receiver_is_not_taken_for_a_good_one() -> None:
    remote = running()
    remote.note_view(view(sequence=8, sent_ns=901 * MS, state=42), T0)
    truth = remote.assess(T0)
    assert truth.state is PictureState.DEGRADED
    assert "42" in truth.cause


def test_before_the_link_is_up_its_cause_is_told() -> None:
    remote = RemoteTruth()
    assert remote.assess(T0).cause == "waiting for the receiver"
    remote.note_link(None, "the receiver's certificate expired")
    truth = remote.assess(T0)
    assert (truth.state, truth.cause) == (PictureState.LINK_STALLED, "the receiver's certificate expired")


def test_a_silent_link_is_told_to_the_nanosecond() -> None:
    remote = running()
    edge_ns = T0 + LINK_SILENCE_LIMIT_NS
    remote.note_view(view(sequence=8, sent_ns=901 * MS), edge_ns)
    assert remote.assess(edge_ns).state is PictureState.LIVE
    assert remote.assess(edge_ns + 1).state is PictureState.LINK_STALLED


def test_a_receiver_that_does_not_tell_is_told_to_the_nanosecond() -> None:
    remote = running()
    edge_ns = T0 + VIEW_SILENCE_LIMIT_NS
    remote.note_link(edge_ns, "")
    assert remote.assess(edge_ns).state is PictureState.LIVE
    assert remote.assess(edge_ns + 1).state is PictureState.LINK_STALLED


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (SourceState.CAPTURE_LOST, PictureState.CAPTURE_LOST),
        (SourceState.STARTING, PictureState.CAPTURE_LOST),
        (SourceState.MASKED, PictureState.MASKED),
        (SourceState.HELD, PictureState.LIVE),  # the expert's picture is what counts
    ],
)
def test_what_this_end_knows_of_its_source_comes_before_the_experts_view(
    told: SourceState, expected: PictureState
) -> None:
    remote = running()
    remote.note_source(msgspec.structs.replace(SOURCE, state=int(told), cause="no signal"))
    truth = remote.assess(T0)
    assert truth.state is expected
    assert truth.cause == ("" if expected is PictureState.LIVE else "no signal")


def test_a_silent_link_comes_before_a_lost_capture() -> None:
    remote = running()
    remote.note_source(msgspec.structs.replace(SOURCE, state=int(SourceState.CAPTURE_LOST), cause="no signal"))
    assert remote.assess(T0 + LINK_SILENCE_LIMIT_NS + 1).state is PictureState.LINK_STALLED


def test_a_late_view_does_not_undo_a_newer_one() -> None:
    remote = running()
    remote.note_view(view(sequence=6, sent_ns=800 * MS, state=int(PictureState.HELD)), T0 + MS)
    assert remote.assess(T0 + MS).state is PictureState.LIVE


def test_a_restarted_receiver_counts_from_the_start() -> None:
    """Its clock may have begun anew with it."""
    remote = running()
    remote.note_view(view(sequence=1, sent_ns=5 * MS, state=int(PictureState.HELD)), T0 + MS)
    remote.note_view(view(sequence=2, sent_ns=6 * MS, state=int(PictureState.HELD)), T0 + MS)
    assert remote.assess(T0 + MS).state is PictureState.HELD
