"""A chattering device's events: a burst, then one a second, and none goes uncounted."""

from daemon.event_limit import BURST, EventLimit
from daemon.token_bucket import REFILL_NS


def test_a_burst_is_told_then_one_a_second_and_the_rest_is_counted() -> None:
    limit = EventLimit()
    told = [limit.admit(n * REFILL_NS // 100) for n in range(1000)]  # ten seconds of a hundred a second
    assert told[:BURST] == [""] * BURST
    later = [words for words in told[BURST:] if words is not None]
    assert 9 <= len(later) <= 10
    assert all(words.endswith(" like it were not told)") for words in later)
    counted = sum(int(words.strip(" (").split()[0]) for words in later)
    assert BURST + len(later) + counted + limit._bucket.untaken == 1000


def test_events_that_come_now_and_then_are_all_told() -> None:
    limit = EventLimit()
    assert [limit.admit(n * REFILL_NS) for n in range(1000)] == [""] * 1000


def test_after_a_pause_a_burst_is_told_again() -> None:
    limit = EventLimit()
    for _ in range(100):
        limit.admit(0)
    assert limit.admit(100 * REFILL_NS) == f" ({100 - BURST} like it were not told)"
    assert [limit.admit(100 * REFILL_NS) for _ in range(BURST)] == [""] * (BURST - 1) + [None]
