"""Is what an encoder gave an access unit that a decoder can begin with? A look at the NAL units' headers, no decoding.

ITU-T H.264 (08/2021): Annex B byte stream, 7.3.1 NAL unit, 7.4.1.2.4 first unit of a picture, 7.3.3 slice header.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hw.errors import DeviceError

SLICE, IDR_SLICE, SEI, SEQUENCE_SET, PICTURE_SET, DELIMITER, FILLER = 1, 5, 6, 7, 8, 9, 12
_KNOWN = frozenset({SLICE, IDR_SLICE, SEI, SEQUENCE_SET, PICTURE_SET, DELIMITER, FILLER})
_START_CODE = b"\0\0\1"
_LONGEST_SLICE_TYPE = 32  # bits of a slice's head that hold first_mb_in_slice and slice_type
_P_AND_I = frozenset({0, 2, 5, 7})


@dataclass(frozen=True, slots=True)
class AccessUnitHead:
    """What the NAL units' headers say. `parameter_sets`: the sequence and picture sets, Annex B; empty: none."""

    is_idr: bool
    parameter_sets: bytes


def read_access_unit(data: bytes) -> AccessUnitHead:
    """Raises DeviceError when `data` is not one picture of H.264, whole and in order, without B slices."""
    slice_types: set[int] = set()
    kinds: set[int] = set()
    parameter_sets = b""
    for unit in _nal_units(data):
        kind = unit[0] & 0x1F
        if unit[0] & 0x80 or kind not in _KNOWN:
            raise DeviceError(f"the encoder gave a NAL unit of type {kind}, which no access unit of ours has")
        if kind in (SEQUENCE_SET, PICTURE_SET):
            parameter_sets += b"\0" + _START_CODE + unit
            kinds.add(kind)
        elif kind in (SLICE, IDR_SLICE):
            first_block, slice_type = _slice_head(unit)
            if (first_block == 0) is bool(slice_types):
                raise DeviceError("the encoder gave slices that do not make one picture")
            slice_types.add(slice_type)
            kinds.add(kind)
    if not slice_types:
        raise DeviceError("the encoder gave an access unit without a picture")
    if not slice_types <= _P_AND_I or {SLICE, IDR_SLICE} <= kinds:
        raise DeviceError("the encoder gave slices of a kind that nobody asked for")
    if IDR_SLICE in kinds and not {SEQUENCE_SET, PICTURE_SET} <= kinds:
        return AccessUnitHead(True, b"")
    return AccessUnitHead(IDR_SLICE in kinds, parameter_sets)


def _nal_units(data: bytes) -> Iterator[bytes]:
    code = data.find(_START_CODE)
    if code < 0 or data[:code].strip(b"\0"):
        raise DeviceError("the encoder gave something that is not H.264")
    while code >= 0:
        begin = code + len(_START_CODE)
        code = data.find(_START_CODE, begin)
        unit = data[begin : code if code >= 0 else len(data)].rstrip(b"\0")
        if not unit:
            raise DeviceError("the encoder gave an empty NAL unit")
        yield unit


def _slice_head(unit: bytes) -> tuple[int, int]:
    """first_mb_in_slice and slice_type, both Exp-Golomb coded (9.1)."""
    head = unit[1 : 2 + _LONGEST_SLICE_TYPE // 8 * 2].replace(b"\0\0\3", b"\0\0")
    bits = "".join(f"{byte:08b}" for byte in head)
    first_block, position = _exp_golomb(bits, 0)
    slice_type, _ = _exp_golomb(bits, position)
    return first_block, slice_type


def _exp_golomb(bits: str, position: int) -> tuple[int, int]:
    one = bits.find("1", position)
    end = 2 * one - position + 1
    if one < 0 or end > len(bits):
        raise DeviceError("the encoder gave a slice without a head")
    return int(bits[one:end], 2) - 1, end
