"""`cathlink probe`: what this box can encode with, why not with more, and what it holds in software, measured here.

And the capture devices that it has, as they are now.
"""

import json
import sys

import msgspec

from daemon.encoder_trial import SOFTWARE_NAME, Trial
from daemon.encoder_verdict import Verdict, find_verdict, save_verdict, verdict_path
from daemon.probe_software import SoftwareRate, software_rates
from hw.capture.v4l2_list import CaptureListing, list_capture_devices
from hw.encoders.table import accelerator


def run_probe(*, as_json: bool) -> int:
    """Ten seconds at most on a machine without a hardware encoder. The daemon uses the verdict, if it may read it."""
    if not as_json:
        print("trying the encoders, then what software holds: some seconds ...", file=sys.stderr, flush=True)
    verdict = find_verdict()
    try:
        save_verdict(verdict_path(), verdict)
    except OSError as error:
        print(f"cathlink: {verdict_path()} cannot be written ({error.strerror}); not kept", file=sys.stderr)
    rates = software_rates()
    captures = list_capture_devices()
    if as_json:
        parts = {"encoders": verdict.trials, "software": rates, "capture": captures}
        print(json.dumps(msgspec.to_builtins(parts)))
    else:
        print(describe(verdict, rates))
        print(f"\n{describe_captures(captures)}")
    return 0


def describe(verdict: Verdict, rates: list[SoftwareRate]) -> str:
    """For an engineer."""
    lines = [f"{'encoder':<16}{'an image takes':<28}verdict"]
    lines += [_encoder_line(trial) for trial in verdict.trials]
    lines += ["", _conclusion(verdict), "", f"{'in software':<16}{'a new image takes':<28}holds, images a second"]
    lines += [_rate_line(rate) for rate in rates]
    return "\n".join(lines)


def describe_captures(captures: list[CaptureListing]) -> str:
    if not captures:
        return "capture devices: none (cameras and capture cards are /dev/video*)"
    return "\n".join(["capture devices, with the address to configure:", *map(str, captures)])


def _encoder_line(trial: Trial) -> str:
    if trial.why_not:
        return f"{trial.name:<16}{'-':<28}no: {trial.why_not}"
    known = accelerator(trial.name)
    took = f"{trial.image_ms:.1f} ms, worst {trial.worst_ms:.1f}"
    return f"{trial.name:<16}{took:<28}works{f' ({known.maker})' if known else ' (software)'}"


def _conclusion(verdict: Verdict) -> str:
    best = verdict.best_hardware
    if best is not None:
        return f'With encoder.device = "auto" this box encodes by {best}; software takes over when it fails.'
    works = [trial.name for trial in verdict.trials if not trial.why_not and trial.name != SOFTWARE_NAME]
    if works:
        return f"This box encodes in software: faster here than {', '.join(works)}."
    return "This box encodes in software: it has no hardware encoder that can be used (see above why)."


def _rate_line(rate: SoftwareRate) -> str:
    took = f"{rate.image_ms:.1f} ms, filtered {rate.filtered_ms:.1f}"
    size = f"{rate.width}x{rate.height}"
    return f"{size:<16}{took:<28}{_words(rate.holds_hz)}; with the noise filter {_words(rate.holds_filtered_hz)}"


def _words(rate_hz: float) -> str:
    return f"{rate_hz:g}" if rate_hz else "none"
