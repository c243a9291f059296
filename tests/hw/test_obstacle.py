"""Why a hardware encoder cannot be had, in an engineer's words; and what makes a verdict old."""

from pathlib import Path

import pytest

from hw.encoders.obstacle import fingerprint, obstacle, words_for
from hw.encoders.table import ACCELERATORS, Accelerator, accelerator

QSV, AMF = accelerator("h264_qsv"), accelerator("h264_amf")
assert QSV is not None
assert AMF is not None


def graphics(root: Path, vendor: str = "0x8086") -> Path:
    """A machine with a graphics device of `vendor`; its device file."""
    device = root / "dev/dri/renderD128"
    device.parent.mkdir(parents=True)
    device.touch()
    sysfs = root / "sys/class/drm/renderD128/device"
    sysfs.mkdir(parents=True)
    (sysfs / "vendor").write_text(vendor + "\n")
    return device


@pytest.mark.parametrize("entry", ACCELERATORS, ids=lambda entry: str(entry.name))
def test_a_bare_machine_has_none_and_says_what_is_missing(entry: Accelerator, tmp_path: Path) -> None:
    assert obstacle(entry, tmp_path) == entry.device_words


def test_each_makers_encoder_wants_its_makers_device(tmp_path: Path) -> None:
    graphics(tmp_path)
    assert obstacle(QSV, tmp_path) == ""
    assert "another maker" in obstacle(AMF, tmp_path)


def test_a_device_that_does_not_tell_its_maker_is_tried(tmp_path: Path) -> None:
    graphics(tmp_path)
    (tmp_path / "sys/class/drm/renderD128/device/vendor").unlink()
    assert obstacle(AMF, tmp_path) == ""


def test_without_permission_the_group_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphics(tmp_path)
    monkeypatch.setattr("hw.encoders.obstacle.os.access", lambda path, mode: False)  # root may open everything
    assert "member of the group render" in obstacle(QSV, tmp_path)


def test_a_missing_driver_is_said_in_words_and_other_faults_as_they_are() -> None:
    assert "media driver is missing" in words_for(QSV, "h264_qsv does not open (Error creating a MFX session: -9.)")
    assert words_for(QSV, "does not follow the bit rate") == "does not follow the bit rate"


def test_a_verdict_is_old_when_device_driver_or_kernel_changes(tmp_path: Path) -> None:
    seen = {fingerprint(tmp_path)}
    graphics(tmp_path)
    seen.add(fingerprint(tmp_path))
    library = tmp_path / "usr/lib/x86_64-linux-gnu/libmfx-gen.so.1.2"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"driver")
    seen.add(fingerprint(tmp_path))
    library.write_bytes(b"a newer driver")
    seen.add(fingerprint(tmp_path))
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/version").write_text("Linux 6.1")
    seen.add(fingerprint(tmp_path))
    assert len(seen) == 5
    assert fingerprint(tmp_path) in seen
