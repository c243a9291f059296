"""Forward error correction: systematic Cauchy Reed-Solomon over GF(2^8), block by block, and how much of it to send.

A block has n source symbols, all of one size: a payload's length (2 bytes), the payload, zeros. Any n of its n + k
symbols give back the rest. docs/wire-format.md has the construction, for those who write a receiver of their own.

The arithmetic is in `fec_kernels`, which takes a quarter of a second to load, more than all else of the link process.
So it is loaded at the first use, by `warm`, or by `warm_beside` the work of a link that has just started: that one goes
without repair symbols, on retransmission alone, rather than that it waits.
"""

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import ceil

import numpy as np
import numpy.typing as npt

from daemon.link.rtp import MAX_REPAIR_SYMBOLS, MAX_SOURCE_SYMBOLS
from hw.errors import CathlinkError

Symbols = npt.NDArray[np.uint8]
"""Shape (symbols, symbol_bytes)."""

LENGTH_BYTES = 2
MAX_REPAIR_PERCENT = 30  # of the source symbols, for a block that is not of an IDR

_LOSS_RATE_STEP = 0.0025  # `repair_count` rounds to these, for its cache
_BURST_LENGTH_STEP = 0.25
_MAX_LOSS_RATE = 0.9
_MAX_BURST_LENGTH = 50.0

_is_warming_beside = threading.Event()


class FecError(CathlinkError):
    """A block cannot be completed: too few symbols so far, or symbols that do not fit together."""


def repair_symbols(payloads: Sequence[bytes], repair_count: int) -> list[bytes]:
    """The payloads of `repair_count` repair packets for a block of source payloads."""
    if repair_count == 0:
        return []
    return [row.tobytes() for row in encode_repair(_source_symbols(payloads), repair_count)]


def recover_payloads(payloads: Sequence[bytes | None], repairs: Sequence[tuple[int, bytes]]) -> list[bytes]:
    """All payloads of a block, of which those that are None did not come.

    `repairs`: (number, symbol) of repair packets, the number counted from 0 (`frame.index - frame.source_count`).
    Raises FecError.
    """
    if not repairs:
        raise FecError("block without repair symbols")
    symbol_bytes = len(repairs[0][1])
    sources = np.zeros((len(payloads), symbol_bytes), np.uint8)
    present = np.array([payload is not None for payload in payloads], np.bool_)
    for row, payload in zip(sources, payloads, strict=True):
        if payload is not None:
            symbol = _symbol(payload)
            if len(symbol) > symbol_bytes:
                raise FecError("source symbol longer than the repair symbols")
            row[: len(symbol)] = np.frombuffer(symbol, np.uint8)
    recover(sources, present, repairs)
    return [_payload(sources[i]) if payload is None else payload for i, payload in enumerate(payloads)]


def encode_repair(sources: Symbols, repair_count: int) -> Symbols:
    """Repair symbols 0 .. repair_count - 1 of a block. Raises FecError when the block is larger than allowed."""
    from daemon.link import fec_kernels as kernels

    source_count, symbol_bytes = sources.shape
    _check_size(source_count, repair_count)
    repairs = np.empty((repair_count, symbol_bytes), np.uint8)
    coefficients = kernels.COEFFICIENTS[:repair_count, :source_count]
    kernels.multiply(_kernel_ready(coefficients), _kernel_ready(sources), repairs)
    return repairs


def recover(
    sources: Symbols, present: npt.NDArray[np.bool_], repairs: Sequence[tuple[int, bytes | npt.NDArray[np.uint8]]]
) -> Symbols:
    """Fill the rows of `sources` that are not `present`, in place, from (number, symbol) of repair symbols.

    Raises FecError and leaves `sources` as they were when that cannot be.
    """
    from daemon.link import fec_kernels as kernels

    missing = np.flatnonzero(~present)
    if not len(missing):
        return sources
    numbered = dict(repairs)
    if len(numbered) < len(missing):
        raise FecError(f"{len(missing)} symbols missing, {len(numbered)} repair symbols")
    numbers = sorted(numbered)[: len(missing)]
    source_count, symbol_bytes = sources.shape
    if numbers[0] < 0:
        raise FecError(f"repair symbol {numbers[0]}")
    _check_size(source_count, numbers[-1] + 1)
    if any(len(numbered[number]) != symbol_bytes for number in numbers):
        raise FecError("symbols of different sizes in one block")
    coefficients = _kernel_ready(kernels.COEFFICIENTS[numbers, :source_count])
    inverse = kernels.inverse(_kernel_ready(coefficients[:, missing]))
    coefficients[:, missing] = 0
    syndromes = np.empty((len(missing), symbol_bytes), np.uint8)
    kernels.multiply(coefficients, _kernel_ready(sources), syndromes)
    for syndrome, number in zip(syndromes, numbers, strict=True):
        syndrome ^= np.frombuffer(numbered[number], np.uint8)
    recovered = np.empty_like(syndromes)
    kernels.multiply(inverse, syndromes, recovered)
    sources[missing] = recovered
    return sources


