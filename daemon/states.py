"""The words of picture truth. Their numbers are the ones on the wire (docs/wire-format.md)."""

from enum import IntEnum


class SourceState(IntEnum):
    """What the sender says of its source."""

    LIVE = 1
    HELD = 2
    CAPTURE_LOST = 3
    MASKED = 4
    STARTING = 5
    HELD_WITH_XRAY = 6


class PictureState(IntEnum):
    """What the picture on the expert's screen is. Only LIVE and HELD are good.

    HELD_WITH_XRAY: X-ray is on, as its contact tells, and no new image comes: somebody is exposed for nothing, or works
    from a still picture.
    """

    LIVE = 1
    HELD = 2
    CAPTURE_LOST = 3
    MASKED = 4
    LINK_STALLED = 5
    DECODER_STALLED = 6
    DEGRADED = 7
    HELD_WITH_XRAY = 8

    @property
    def words(self) -> str:
        return "HELD, X-RAY ON" if self is PictureState.HELD_WITH_XRAY else self.name.replace("_", " ")


class EncoderState(IntEnum):
    """Who encodes at the sender. SOFTWARE: libx264. FALLBACK: libx264 too, because the hardware encoder failed."""

    HARDWARE = 0
    SOFTWARE = 1
    FALLBACK = 2

    @property
    def words(self) -> str:
        """For the banner: only what somebody should do something about."""
        return "SOFTWARE ENCODER" if self is EncoderState.FALLBACK else ""


class FilterState(IntEnum):
    """What the sender's noise filter does. SUSPENDED: it is on, and steps aside for now."""

    OFF = 0
    ON = 1
    SUSPENDED = 2

    @property
    def words(self) -> str:
        """For the banner; nothing when it is off."""
        return {FilterState.OFF: "", FilterState.ON: "FILTER", FilterState.SUSPENDED: "FILTER suspended"}[self]
