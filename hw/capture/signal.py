"""What an engineer says of a source's signal, over what its device says of itself."""

import dataclasses
from dataclasses import dataclass

from hw.ports import CaptureTiming, ColourMatrix, ValueRange


@dataclass(frozen=True, slots=True)
class Signal:
    """None: as the device says, or the usual."""

    matrix: ColourMatrix | None = None
    value_range: ValueRange | None = None
    is_interlaced: bool = False

    def over(self, timing: CaptureTiming) -> CaptureTiming:
        return dataclasses.replace(
            timing,
            matrix=self.matrix or timing.matrix,
            value_range=self.value_range or timing.value_range,
            is_interlaced=self.is_interlaced or timing.is_interlaced,
        )


AS_THE_DEVICE_SAYS = Signal()
