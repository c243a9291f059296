"""The EDID that a receiver shows to the source: what resolutions this "monitor" takes (VESA E-EDID, release A)."""

from pathlib import Path

from hw.errors import DeviceError

BLOCK_BYTES = 128
MOST_BLOCKS = 256
HEADER = bytes.fromhex("00ffffffffffff00")
EXTENSION_COUNT_AT = 126


def load_edid(path: str) -> bytes:
    """Whole blocks. Raises DeviceError."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(BLOCK_BYTES * MOST_BLOCKS + 1)
    except OSError as error:
        raise DeviceError(
            f"the EDID {path!r} cannot be read ({error.strerror})", "correct edid= or the file"
        ) from error
    fault = edid_fault(data)
    if fault:
        raise DeviceError(f"the EDID {path!r} {fault}", "take it from a display, or from the card's maker")
    return data


def edid_fault(data: bytes) -> str:
    """What is wrong with it, in words; empty: nothing."""
    if not data.startswith(HEADER):
        return "does not begin like one"
    if len(data) % BLOCK_BYTES or len(data) // BLOCK_BYTES > MOST_BLOCKS:
        return f"has {len(data)} bytes, not whole blocks of {BLOCK_BYTES}"
    blocks = [data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES)]
    if data[EXTENSION_COUNT_AT] != len(blocks) - 1:
        return f"says that {data[EXTENSION_COUNT_AT]} blocks follow the first, there are {len(blocks) - 1}"
    for number, block in enumerate(blocks):
        if sum(block) % 256:
            return f"has a wrong checksum in block {number}"
    return ""