def repair_count(source_count: int, loss_rate: float, residual_target: float, burst_length: float = 1.0) -> int:
    """The smallest k for which P[more than k of n + k packets are lost] < `residual_target`; 1 <= k <= 30 % of n.

    `loss_rate` is 0 .. 1, `burst_length` the mean number of packets lost in a row. Losses follow the Gilbert model: a
    chain of two states, in one of which every packet is lost. It leaves that one with probability 1 / burst_length, and
    enters it such that the share of lost packets is `loss_rate`; the packets of a block are consecutive. A burst length
    up to 1 / (1 - loss_rate), that of independent losses, gives the binomial distribution. Rates are rounded up to
    steps of 0.0025, burst lengths to the nearest 0.25: what measuring adds to a length of 1 must not cost symbols.
    None while `warm_beside` is at work.
    """
    if _is_warming_beside.is_set():
        return 0
    return _repair_count(
        source_count,
        ceil(min(max(loss_rate, 0.0), _MAX_LOSS_RATE) / _LOSS_RATE_STEP - 1e-9),
        round(min(max(burst_length, 1.0), _MAX_BURST_LENGTH) / _BURST_LENGTH_STEP),
        residual_target,
    )


def warm() -> None:
    """Compile the kernels, or load them from the cache, so that the first block is not late."""
    [payload] = recover_payloads([None], list(enumerate(repair_symbols([b"warm"], 1))))
    assert payload == b"warm"
    _repair_count(1, 4, 4, 1e-3)


def warm_beside(then: Callable[[], object]) -> None:
    """`warm`, and `then`, in a thread of its own."""

    def load() -> None:
        try:
            warm()
        finally:
            _is_warming_beside.clear()
        then()

    _is_warming_beside.set()
    threading.Thread(target=load, name="kernels", daemon=True).start()


@lru_cache(maxsize=8192)
def _repair_count(source_count: int, loss_steps: int, burst_steps: int, residual_target: float) -> int:
    from daemon.link import fec_kernels as kernels

    most = max(1, source_count * MAX_REPAIR_PERCENT // 100)
    loss_rate = loss_steps * _LOSS_RATE_STEP
    leave_burst = min(1.0 / (burst_steps * _BURST_LENGTH_STEP), 1.0 - loss_rate)
    enter_burst = leave_burst * loss_rate / (1.0 - loss_rate)
    return int(kernels.smallest_count(source_count, most, loss_rate, enter_burst, leave_burst, residual_target))


def _check_size(source_count: int, repair_count: int) -> None:
    if source_count > MAX_SOURCE_SYMBOLS or repair_count > MAX_REPAIR_SYMBOLS:
        raise FecError(
            f"block of {source_count} source and {repair_count} repair symbols",
            f"at most {MAX_SOURCE_SYMBOLS} and {MAX_REPAIR_SYMBOLS}",
        )


def _kernel_ready(array: Symbols) -> Symbols:
    """The kernels are compiled for one kind of array; another would be compiled for in the middle of a case."""
    return np.require(array, np.uint8, ["C", "W"])


def _symbol(payload: bytes) -> bytes:
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


def _source_symbols(payloads: Sequence[bytes]) -> Symbols:
    symbol_bytes = LENGTH_BYTES + max(map(len, payloads))
    joined = bytearray().join([_symbol(payload).ljust(symbol_bytes, b"\0") for payload in payloads])
    return np.frombuffer(joined, np.uint8).reshape(len(payloads), symbol_bytes)


def _payload(symbol: npt.NDArray[np.uint8]) -> bytes:
    data = symbol.tobytes()
    payload_bytes = int.from_bytes(data[:LENGTH_BYTES], "big")
    if LENGTH_BYTES + payload_bytes > len(data):
        raise FecError("repaired symbol with a length beyond its end")
    return data[LENGTH_BYTES : LENGTH_BYTES + payload_bytes]
