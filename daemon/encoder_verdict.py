"""Which encoder this machine should use: each is tried in a process of its own, with a time-out, and they are ranked.

The verdict is kept in a file, and counts until the machine is booted anew or a driver, a device or the kernel changes.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import av
import msgspec

from daemon.encoder_trial import SOFTWARE_NAME, Trial
from daemon.picture.quarantine import boot_id
from hw.encoders.obstacle import fingerprint, obstacle
from hw.encoders.table import ACCELERATORS, accelerator

TRIAL_LIMIT_S = 8.0
BESIDE_A_PICTURE = 10  # the niceness of trials while a picture is on its way
HARDWARE_WORTH_MS = 5.0  # a hardware encoder may be slower by this: it leaves the processor to the other stages


class Verdict(msgspec.Struct, frozen=True):
    """`trials` are ranked, the best first; what cannot be used comes last."""

    trials: tuple[Trial, ...]
    boot_id: str
    drivers: str

    @property
    def best_hardware(self) -> str | None:
        """None: libx264 is the best here."""
        best = self.trials[0] if self.trials else None
        return best.name if best is not None and not best.why_not and best.name != SOFTWARE_NAME else None


def find_verdict(stopping: threading.Event | None = None, niceness: int = 0) -> Verdict:
    """Try every encoder. Seconds; a driver that hangs costs TRIAL_LIMIT_S each. Ends early when `stopping` is set."""
    names = [SOFTWARE_NAME, *(entry.name for entry in ACCELERATORS)]
    trials = [run_trial(name, niceness=niceness) for name in names if stopping is None or not stopping.is_set()]
    return Verdict(tuple(ranked(trials)), boot_id(), _drivers())


def ranked(trials: Iterable[Trial]) -> list[Trial]:
    """By how long an image takes; hardware before software that is hardly faster; in the end what does not work."""

    def place(trial: Trial) -> tuple[bool, float]:
        return bool(trial.why_not), trial.image_ms + (HARDWARE_WORTH_MS if trial.name == SOFTWARE_NAME else 0.0)

    return sorted(trials, key=place)


def run_trial(name: str, *, limit_s: float = TRIAL_LIMIT_S, niceness: int = 0) -> Trial:
    """The trial of `name`, in words why it failed when its process hung or died."""
    known = accelerator(name)
    if known is not None and (reason := obstacle(known)):
        return Trial(name, reason)
    command = ["nice", "-n", str(niceness), sys.executable, "-m", "daemon.encoder_trial", name]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Trial(name, f"its driver hangs: no result within {limit_s:g} s")
    if done.returncode < 0:
        return Trial(name, f"its driver takes the program down ({signal.Signals(-done.returncode).name})")
    try:
        return msgspec.json.decode(done.stdout, type=Trial)
    except msgspec.DecodeError:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        return Trial(name, f"the trial failed: {words[-1] if words else 'no result'}")


def load_verdict(path: Path) -> Verdict | None:
    """None: there is none that still counts."""
    try:
        verdict = msgspec.json.decode(path.read_bytes(), type=Verdict)
    except (OSError, msgspec.DecodeError):
        return None
    return verdict if (verdict.boot_id, verdict.drivers) == (boot_id(), _drivers()) else None


def save_verdict(path: Path, verdict: Verdict) -> None:
    """Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(verdict))
    os.replace(part, path)


def verdict_path() -> Path:
    """In the service's cache folder, or in the user's."""
    folder = os.environ.get("CACHE_DIRECTORY") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "cathlink"
    )
    return Path(folder) / "encoders.json"


def _drivers() -> str:
    return f"{fingerprint()} PyAV {av.__version__}"
