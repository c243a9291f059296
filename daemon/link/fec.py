"""Forward error correction: systematic Cauchy Reed-Solomon over GF(2^8), block by block, and how much of it to send.

A block has n source symbols, all of one size: a payload's length (2 bytes), the payload, zeros. Any n of its n + k
symbols give back the rest. docs/wire-format.md has the construction, for those who write a receiver of their own.

A product with a constant matrix is computed by bit planes: for each row and each bit of its coefficients, from the
highest to the lowest, the row is doubled in the field and all sources whose coefficient has that bit are added to it.
That is nothing but XOR of whole symbols, eight at a time, and seven doublings a row.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil

import numpy as np
import numpy.typing as npt
from numba import njit

from daemon.link.rtp import MAX_REPAIR_SYMBOLS, MAX_SOURCE_SYMBOLS
from hw.errors import CathlinkError

Symbols = npt.NDArray[np.uint8]
"""Shape (symbols, symbol_bytes)."""

LENGTH_BYTES = 2
MAX_REPAIR_PERCENT = 30  # of the source symbols, for a block that is not of an IDR

_POLYNOMIAL = 0x11D  # x^8 + x^4 + x^3 + x^2 + 1
_DOUBLING = np.uint8(_POLYNOMIAL & 0xFF)
_LOSS_RATE_STEP = 0.0025  # `repair_count` rounds up to these, for its cache
_BURST_LENGTH_STEP = 0.25
_MAX_LOSS_RATE = 0.9
_MAX_BURST_LENGTH = 50.0


class FecError(CathlinkError):
    """A block cannot be completed: too few symbols so far, or symbols that do not fit together."""


def repair_symbols(payloads: Sequence[bytes], repair_count: int) -> list[bytes]:
    """The payloads of `repair_count` repair packets for a block of source payloads."""
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
    source_count, symbol_bytes = sources.shape
    _check_size(source_count, repair_count)
    repairs = np.empty((repair_count, symbol_bytes), np.uint8)
    _multiply(_kernel_ready(_COEFFICIENTS[:repair_count, :source_count]), _kernel_ready(sources), repairs)
    return repairs


def recover(
    sources: Symbols, present: npt.NDArray[np.bool_], repairs: Sequence[tuple[int, bytes | npt.NDArray[np.uint8]]]
) -> Symbols:
    """Fill the rows of `sources` that are not `present`, in place, from (number, symbol) of repair symbols.

    Raises FecError and leaves `sources` as they were when that cannot be.
    """
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
    coefficients = _kernel_ready(_COEFFICIENTS[numbers, :source_count])
    inverse = _inverse(_kernel_ready(coefficients[:, missing]))
    coefficients[:, missing] = 0
    syndromes = np.empty((len(missing), symbol_bytes), np.uint8)
    _multiply(coefficients, _kernel_ready(sources), syndromes)
    for syndrome, number in zip(syndromes, numbers, strict=True):
        syndrome ^= np.frombuffer(numbered[number], np.uint8)
    recovered = np.empty_like(syndromes)
    _multiply(inverse, syndromes, recovered)
    sources[missing] = recovered
    return sources


def repair_count(source_count: int, loss_rate: float, residual_target: float, burst_length: float = 1.0) -> int:
    """The smallest k for which P[more than k of n + k packets are lost] < `residual_target`; 1 <= k <= 30 % of n.

    `loss_rate` is 0 .. 1, `burst_length` the mean number of packets lost in a row. Losses follow the Gilbert model: a
    chain of two states, in one of which every packet is lost. It leaves that one with probability 1 / burst_length, and
    enters it such that the share of lost packets is `loss_rate`; the packets of a block are consecutive. A burst length
    up to 1 / (1 - loss_rate), that of independent losses, gives the binomial distribution. Rates and burst lengths are
    rounded up to steps of 0.0025 and 0.25.
    """
    return _repair_count(
        source_count,
        ceil(min(max(loss_rate, 0.0), _MAX_LOSS_RATE) / _LOSS_RATE_STEP - 1e-9),
        ceil(min(max(burst_length, 1.0), _MAX_BURST_LENGTH) / _BURST_LENGTH_STEP - 1e-9),
        residual_target,
    )


def warm() -> None:
    """Compile the kernels, or load them from the cache, so that the first block is not late."""
    [payload] = recover_payloads([None], list(enumerate(repair_symbols([b"warm"], 1))))
    assert payload == b"warm"
    repair_count(1, 0.01, 1e-3)


@lru_cache(maxsize=8192)
def _repair_count(source_count: int, loss_steps: int, burst_steps: int, residual_target: float) -> int:
    most = max(1, source_count * MAX_REPAIR_PERCENT // 100)
    loss_rate = loss_steps * _LOSS_RATE_STEP
    leave_burst = min(1.0 / (burst_steps * _BURST_LENGTH_STEP), 1.0 - loss_rate)
    enter_burst = leave_burst * loss_rate / (1.0 - loss_rate)
    return int(_smallest_count(source_count, most, loss_rate, enter_burst, leave_burst, residual_target))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _smallest_count(
    source_count: int, most: int, loss_rate: float, enter_burst: float, leave_burst: float, residual_target: float
) -> int:
    """Follows the joint probability of the chain's state and the number of losses, packet by packet."""
    lost = np.zeros(most + 1)  # by number of losses: the last packet was lost
    came = np.zeros(most + 1)
    lost[1] = loss_rate
    came[0] = 1.0 - loss_rate
    for packets in range(2, source_count + most + 1):
        for losses in range(most, -1, -1):
            into_lost = 0.0
            if losses > 0:
                into_lost = lost[losses - 1] * (1.0 - leave_burst) + came[losses - 1] * enter_burst
            came[losses] = came[losses] * (1.0 - enter_burst) + lost[losses] * leave_burst
            lost[losses] = into_lost
        count = packets - source_count
        if count >= 1 and 1.0 - lost[: count + 1].sum() - came[: count + 1].sum() < residual_target:
            return count
    return most


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


