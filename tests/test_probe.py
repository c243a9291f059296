"""`cathlink probe`: encoders are tried where they can do no harm, ranked, and told in words."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.encoder_trial import SOFTWARE_NAME, Trial, try_encoder
from daemon.encoder_verdict import Verdict, load_verdict, ranked, run_trial, save_verdict
from daemon.main import main
from daemon.picture.quarantine import boot_id
from daemon.probe import describe, describe_captures
from daemon.probe_software import SoftwareRate, holds_hz
from hw.capture.v4l2_list import CaptureListing
from hw.encoders.fake import EncoderFault, FaultyEncoder
from hw.encoders.table import ACCELERATORS

RATES = [SoftwareRate(1024, 1024, 9.0, 10.0, 60.0, 50.0)]
SOFTWARE = Trial(SOFTWARE_NAME, "", 5.0, 8.0, 12.0)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (EncoderFault.RAISES, "raises"),
        (EncoderFault.SILENT, "0 access units"),
        (EncoderFault.NOISE, "does not decode"),
        (EncoderFault.TORN, "corrupt"),
        (EncoderFault.ANOTHER_PICTURE, "another picture"),
    ],
)
def test_what_an_encoder_does_wrong_is_told(fault: EncoderFault, words: str) -> None:
    assert words in try_encoder("fake", FaultyEncoder(lambda: fault)).why_not


def test_a_driver_that_takes_its_process_down_takes_no_other_down(tmp_path: Path) -> None:
    (tmp_path / "fault").write_text(EncoderFault.DIES)
    assert "SIGSEGV" in run_trial(f"fake:{tmp_path / 'fault'}").why_not


def test_a_driver_that_hangs_is_given_up() -> None:
    assert "hangs" in run_trial(SOFTWARE_NAME, limit_s=0.05).why_not


@given(
    st.lists(
        st.builds(
            Trial,
            st.sampled_from([SOFTWARE_NAME, "h264_qsv", "h264_nvenc"]),
            st.sampled_from(["", "no driver"]),
            st.just(1.0),
            st.floats(0.1, 100.0),
        )
    )
)
def test_the_first_works_if_any_does_and_no_hardware_wins_that_is_much_slower(trials: list[Trial]) -> None:
    order = ranked(trials)
    assert [bool(trial.why_not) for trial in order] == sorted(bool(trial.why_not) for trial in trials)
    best = Verdict(tuple(order), "", "").best_hardware
    software = [trial.image_ms for trial in trials if trial.name == SOFTWARE_NAME and not trial.why_not]
    if best is not None and software:
        assert order[0].image_ms <= min(software) + 5.0


def test_the_verdict_is_kept_for_this_boot_and_these_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cache" / "encoders.json"
    monkeypatch.setattr("daemon.encoder_verdict.fingerprint", lambda: "drivers")
    from daemon.encoder_verdict import _drivers

    verdict = Verdict((SOFTWARE,), boot_id(), _drivers())
    assert load_verdict(path) is None
    save_verdict(path, verdict)
    assert load_verdict(path) == verdict
    monkeypatch.setattr("daemon.encoder_verdict.fingerprint", lambda: "newer drivers")
    assert load_verdict(path) is None
    monkeypatch.undo()
    save_verdict(path, msgspec.structs.replace(verdict, boot_id="another boot"))
    assert load_verdict(path) is None
    path.write_bytes(b"{")
    assert load_verdict(path) is None


def test_a_box_without_hardware_is_told_why_and_what_it_holds() -> None:
    refused = tuple(Trial(entry.name, entry.device_words) for entry in ACCELERATORS)
    text = describe(Verdict((SOFTWARE, *refused), "", ""), RATES)
    for words in ("no graphics device (/dev/dri)", "This box encodes in software", "1024x1024", "60; with the noise"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 150


def test_a_box_with_hardware_is_told_so() -> None:
    text = describe(Verdict((Trial("h264_qsv", "", 90.0, 4.0, 6.0), SOFTWARE), "", ""), RATES)
    assert "encodes by h264_qsv" in text
    assert "Intel Quick Sync" in text


def test_what_a_box_holds_leaves_room_for_the_rest() -> None:
    assert holds_hz(8.0) == 60
    assert holds_hz(20.0) == 30
    assert holds_hz(1000.0) == 0


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("daemon.probe.software_rates", lambda: RATES)
    monkeypatch.setattr("daemon.encoder_verdict.obstacle", lambda entry: "not on this machine")
    assert main(["probe", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {trial["name"] for trial in answer["encoders"]} == {SOFTWARE_NAME, *(entry.name for entry in ACCELERATORS)}
    assert answer["software"][0]["holds_hz"] == 60
    assert (tmp_path / "encoders.json").exists()


def test_capture_devices_are_listed_with_their_address() -> None:
    assert "none" in describe_captures([])
    card = CaptureListing("v4l2:/dev/video0", "Card, HDMI 0", "no signal", ("YUYV: format=yuyv422",))
    assert describe_captures([card]).splitlines()[1:] == [
        "v4l2:/dev/video0  Card, HDMI 0",
        "    signal: no signal",
        "    YUYV: format=yuyv422",
    ]
