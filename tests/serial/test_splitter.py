"""The splitter: the same parts however the stream is cut, and bounded."""

from hypothesis import given
from hypothesis import strategies as st

from hw.serial.splitter import Splitter

STREAMS = st.lists(st.sampled_from([b"\n", b"a", b"bc", b"x" * 9])).map(b"".join)


@given(STREAMS, st.data())
def test_the_parts_do_not_depend_on_how_the_stream_is_cut(stream: bytes, data: st.DataObject) -> None:
    whole, cut = Splitter(b"\n", 8), Splitter(b"\n", 8)
    parts, position = [], 0
    while position < len(stream):
        size = data.draw(st.integers(1, len(stream) - position))
        parts += cut.feed(stream[position : position + size])
        position += size
    assert parts == whole.feed(stream)
    assert parts == [part for part in stream.split(b"\n")[:-1] if 0 < len(part) <= 8]


def test_a_part_that_is_too_long_is_counted_once_and_the_next_one_comes_through() -> None:
    splitter = Splitter(b"\n", 8)
    for _ in range(1000):
        assert splitter.feed(b"x" * 100) == []
        assert len(splitter._rest) <= 8
    assert splitter.feed(b"x\ngood\n") == [b"good"]
    assert splitter.too_long == 1
    assert splitter.feed(b"123456789\n12345678\n") == [b"12345678"]
    assert splitter.too_long == 2


def test_what_came_in_part_is_forgotten_on_reset() -> None:
    splitter = Splitter(b"\n", 8)
    splitter.feed(b"half")
    splitter.reset()
    assert splitter.feed(b"whole\n") == [b"whole"]
    splitter.feed(b"x" * 9)
    splitter.reset()
    assert splitter.feed(b"whole\n") == [b"whole"]
