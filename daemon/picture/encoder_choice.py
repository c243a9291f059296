"""Hardware encoder or libx264? The picture never waits for the answer.

libx264 encodes from the first image on. A hardware encoder is opened beside it and takes over, with an IDR, once it is
ready; so also after a change of size or rate. When it fails on an image, libx264 encodes that same image as an IDR, and
the device is left alone for a while (`picture.quarantine`), then tried again in the same way.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from daemon.picture.quarantine import Quarantine
from daemon.states import EncoderState
from hw.encoders.accelerated import unfit
from hw.encoders.watched import OPEN_LIMIT_S, WatchedEncoder
from hw.errors import DeviceError
from hw.ports import EncodedPicture, Encoder, EncoderSettings, FinerBlocks, Picture

logger = logging.getLogger(__name__)


class EncoderChoice:
    """An `Encoder` of which `encode` fails only when libx264 does. Used by one thread, but for `offer` and `doubt`.

    `note_state` is told of every change of state, with its cause.
    """

    def __init__(
        self,
        software: Encoder,
        *,
        note_state: Callable[[EncoderState, str], None],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._software = software
        self._is_software_open = False
        self._note_state = note_state
        self._clock = clock
        self._state = EncoderState.SOFTWARE
        self._make: Callable[[], WatchedEncoder] | None = None
        self._quarantine: Quarantine | None = None
        self._device: WatchedEncoder | None = None
        self._left_behind: WatchedEncoder | None = None
        self._opening: Future[None] | None = None
        self._opening_since_ns = 0
        self._is_serving = False
        self._settings: EncoderSettings | None = None
        self._bitrate_bps = 0
        self._doubt = ""
        self._lock = threading.Lock()

    @property
    def is_accelerated(self) -> bool:
        """The newest access unit came from the hardware encoder."""
        return self._is_serving

    def offer(self, make: Callable[[], WatchedEncoder], quarantine: Quarantine) -> None:
        """From any thread: there is a hardware encoder to be tried."""
        with self._lock:
            self._make, self._quarantine = make, quarantine
        if quarantine.cause:
            self._tell(EncoderState.FALLBACK, quarantine.cause)

    def doubt(self, cause: str) -> None:
        """From any thread: what the hardware encoder gave is no good. It counts as failed from the next image on."""
        self._doubt = cause

    # --- hw.ports.Encoder ---

    def open(self, settings: EncoderSettings) -> None:
        self._settings, self._bitrate_bps = settings, settings.bitrate_bps
        self._put_back()
        self._open_software()

    def encode(self, picture: Picture, *, force_idr: bool, finer: FinerBlocks | None = None) -> EncodedPicture:
        if self._settings is None:
            raise DeviceError("the encoder is not open")
        is_taking_over = not self._is_serving and self._takes_over()
        if self._is_serving:
            assert self._device is not None
            try:
                if doubt := self._take_doubt():
                    raise DeviceError(doubt)
                encoded = self._device.encode(picture, force_idr=force_idr or is_taking_over, finer=finer)
            except DeviceError as error:
                self._fail(str(error))
                force_idr = True
            else:
                self._note_serving()
                return encoded
        if not self._is_software_open:
            self._open_software()
        return self._software.encode(picture, force_idr=force_idr, finer=finer)

    def set_bitrate(self, bitrate_bps: int) -> None:
        self._bitrate_bps = bitrate_bps
        if self._is_serving and self._device is not None:
            self._device.set_bitrate(bitrate_bps)
        if self._is_software_open:
            self._software.set_bitrate(bitrate_bps)

    def close(self) -> None:
        self._put_back()
        self._software.close()
        self._is_software_open = False
        self._settings = None

    # --- the hardware encoder's turns ---

    def _takes_over(self) -> bool:
        """The device is open and begins to serve. Until then it is brought nearer to that, without waiting."""
        if self._opening is None:
            self._begin_to_open()
            return False
        if not self._opening.done():
            if self._clock() - self._opening_since_ns > OPEN_LIMIT_S * 1e9:
                self._fail(f"{self._device_name} does not open")
            return False
        error = self._opening.exception()
        self._opening = None
        if error is not None:
            self._fail(str(error))
            return False
        self._is_serving, self._doubt = True, ""
        assert self._device is not None
        self._device.set_bitrate(self._bitrate_bps)
        return True

    def _begin_to_open(self) -> None:
        with self._lock:
            make, quarantine = self._make, self._quarantine
        now_ns = self._clock()
        if make is None or quarantine is None or not quarantine.may_use(now_ns):
            return
        if self._left_behind is not None and self._left_behind.is_stuck:
            return  # the driver still hangs in this process
        assert self._settings is not None
        if unfit(self._settings):
            return
        quarantine.begin(now_ns)
        self._device, self._left_behind = make(), None
        self._opening, self._opening_since_ns = self._device.open_beside(self._settings), now_ns

    def _note_serving(self) -> None:
        if self._is_software_open:
            self._software.close()
            self._is_software_open = False
            self._tell(EncoderState.HARDWARE, self._device_name)

    def _fail(self, cause: str) -> None:
        assert self._quarantine is not None
        away_s = self._quarantine.fail(cause, self._clock())
        logger.error("%s; software encoding, next try in %g s", cause, away_s)
        self._leave()
        self._tell(EncoderState.FALLBACK, cause)

    def _put_back(self) -> None:
        """In good order: it is not the device's fault."""
        if self._device is not None and self._quarantine is not None:
            self._quarantine.end()
            self._leave()

    def _leave(self) -> None:
        if self._device is not None:
            self._device.close()
        self._left_behind, self._device = self._device, None
        self._opening, self._is_serving = None, False

    @property
    def _device_name(self) -> str:
        return self._device.name if self._device is not None else ""

    def _take_doubt(self) -> str:
        doubt, self._doubt = self._doubt, ""
        return doubt

    def _open_software(self) -> None:
        settings = self._settings
        assert settings is not None
        self._is_software_open = False
        self._software.open(settings)
        self._is_software_open = True
        if self._bitrate_bps != settings.bitrate_bps:
            self._software.set_bitrate(self._bitrate_bps)

    def _tell(self, state: EncoderState, cause: str) -> None:
        if state is not self._state:
            self._state = state
            self._note_state(state, cause)
