"""When the phantom's X-ray is on, and which image its output shows."""

from dataclasses import dataclass

ROUNDING = 1e-6  # images; so that 4 / 60 s is image 1 of 15 a second


@dataclass(frozen=True, slots=True)
class BeamSchedule:
    """`pulse_hz` images a second while the beam is on, each repeated on an output of `output_hz` frames a second.

    A run of `beam_on_s` is followed by `beam_off_s` in which the last image is held; with 0 the beam is never off.
    However short it is, a run has at least one image.
    """

    pulse_hz: float
    output_hz: float
    beam_on_s: float
    beam_off_s: float

    @property
    def cycle_s(self) -> float:
        return self.beam_on_s + self.beam_off_s

    def image_of_frame(self, sequence: int) -> int:
        """The number of the image that output frame `sequence` shows. Images are counted as if the beam stayed on."""
        image = int(sequence * self.pulse_hz / self.output_hz + ROUNDING)
        if self.beam_off_s == 0:
            return image
        cycle = int(image / self.pulse_hz / self.cycle_s + ROUNDING)
        run_starts, run_ends = (self._image_at(cycle * self.cycle_s + s) for s in (0.0, self.beam_on_s))
        return min(image, max(run_starts, run_ends - 1))

    def image_time_s(self, image: int) -> float:
        return image / self.pulse_hz

    def run_time_s(self, image: int) -> float:
        """Time since the run began to which `image` belongs."""
        return self.image_time_s(image) % self.cycle_s

    def _image_at(self, time_s: float) -> int:
        """The first image at or after `time_s`."""
        return -int(-(time_s * self.pulse_hz - ROUNDING) // 1)