def _multiplication_table() -> Symbols:
    """products[a, b] in GF(2^8)."""
    powers = np.zeros(255, np.int64)
    value = 1
    for exponent in range(255):
        powers[exponent] = value
        value <<= 1
        if value & 0x100:
            value ^= _POLYNOMIAL
    products = np.zeros((256, 256), np.uint8)
    exponents = np.arange(255)
    products[np.ix_(powers, powers)] = powers[(exponents[:, None] + exponents) % 255]
    return products


def _cauchy_coefficients() -> Symbols:
    """Row r, column j: (255 + j) / ((255 - r) + j), where + is that of the field (XOR).

    A Cauchy matrix with points 255 - r and j, which are all different, each column scaled so that row 0 is all ones:
    the first repair symbol is the XOR of the sources. Scaling leaves every square submatrix invertible.
    """
    column = np.arange(MAX_SOURCE_SYMBOLS)
    row = np.arange(MAX_REPAIR_SYMBOLS)[:, None]
    return np.ascontiguousarray(_PRODUCTS[255 ^ column, _INVERSES[(255 - row) ^ column]])


_PRODUCTS = _multiplication_table()
_INVERSES = np.argmax(_PRODUCTS == 1, axis=1).astype(np.uint8)  # of 0: 0
_COEFFICIENTS = _cauchy_coefficients()


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _multiply(coefficients: Symbols, sources: Symbols, products: Symbols) -> None:
    """products[r] = sum over j of coefficients[r, j] * sources[j], in GF(2^8)."""
    row_count, source_count = coefficients.shape
    symbol_bytes = sources.shape[1]
    added = np.empty(source_count + 1, np.int64)
    for r in range(row_count):
        row = products[r]
        row[:] = 0
        for bit in range(7, -1, -1):
            if bit < 7:
                for w in range(symbol_bytes):
                    value = row[w]
                    row[w] = np.uint8(value << 1) ^ (_DOUBLING if value >= 128 else np.uint8(0))
            count = 0
            for j in range(source_count):  # without a branch, which would be mispredicted half of the time
                added[count] = j
                count += (coefficients[r, j] >> bit) & 1
            _add(sources, added[:count], row)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _add(sources: Symbols, added: npt.NDArray[np.int64], row: npt.NDArray[np.uint8]) -> None:
    """row += the sources of these numbers; eight at a time, for the row to be loaded and stored less often."""
    symbol_bytes = len(row)
    i = 0
    while i + 8 <= len(added):
        s0, s1, s2, s3 = sources[added[i]], sources[added[i + 1]], sources[added[i + 2]], sources[added[i + 3]]
        s4, s5, s6, s7 = sources[added[i + 4]], sources[added[i + 5]], sources[added[i + 6]], sources[added[i + 7]]
        for w in range(symbol_bytes):
            row[w] ^= s0[w] ^ s1[w] ^ s2[w] ^ s3[w] ^ s4[w] ^ s5[w] ^ s6[w] ^ s7[w]
        i += 8
    if i + 4 <= len(added):
        s0, s1, s2, s3 = sources[added[i]], sources[added[i + 1]], sources[added[i + 2]], sources[added[i + 3]]
        for w in range(symbol_bytes):
            row[w] ^= s0[w] ^ s1[w] ^ s2[w] ^ s3[w]
        i += 4
    while i < len(added):
        s0 = sources[added[i]]
        for w in range(symbol_bytes):
            row[w] ^= s0[w]
        i += 1


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _inverse(matrix: Symbols) -> Symbols:
    """Gauss-Jordan elimination; every leading minor of a Cauchy matrix is invertible, so no pivot is 0."""
    size = len(matrix)
    left = matrix.copy()
    right = np.zeros((size, size), np.uint8)
    for i in range(size):
        right[i, i] = 1
    for i in range(size):
        scale = _PRODUCTS[_INVERSES[left[i, i]]]
        for j in range(size):
            left[i, j] = scale[left[i, j]]
            right[i, j] = scale[right[i, j]]
        for other in range(size):
            if other != i:
                factor = _PRODUCTS[left[other, i]]
                for j in range(size):
                    left[other, j] ^= factor[left[i, j]]
                    right[other, j] ^= factor[right[i, j]]
    return right
