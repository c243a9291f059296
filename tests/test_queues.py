"""Latest wins, and first in first out: bounded, counted, and nobody waits for ever."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from daemon.queues import BoundedQueue, LatestSlot

LONG_S = 10.0


def test_the_latest_item_wins_and_the_others_count_as_dropped() -> None:
    slot: LatestSlot[int] = LatestSlot()
    for item in (1, 2, 3):
        slot.put(item)
    assert slot.take(0.0) == 3
    assert slot.take(0.0) is None
    assert slot.drops == 2


def test_taking_in_time_drops_nothing() -> None:
    slot: LatestSlot[int] = LatestSlot()
    for item in (1, 2, 3):
        slot.put(item)
        assert slot.take(0.0) == item
    assert slot.drops == 0


def test_put_ends_a_wait_for_the_slot() -> None:
    slot: LatestSlot[int] = LatestSlot()
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(slot.take(LONG_S)))
    thread.start()
    slot.put(7)
    thread.join(LONG_S)
    assert taken == [7]


def test_wake_ends_a_wait_with_nothing() -> None:
    slot: LatestSlot[int] = LatestSlot()
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(slot.take(LONG_S)))
    thread.start()
    while thread.is_alive():  # a wake before the wait has begun has no effect
        slot.wake()
        thread.join(0.01)
    assert taken == [None]


@given(st.integers(1, 5), st.lists(st.one_of(st.none(), st.integers())))
def test_a_bounded_queue_is_a_bounded_first_in_first_out(capacity: int, steps: list[int | None]) -> None:
    """Against a plain list: None takes, a number is put."""
    queue: BoundedQueue[int] = BoundedQueue(capacity)
    model: list[int] = []
    drops = peak = 0
    for step in steps:
        if step is None:
            assert queue.take(0.0) == (model.pop(0) if model else None)
        elif len(model) < capacity:
            assert queue.put(step)
            model.append(step)
            peak = max(peak, len(model))
        else:
            assert not queue.put(step)
            drops += 1
    assert (queue.drops, queue.peak) == (drops, peak)
    assert queue.clear() == len(model)
    assert queue.drops == drops + len(model)
    assert queue.take(0.0) is None


def test_put_ends_a_wait_for_an_item() -> None:
    queue: BoundedQueue[int] = BoundedQueue(1)
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(queue.take(LONG_S)))
    thread.start()
    queue.put(5)
    thread.join(LONG_S)
    assert taken == [5]
