"""`python -m daemon.warm`: compile every kernel at install time, so that the first image is not late."""

# Importing a picture kernel compiles it.
import daemon.picture.chain
import daemon.picture.integrity
import daemon.picture.safe_filter  # noqa: F401
import hw.display.bgrx  # noqa: F401
from daemon.link import fec
from hw.capture.phantom import PhantomCapture
from hw.capture.phantom_beam import BeamSchedule


def main() -> None:
    fec.warm()
    schedule = BeamSchedule(pulse_hz=30.0, output_hz=30.0, beam_on_s=1.0, beam_off_s=0.0)
    phantom = PhantomCapture(256, 256, schedule, 60.0, 1)
    phantom.open()
    phantom.read(1.0)
    phantom.close()


if __name__ == "__main__":
    main()
