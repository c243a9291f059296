"""The pipe between processes: whole messages of any size, no writer waits, and an end that has gone is noticed."""

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from daemon.channel import IN_LINE_BYTES, Channel, channel_pair
from daemon.errors import ChannelClosedError
from daemon.messages import AccessUnit, EncoderOrder, Event, ToLink, ToVideo

Pair = tuple[Channel[ToLink], Channel[ToLink]]


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = (Channel[ToLink](end, ToLink) for end in channel_pair())
    yield near, far
    near.close()
    far.close()


def _unit(size: int, frame_id: int = 1) -> AccessUnit:
    return AccessUnit(frame_id, 123, is_idr=True, data=os.urandom(size))


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("size", [0, 1, IN_LINE_BYTES - 200, IN_LINE_BYTES, IN_LINE_BYTES + 1, 5_000_000])
def test_a_message_of_any_size_arrives_whole(pair: Pair, size: int) -> None:
    near, far = pair
    unit = _unit(size)
    assert near.send(unit)
    assert far.receive(timeout_s=1.0) == unit


def test_large_messages_leave_no_descriptor_behind(pair: Pair) -> None:
    near, far = pair
    before = _open_descriptors()
    for frame_id in range(50):
        near.send(_unit(IN_LINE_BYTES * 2, frame_id))
        assert far.receive(timeout_s=1.0) is not None
    assert _open_descriptors() == before


def test_small_and_large_ones_keep_their_order(pair: Pair) -> None:
    near, far = pair
    for frame_id, size in enumerate((10, IN_LINE_BYTES * 2, 20, IN_LINE_BYTES * 3)):
        assert near.send(_unit(size, frame_id))
    for frame_id in range(4):
        unit = far.receive(timeout_s=1.0)
        assert isinstance(unit, AccessUnit)
        assert unit.frame_id == frame_id


def test_a_full_pipe_drops_counts_and_goes_on_when_read(pair: Pair) -> None:
    near, far = pair
    sent = 0
    while near.send(_unit(30_000, sent)):
        sent += 1
    assert sent > 2
    assert not near.send(_unit(30_000), timeout_s=0.01)
    assert not near.send(_unit(IN_LINE_BYTES * 2))
    assert near.drops == 3
    for frame_id in range(sent):  # what was taken is there, whole
        unit = far.receive(timeout_s=1.0)
        assert isinstance(unit, AccessUnit)
        assert unit.frame_id == frame_id
    assert far.receive(timeout_s=0) is None
    assert near.send(_unit(30_000))


def test_a_waiting_writer_gets_its_turn(pair: Pair) -> None:
    near, far = pair
    while near.send(_unit(30_000)):
        pass
    sent: list[bool] = []
    writer = threading.Thread(target=lambda: sent.append(near.send(_unit(30_000, 99), timeout_s=10.0)))
    writer.start()
    while writer.is_alive():
        far.receive(timeout_s=0.01)
    assert sent == [True]


@pytest.mark.parametrize("size", [10, IN_LINE_BYTES * 2])
def test_an_end_that_has_gone_is_noticed(pair: Pair, size: int) -> None:
    near, far = pair
    far.close()
    with pytest.raises(ChannelClosedError):
        near.send(_unit(size))
    with pytest.raises(ChannelClosedError):
        near.receive(timeout_s=1.0)


def test_what_was_sent_before_the_end_is_read_first(pair: Pair) -> None:
    near, far = pair
    near.send(_unit(10, 5))
    near.close()
    unit = far.receive(timeout_s=1.0)
    assert isinstance(unit, AccessUnit)
    with pytest.raises(ChannelClosedError):
        far.receive(timeout_s=1.0)


def test_what_does_not_decode_is_counted_and_skipped() -> None:
    ours, theirs = channel_pair()
    channel: Channel[ToVideo] = Channel(theirs, ToVideo)
    order = EncoderOrder(1_000_000, None, wants_idr=True)
    writer = Channel[ToVideo](ours, ToVideo)
    for garbage in (b"\xc1", b"\x93", os.urandom(500)):
        ours.send(garbage)
    writer.send(Event("of another pipe", "", 0))
    writer.send(order)
    assert channel.receive(timeout_s=1.0) == order
    assert channel.unreadable == 4
    channel.close()
    writer.close()


def test_no_message_is_none_at_once_or_after_a_while(pair: Pair) -> None:
    _, far = pair
    assert far.receive(timeout_s=0) is None
    assert far.receive(timeout_s=0.01) is None


def test_the_ends_survive_being_handed_over_by_number() -> None:
    """As the supervisor does it: the descriptor is inherited and wrapped anew."""
    ours, theirs = channel_pair()
    handed = socket.socket(fileno=os.dup(theirs.fileno()))
    theirs.close()
    near, far = Channel[ToLink](ours, ToLink), Channel[ToLink](handed, ToLink)
    assert near.send(_unit(100))
    assert far.receive(timeout_s=1.0) is not None
    near.close()
    far.close()
