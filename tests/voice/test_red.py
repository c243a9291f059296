"""RFC 2198 to the byte, and whatever a stranger may send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.link.rtp import PacketError
from daemon.voice.red import MAX_LENGTH, MAX_OFFSET, copies_for, pack_red, unpack_red


def test_the_bytes_are_those_of_the_rfc() -> None:
    packed = pack_red(b"new", [(1920, b"older"), (960, b"old")])
    assert packed.hex(" ") == (
        "ef 1e 00 05 ef 0f 00 03 6f " + b"older".hex(" ") + " " + b"old".hex(" ") + " " + b"new".hex(" ")
    )


@given(
    st.binary(max_size=200),
    st.lists(st.tuples(st.integers(1, MAX_OFFSET), st.binary(min_size=1, max_size=MAX_LENGTH)), max_size=3),
)
def test_what_is_packed_is_unpacked(newest: bytes, older: list[tuple[int, bytes]]) -> None:
    assert unpack_red(pack_red(newest, older)) == [*older, (0, newest)]


def test_what_does_not_fit_is_left_out() -> None:
    older = [(MAX_OFFSET + 1, b"too old"), (960, bytes(MAX_LENGTH + 1)), (480, b"fits")]
    assert unpack_red(pack_red(b"new", older)) == [(480, b"fits"), (0, b"new")]


@given(st.binary(max_size=80))
def test_anything_else_is_an_error_or_blocks_within_the_payload(payload: bytes) -> None:
    try:
        blocks = unpack_red(payload)
    except PacketError:
        return
    assert sum(len(data) for _, data in blocks) < max(1, len(payload))
    assert all(0 <= offset <= MAX_OFFSET for offset, _ in blocks)


def test_blocks_of_another_kind_are_left_out() -> None:
    packed = bytearray(pack_red(b"new", [(960, b"old")]))
    packed[0] ^= 1  # PT 110
    assert unpack_red(bytes(packed)) == [(0, b"new")]


@pytest.mark.parametrize(("loss", "copies"), [(0.0, 1), (0.009, 1), (0.02, 2), (0.05, 3), (0.3, 3)])
def test_more_loss_more_copies(loss: float, copies: int) -> None:
    assert copies_for(loss) == copies


@pytest.mark.parametrize("loss", [0.005, 0.02, 0.039])
def test_so_many_copies_leave_almost_nothing_lost(loss: float) -> None:
    assert loss ** (copies_for(loss) + 1) < 1e-4
