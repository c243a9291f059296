"""Which hardware encoder a sender tries: the configured one, or the probe's best, or none, with the reason."""

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from daemon import hardware_encoder
from daemon.config import CaptureConfig, Config, EncoderConfig, IdentityConfig, LinkConfig, Role, StatusConfig
from daemon.encoder_trial import SOFTWARE_NAME, Trial
from daemon.encoder_verdict import Verdict
from daemon.hardware_encoder import HardwareOffer
from daemon.picture.encoder_choice import EncoderChoice
from daemon.picture.quarantine import Quarantine
from hw.encoders.watched import WatchedEncoder
from hw.encoders.x264 import X264Encoder
from hw.errors import DeviceAddressError

SOFTWARE = Trial(SOFTWARE_NAME, "", 5.0, 8.0, 12.0)
QSV = Trial("h264_qsv", "", 90.0, 4.0, 6.0)


class Choice(EncoderChoice):
    """Notes what it is offered."""

    def __init__(self) -> None:
        super().__init__(X264Encoder(), note_state=lambda state, cause: None)
        self.offers: list[Quarantine] = []

    def offer(self, make: Callable[[], WatchedEncoder], quarantine: Quarantine) -> None:
        self.offers.append(quarantine)


class Sender:
    def __init__(self, folder: Path) -> None:
        self.choice = Choice()
        self.told: list[str] = []
        self.stopping = threading.Event()
        self.verdict_path = folder / "encoders.json"
        self._config = Config(
            role=Role.SENDER,
            identity=IdentityConfig(certificate="", key="", authority=""),
            link=LinkConfig(peer_name="peer"),
            capture=CaptureConfig(),
            status=StatusConfig(socket=str(folder / "sender.sock")),
        )

    def run(self, device: str) -> list[str]:
        """Returns the devices offered."""
        config = msgspec.structs.replace(self._config, encoder=EncoderConfig(device=device))
        HardwareOffer(config, self.choice, self.told.append, self.stopping).run()
        return [quarantine._record.device for quarantine in self.choice.offers]


@pytest.fixture
def sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sender:
    """On a machine whose every hardware encoder is worth a try."""
    made = Sender(tmp_path)
    monkeypatch.setattr(hardware_encoder, "obstacle", lambda entry: "")
    monkeypatch.setattr(hardware_encoder, "verdict_path", lambda: made.verdict_path)
    monkeypatch.setattr(hardware_encoder, "load_verdict", lambda path: None)
    monkeypatch.setattr(hardware_encoder, "PROBE_AFTER_S", 0.0)
    return made


def test_a_name_is_offered_and_an_unknown_one_is_a_fault_of_the_configuration(sender: Sender) -> None:
    assert sender.run("h264_qsv") == ["h264_qsv"]
    with pytest.raises(DeviceAddressError, match=r"'h264_magic' is not an encoder.*h264_qsv"):
        sender.run("h264_magic")


def test_software_is_told_and_nothing_is_offered(sender: Sender) -> None:
    assert sender.run("software") == []
    assert sender.told == ["libx264 in software: as configured"]


def test_a_box_without_hardware_is_told_so_and_probes_nothing(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware_encoder, "obstacle", lambda entry: "no device")
    monkeypatch.setattr(hardware_encoder, "find_verdict", lambda *how: pytest.fail("probed"))
    assert sender.run("auto") == []
    assert sender.told == ["libx264 in software: this box has no hardware encoder"]


def test_the_verdict_that_counts_is_used(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware_encoder, "load_verdict", lambda path: Verdict((QSV, SOFTWARE), "", ""))
    monkeypatch.setattr(hardware_encoder, "find_verdict", lambda *how: pytest.fail("probed"))
    assert sender.run("auto") == ["h264_qsv"]


def test_without_one_it_is_found_and_kept(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware_encoder, "find_verdict", lambda *how: Verdict((QSV, SOFTWARE), "", ""))
    assert sender.run("auto") == ["h264_qsv"]
    assert msgspec.json.decode(sender.verdict_path.read_bytes(), type=Verdict).best_hardware == "h264_qsv"


def test_where_software_is_best_it_is_told(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware_encoder, "find_verdict", lambda *how: Verdict((SOFTWARE,), "", ""))
    assert sender.run("auto") == []
    assert "the best that works" in sender.told[0]


def test_a_sender_that_is_stopped_keeps_no_half_verdict(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(stopping: threading.Event, niceness: int) -> Verdict:
        stopping.set()
        return Verdict((), "", "")

    monkeypatch.setattr(hardware_encoder, "find_verdict", find)
    assert sender.run("auto") == []
    assert not sender.verdict_path.exists()
