"""The configuration: every mistake gives one line with the file, the key and what to do."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config import Config, Role, load_config, split_address
from daemon.errors import ConfigError
from hw.errors import USAGE_EXIT_CODE
from provisioning.lab import make_lab

RECEIVER = """\
role = "receiver"
[identity]
certificate = "receiver.crt"
key = "/elsewhere/receiver.key"
authority = "authority.crt"
[link]
listen = "127.0.0.1:47000"
peer_name = "sender.lab.cathlink"
"""
SENDER = RECEIVER.replace('"receiver"', '"sender"').replace("listen", "peer") + '[capture]\ndevice = "phantom:64x64"\n'


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "box.toml"
    path.write_text(RECEIVER)
    return path


def mistake(path: Path, *overrides: str) -> str:
    """The one line that a wrong configuration gives."""
    with pytest.raises(ConfigError) as caught:
        load_config(path, list(overrides))
    assert caught.value.exit_code == USAGE_EXIT_CODE
    line = str(caught.value)
    assert line.count("\n") == 0
    return line


def test_a_receiver_with_its_defaults_and_absolute_paths(config_path: Path) -> None:
    config = load_config(config_path)
    assert config.role is Role.RECEIVER
    assert config.identity.certificate == str(config_path.parent / "receiver.crt")
    assert config.identity.key == "/elsewhere/receiver.key"
    assert (config.display.device, config.encoder.bitrate_bps) == ("none:", 6_000_000)


def test_management_is_a_table_of_its_own_with_paths_made_absolute(config_path: Path) -> None:
    assert load_config(config_path).manage is None
    config_path.write_text(RECEIVER + '[manage]\nbroker = "broker.example:8883"\nsite = "lyon-sud"\n')
    manage = load_config(config_path).manage
    assert manage is not None
    assert manage.operators == str(config_path.parent / "operators.toml")
    assert manage.directory == "/var/lib/cathlink/manage"
    assert "manage.broker" in mistake(config_path, "manage.broker=broker.example")
    for site in ("a/b", "+", "#", "", "$SYS"):
        assert "manage.site" in mistake(config_path, f"manage.site={site!r}")


def test_both_configurations_of_a_lab_load(tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "lab")
    assert load_config(lab.sender_config).role is Role.SENDER
    assert load_config(lab.receiver_config).role is Role.RECEIVER


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("encoder.bitrate_bps=4000000", lambda config: config.encoder.bitrate_bps == 4_000_000),
        ("encoder.bitrate_bps = 4_000_000", lambda config: config.encoder.bitrate_bps == 4_000_000),
        ("encoder.lossless=true", lambda config: config.encoder.lossless is True),
        ("encoder.preset=ultrafast", lambda config: config.encoder.preset == "ultrafast"),
        ('encoder.preset="ultrafast"', lambda config: config.encoder.preset == "ultrafast"),
        ("link.listen=[::1]:5000", lambda config: config.link.listen == "[::1]:5000"),
        ("display.device=raw:-?format=gray8", lambda config: config.display.device == "raw:-?format=gray8"),
        ("serial.panel=usb-panel-if00", lambda config: config.serial.panel == "usb-panel-if00"),
        ("status.socket=here.sock", lambda config: config.status.socket.endswith("/here.sock")),
    ],
)
def test_overrides_replace_a_key(config_path: Path, override: str, read) -> None:  # type: ignore[no-untyped-def]
    assert read(load_config(config_path, [override]))


def test_the_last_override_wins(config_path: Path) -> None:
    config = load_config(config_path, ["encoder.preset=fast", "encoder.preset=slow"])
    assert config.encoder.preset == "slow"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("encoder.speed=3", ["encoder.speed: unknown key", "remove it"]),
        ("speed=3", ["speed: unknown key"]),
        ("encoder.bitrate_bps=fast", ["encoder.bitrate_bps: ", "int"]),
        ("encoder.bitrate_bps=10", ["encoder.bitrate_bps: ", ">= 150000"]),
        ("encoder.lossless=1", ["encoder.lossless: ", "bool"]),
        ("link.rekey_after_s=0", ["link.rekey_after_s: "]),
        ("link.peer_name=7", ["link.peer_name: "]),
        ("role=doctor", ["role: ", "doctor"]),
        ("link.listen=", ["link.listen: missing", "needs it"]),
        ("link.listen=nowhere", ["link.listen: 'nowhere'", "HOST:PORT"]),
        ("link.listen=127.0.0.1:0", ["link.listen: "]),
        ("link.listen=127.0.0.1:65536", ["link.listen: "]),
        ("serial.panel=dev/ttyUSB0", ["serial.panel: 'dev/ttyUSB0'", "/dev/serial/by-id"]),
        ("serial.xray=usb-box", ["serial.xray: a receiver does not use it"]),
        ("serial.switcher=/dev/ttyS0", ["serial.switcher: a receiver does not use it"]),
        ("serial.pedal=x", ["serial.pedal: unknown key"]),
        ("link.peer=127.0.0.1:5", ["link.peer: a receiver does not use it", "remove it"]),
        ("capture.device=phantom:64x64", ["capture.device: a receiver does not use it"]),
        ("capture.layout=layout.toml", ["capture.layout: a receiver does not use it"]),
        ("picture.filter=safe", ["picture.filter: a receiver does not use it"]),
        ("picture.filter=strong", ["picture.filter: ", "strong"]),
        ("encoder=3", ["encoder: "]),
    ],
)
def test_a_wrong_value_names_file_and_key(config_path: Path, override: str, words: list[str]) -> None:
    line = mistake(config_path, override)
    for word in [str(config_path), *words]:
        assert word in line


@pytest.mark.parametrize("override", ["encoder", "=3", ".preset=fast", "encoder..preset=fast", ""])
def test_an_override_without_key_or_value_says_how_to_write_one(config_path: Path, override: str) -> None:
    assert "KEY=VALUE" in mistake(config_path, override)


def test_an_override_inside_a_value_is_refused(config_path: Path) -> None:
    assert "'role' is a value" in mistake(config_path, "role.name=x")


@pytest.mark.parametrize("key", ["role", "certificate", "key", "authority", "peer_name"])
def test_a_missing_key_is_named(config_path: Path, key: str) -> None:
    lines = [line for line in RECEIVER.splitlines() if not line.startswith(f"{key} =")]
    config_path.write_text("\n".join(lines))
    line = mistake(config_path)
    assert str(config_path) in line
    assert f"{key}: missing: add it" in line


@pytest.mark.parametrize(("key", "cut"), [("link.peer", "peer ="), ("capture.device", "device =")])
def test_a_sender_needs_its_peer_and_its_source(config_path: Path, key: str, cut: str) -> None:
    config_path.write_text("\n".join(line for line in SENDER.splitlines() if not line.startswith(cut)))
    assert f"{config_path}: {key}: missing: a sender needs it" in mistake(config_path)


def test_the_layout_lies_beside_the_configuration(config_path: Path) -> None:
    config_path.write_text(SENDER)
    assert load_config(config_path).capture.layout == ""
    config = load_config(config_path, ["capture.layout=layout.toml"])
    assert config.capture.layout == str(config_path.parent / "layout.toml")


def test_a_sender_does_not_listen(config_path: Path) -> None:
    config_path.write_text(SENDER)
    assert load_config(config_path).role is Role.SENDER
    assert "link.listen: a sender does not use it" in mistake(config_path, "link.listen=127.0.0.1:5")


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    line = mistake(tmp_path / "no.toml")
    assert str(tmp_path / "no.toml") in line
    assert "cathlink-provision lab" in line


def test_a_folder_is_not_a_configuration(tmp_path: Path) -> None:
    assert f"{tmp_path}: cannot be read" in mistake(tmp_path)


@pytest.mark.parametrize("content", [b"role = \xff", b"\x00\x01", b"role = ", b"[link\n", b'role = "a"\nrole = "b"'])
def test_what_is_no_toml_is_named(config_path: Path, content: bytes) -> None:
    config_path.write_bytes(content)
    assert str(config_path) in mistake(config_path)


@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)), override=st.text(max_size=40))
def test_any_content_gives_a_config_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, override: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    for text, overrides in ((content, []), (RECEIVER.encode(), [override])):
        path.write_bytes(text)
        said = ""
        try:
            assert isinstance(load_config(path, overrides), Config)
        except ConfigError as error:
            said = str(error)
        assert "\n" not in said


@pytest.mark.parametrize(
    ("text", "address"),
    [("192.0.2.7:47000", ("192.0.2.7", 47000)), ("[::1]:5", ("::1", 5)), ("box.lan:65535", ("box.lan", 65535))],
)
def test_an_address_is_split(text: str, address: tuple[str, int]) -> None:
    assert split_address(text, "link.peer") == address


@pytest.mark.parametrize(
    "text", ["", ":5", "host", "host:", "host:x", "host:-1", "host:0", "host:70000", "host:\u00b2"]
)
def test_what_is_no_address_names_its_key(text: str) -> None:
    with pytest.raises(ConfigError, match=r"link\.peer"):
        split_address(text, "link.peer")
