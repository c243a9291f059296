"""Backoff, case, clone, quota, trial, kinds: the parts that need nothing."""

from daemon.manage.backoff import FIRST_S, LONGEST_S, RIVAL_S, Backoff
from daemon.manage.case import AFTER_LAST_LIVE_NS, CaseWatch
from daemon.manage.clone import judge_own_state
from daemon.manage.event_kinds import kind_of
from daemon.manage.now import installed_at, read_now
from daemon.manage.schema import ClockState, State
from daemon.manage.settings import SETTLED_NS, TRIAL_LIMIT_NS, Trial
from daemon.states import PictureState
from daemon.token_bucket import TokenBucket
from tests.manage.asyncapi import document

S = 1_000_000_000
BURST = 50


def test_backoff_doubles_to_its_limit_and_begins_anew() -> None:
    backoff = Backoff(chance=lambda: 1.0)
    waits = [backoff.wait_s() for _ in range(10)]
    assert waits[:4] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert waits[-1] == LONGEST_S
    backoff.note_connected()
    assert backoff.wait_s() == FIRST_S
    assert backoff.wait_s(has_rival=True) == RIVAL_S
    assert Backoff(chance=lambda: 0.0).wait_s() == FIRST_S / 2


def test_a_case_begins_with_a_live_picture_and_outlasts_a_pause_and_an_outage() -> None:
    case = CaseWatch()
    case.note(PictureState.HELD, 0)
    assert (case.is_active(0), case.for_s(0)) == (False, None)
    case.note(PictureState.LIVE, 5 * S)
    case.note(PictureState.LINK_STALLED, 300 * S)
    assert case.is_active(300 * S)
    assert case.for_s(300 * S) == 295
    end_ns = 5 * S + AFTER_LAST_LIVE_NS
    assert case.is_active(end_ns - 1)
    assert not case.is_active(end_ns)
    assert case.for_s(end_ns + 7 * S) == 7
    case.note(PictureState.LIVE, end_ns + 9 * S)
    assert case.for_s(end_ns + 10 * S) == 1


def state(boot: str, session: int, status: str = "online") -> State:
    return State(
        boot_id=boot, session=session, seq=1, mono_ns=0, utc="2026-11-24T16:00:00.000Z", clock_state=ClockState.UNKNOWN,
        status=status, cause="", role="sender", host="other", version="1", challenge=None,  # type: ignore[arg-type]
    )  # fmt: skip


def test_our_own_words_are_no_clone_and_a_late_will_is_put_right() -> None:
    own = frozenset({"now", "before"})
    for said, clone, repeat in (
        (state("now", 5), False, False),
        (state("now", 5, "offline"), False, True),
        (state("now", 4), False, True),
        (state("before", 3, "offline"), False, True),
        (state("stranger", 9, "offline"), False, True),
        (state("stranger", 9), True, True),
    ):
        verdict = judge_own_state(said, "now", 5, own)
        assert (bool(verdict.clone), verdict.must_repeat_birth) == (clone, repeat)


def test_a_flood_takes_a_burst_then_one_a_second() -> None:
    quota = TokenBucket(BURST)
    assert sum(quota.take(0) for _ in range(10 * BURST)) == BURST
    assert quota.untaken == 9 * BURST
    assert sum(quota.take(10 * S) for _ in range(BURST)) == 10


def test_a_trial_wants_the_box_as_well_as_before() -> None:
    trial = Trial(PictureState.HELD, 0)
    assert trial.judge(PictureState.LIVE, "", 0, workers_up=False) is None
    assert trial.judge(PictureState.LIVE, "", 1, workers_up=True) is None
    assert trial.judge(PictureState.MASKED, "", 2, workers_up=True) is None  # begins anew
    assert trial.judge(PictureState.LIVE, "", 3, workers_up=True) is None
    assert trial.judge(PictureState.LIVE, "", 3 + SETTLED_NS, workers_up=True) is True
    stalled = Trial(PictureState.LINK_STALLED, 0)
    assert stalled.judge(PictureState.LINK_STALLED, "", 0, workers_up=True) is None
    assert stalled.judge(PictureState.LINK_STALLED, "", SETTLED_NS, workers_up=True) is True
    worse = Trial(PictureState.LIVE, 0)
    assert worse.judge(PictureState.CAPTURE_LOST, "no cable", TRIAL_LIMIT_NS, workers_up=True) is False
    assert worse.failure == "CAPTURE LOST: no cable"
    failed = Trial(PictureState.LIVE, 0)
    failed.note_failed("link.peer: taken")
    assert failed.judge(PictureState.LIVE, "", 0, workers_up=True) is False


def test_every_kind_of_event_is_one_of_the_schemas() -> None:
    kinds = document()["channels"]["event"]["parameters"]["kind"]["enum"]
    told = {"picture is LIVE": "picture", "video process ended": "process", "capture opened": "capture",
            "command restart refused": "security", "fan is hot": "device"}  # fmt: skip
    for what, kind in told.items():
        assert kind_of(what) == kind
        assert kind in kinds


def test_a_clock_before_the_programs_own_time_is_unset() -> None:
    assert read_now(installed_at()).clock_state is not ClockState.UNSET
    late = installed_at().replace(year=2100)
    assert read_now(late).clock_state is ClockState.UNSET
