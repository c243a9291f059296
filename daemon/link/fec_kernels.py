"""The arithmetic of forward error correction: GF(2^8) and loss statistics, compiled.

A product with a constant matrix is computed by bit planes: for each row and each bit of its coefficients, from the
highest to the lowest, the row is doubled in the field and all sources whose coefficient has that bit are added to it.
That is nothing but XOR of whole symbols, eight at a time, and seven doublings a row.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from daemon.link.fec import Symbols
from daemon.link.rtp import MAX_REPAIR_SYMBOLS, MAX_SOURCE_SYMBOLS

_POLYNOMIAL = 0x11D  # x^8 + x^4 + x^3 + x^2 + 1
_DOUBLING = np.uint8(_POLYNOMIAL & 0xFF)


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
COEFFICIENTS = _cauchy_coefficients()


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def smallest_count(
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


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def multiply(coefficients: Symbols, sources: Symbols, products: Symbols) -> None:
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
def inverse(matrix: Symbols) -> Symbols:
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
