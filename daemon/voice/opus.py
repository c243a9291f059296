"""Opus (RFC 6716) by libopus, mono at 48 kHz.

Through ctypes, because PyAV's decoder cannot be asked to conceal a lost packet, which is half of what a voice decoder
is for (docs/decisions/0010-opus-by-ctypes.md).
"""

import ctypes
from ctypes import POINTER, c_char_p, c_float, c_int, c_int32, c_ubyte, c_void_p
from functools import lru_cache

import numpy as np

from daemon.errors import CodecError
from hw.audio.ports import RATE_HZ, Samples
from hw.errors import CathlinkError

MAX_PACKET_BYTES = 1000  # the largest that is made here; voice has 80
MAX_FRAME_SAMPLES = RATE_HZ * 120 // 1000

# opus_defines.h
_APPLICATION_VOIP = 2048
_SET_BITRATE = 4002
_SET_COMPLEXITY = 4010
_SET_PACKET_LOSS_PERCENT = 4014
_SET_SIGNAL = 4024
_SIGNAL_VOICE = 3001
_COMPLEXITY = 9

_Floats = POINTER(c_float)
_Bytes = POINTER(c_ubyte)


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    """Raises CathlinkError when libopus is not installed."""
    try:
        library = ctypes.CDLL("libopus.so.0")
    except OSError as error:
        raise CathlinkError("voice needs the library libopus.so.0", "install the package libopus0") from error
    library.opus_encoder_create.restype = c_void_p
    library.opus_encoder_create.argtypes = [c_int32, c_int, c_int, POINTER(c_int)]
    library.opus_encoder_destroy.argtypes = [c_void_p]
    library.opus_encode_float.argtypes = [c_void_p, _Floats, c_int, _Bytes, c_int32]
    library.opus_decoder_create.restype = c_void_p
    library.opus_decoder_create.argtypes = [c_int32, c_int, POINTER(c_int)]
    library.opus_decoder_destroy.argtypes = [c_void_p]
    library.opus_decode_float.argtypes = [c_void_p, c_char_p, c_int32, _Floats, c_int, c_int]
    library.opus_strerror.restype = c_char_p
    return library


def _check(result: int) -> int:
    if result < 0:
        raise CodecError(f"opus: {_library().opus_strerror(result).decode()}")
    return result


class OpusEncoder:
    """Used by one thread."""

    def __init__(self, bitrate_bps: int) -> None:
        """Raises CathlinkError when libopus is not there."""
        self._library = _library()
        error = c_int()
        self._state = c_void_p(self._library.opus_encoder_create(RATE_HZ, 1, _APPLICATION_VOIP, ctypes.byref(error)))
        _check(error.value)
        self._out = (c_ubyte * MAX_PACKET_BYTES)()
        self._control(_SET_SIGNAL, _SIGNAL_VOICE)
        self._control(_SET_COMPLEXITY, _COMPLEXITY)
        self.set_bitrate(bitrate_bps)

    def _control(self, request: int, value: int) -> None:
        _check(self._library.opus_encoder_ctl(self._state, c_int(request), c_int32(value)))

    def set_bitrate(self, bitrate_bps: int) -> None:
        self._control(_SET_BITRATE, bitrate_bps)

    def set_loss(self, percent: int) -> None:
        """The more, the less a packet rests on those before it."""
        self._control(_SET_PACKET_LOSS_PERCENT, percent)

    def encode(self, samples: Samples) -> bytes:
        """One packet of 480 or 960 samples (10 or 20 ms). Raises CodecError."""
        pointer = samples.ctypes.data_as(_Floats)
        size = self._library.opus_encode_float(self._state, pointer, len(samples), self._out, MAX_PACKET_BYTES)
        return bytes(self._out[: _check(size)])

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._library.opus_encoder_destroy(self._state)


class OpusDecoder:
    """Used by one thread."""

    def __init__(self) -> None:
        """Raises CathlinkError when libopus is not there."""
        self._library = _library()
        error = c_int()
        self._state = c_void_p(self._library.opus_decoder_create(RATE_HZ, 1, ctypes.byref(error)))
        _check(error.value)

    def decode(self, packet: bytes) -> Samples:
        """The packet's samples. Raises CodecError; the decoder stays usable."""
        return self._decode(packet, MAX_FRAME_SAMPLES)

    def conceal(self, count: int) -> Samples:
        """`count` samples (a multiple of 120) in the place of what did not come."""
        return self._decode(None, count)

    def _decode(self, packet: bytes | None, room: int) -> Samples:
        samples = np.empty(room, np.float32)
        pointer = samples.ctypes.data_as(_Floats)
        size = len(packet) if packet is not None else 0
        return samples[: _check(self._library.opus_decode_float(self._state, packet, size, pointer, room, 0))]

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._library.opus_decoder_destroy(self._state)


def packet_samples(packet: bytes) -> int:
    """How many samples at 48 kHz a packet holds, from its first bytes (RFC 6716, section 3.1); 0: no Opus packet."""
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = 120 << (config & 3)
    if code == 3 and len(packet) < 2:
        return 0
    count = 1 if code == 0 else 2 if code < 3 else packet[1] & 0x3F
    return frame * count if frame * count <= MAX_FRAME_SAMPLES else 0
