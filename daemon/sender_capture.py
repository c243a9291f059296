"""The sender's capture stage: a device's frames in, new images out. One thread; a device that fails is opened again.

Each frame goes through `picture.chain`, which says new, held or withheld; `source` is told of each, and every image
that is new goes into `images`, where the encode stage finds the newest.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from daemon.config import ColourChoice, FilterChoice
from daemon.guarded import Guarded
from daemon.picture.chain import Held, New, PictureChain, Withheld
from daemon.picture.layout import LayoutBook
from daemon.picture.mask import Boxes
from daemon.picture.relieved_filter import RelievedFilter
from daemon.picture.source import SourceWatch
from daemon.queues import LatestSlot
from daemon.states import FilterState
from hw.errors import DeviceError, SourceChangedError
from hw.ports import CaptureDevice, CaptureTiming, Picture

READ_TIMEOUT_S = 0.1
REOPEN_AFTER_S = 0.3
REOPEN_CHANGED_AFTER_S = 0.02


@dataclass(frozen=True, slots=True)
class CapturedImage:
    """An image that was not there before, blank in the boxes of `identity`."""

    pixels: Picture
    capture_ns: int
    identity: Boxes
    chain_ns: int = 0  # what the picture chain took for it

    def copy(self) -> "CapturedImage":
        """For longer than the chain keeps the pixels."""
        return CapturedImage(self.pixels.copy(), self.capture_ns, self.identity, self.chain_ns)


class CaptureStage:
    """`run` is the stage's thread. `report_event` is told what happened, and its cause."""

    def __init__(
        self,
        device: CaptureDevice,
        layouts: LayoutBook,
        filter_choice: FilterChoice,
        colour_choice: ColourChoice,
        *,
        source: Guarded[SourceWatch],
        images: LatestSlot[CapturedImage],
        report_event: Callable[[str, str], None],
        stopping: threading.Event,
    ) -> None:
        self._device = device
        self._layouts = layouts
        self._filter_choice = filter_choice
        self._colour_choice = colour_choice
        self._source = source
        self._images = images
        self._report_event = report_event
        self._stopping = stopping
        self._withheld_reason: str | None = None
        self._lost_problem: str | None = None
        self._frames_lost = 0
        self._filter: RelievedFilter | None = None
        self._is_filter_given_up = False
        self._filter_state = FilterState.OFF

    def run(self) -> None:
        while not self._stopping.is_set():
            wait_s = REOPEN_AFTER_S
            try:
                timing = self._device.open()
                with self._source as source:
                    source.note_open(timing)
                self._filter = RelievedFilter() if self._filter_choice is FilterChoice.SAFE else None
                self._relieve_filter()
                chain = PictureChain(self._layouts, timing, self._filter, self._colour_choice)
                self._read_frames(chain, timing)
            except DeviceError as error:
                self._note_lost(error)
                if isinstance(error, SourceChangedError):
                    wait_s = REOPEN_CHANGED_AFTER_S
            self._device.close()
            self._stopping.wait(wait_s)

    def close(self) -> None:
        """From any thread: ends a blocked read."""
        self._device.close()

    def give_up_filter(self, *, is_given_up: bool) -> None:
        """From any thread: there is too little processor time for it."""
        self._is_filter_given_up = is_given_up
        self._relieve_filter()

    def _relieve_filter(self) -> None:
        if self._filter is not None:
            self._filter.is_given_up = self._is_filter_given_up

    def figures(self) -> dict[str, float]:
        """`frames_lost`: those of the signal that the device or we had no time for, since this process started."""
        figures = {"frames_lost": float(self._frames_lost)}
        if self._filter is not None:
            report = self._filter.report
            figures |= {"filtered_share": report.filtered_share, "noise_levels": report.typical_sigma_levels}
        return figures

    def _read_frames(self, chain: PictureChain, timing: CaptureTiming) -> None:
        sequence: int | None = None
        while not self._stopping.is_set():
            frame = self._device.read(READ_TIMEOUT_S)
            if frame is None:
                continue
            if sequence is None:
                self._note_delivering(timing)
            else:
                self._frames_lost += max(0, frame.sequence - sequence - 1)
            sequence = frame.sequence
            begun_ns = time.perf_counter_ns()
            processed = chain.process(frame.pixels)
            chain_ns = time.perf_counter_ns() - begun_ns
            match processed:
                case New(picture, identity):
                    self._note_withheld(None)
                    self._note_filter()
                    with self._source as source:
                        source.note_frame(frame.capture_ns, is_new=True)
                    self._images.put(CapturedImage(picture, frame.capture_ns, identity, chain_ns))
                case Held():
                    with self._source as source:
                        source.note_frame(frame.capture_ns, is_new=False)
                case Withheld(reason):
                    with self._source as source:
                        source.note_withheld(frame.capture_ns, reason)
                    self._note_withheld(reason)

    def _note_lost(self, error: DeviceError) -> None:
        """Each cause is told once until frames come again: a device without signal fails three times a second."""
        with self._source as source:
            source.note_lost(str(error))
        if error.problem != self._lost_problem:
            self._report_event("capture lost", str(error))
        self._lost_problem = error.problem

    def _note_delivering(self, timing: CaptureTiming) -> None:
        self._lost_problem = None
        self._report_event("capture delivers", str(timing))

    def _note_withheld(self, reason: str | None) -> None:
        before, self._withheld_reason = self._withheld_reason, reason
        if reason is not None and reason != before:
            self._report_event("picture withheld", reason)
        elif reason is None and before is not None:
            self._report_event("picture shown again", before)

    def _note_filter(self) -> None:
        if self._filter is None:
            return
        report = self._filter.report
        with self._source as source:
            source.note_filter(report.state)
        before, self._filter_state = self._filter_state, report.state
        if before is not report.state:
            self._report_event(f"noise filter is {report.state.name.lower()}", report.cause)
