"""`cathlink-provision lab`: two devices that trust each other, and configurations that load."""

import stat
import tomllib
from pathlib import Path

import pytest

from daemon.config import Role, load_config
from daemon.picture.layout_file import load_layouts
from provisioning.authority import ProvisioningError
from provisioning.cli import main
from provisioning.identity import Identity
from provisioning.lab import BROKER_NAME, CONSOLE_NAME, RECEIVER_NAME, SENDER_NAME, LabExistsError, make_lab

NAMES = {
    "authority.crt",
    "layout.toml",
    *(f"{role}.{kind}" for role in ("sender", "receiver") for kind in ("crt", "key", "toml")),
    *(f"{role}.{kind}" for role in ("broker", "console") for kind in ("crt", "key")),
    "operators.toml",
    "console.toml",
    "operator.key",
}


def test_a_lab_is_complete_and_its_keys_are_closed(tmp_path):
    lab = make_lab(tmp_path / "new" / "lab")
    directory = tmp_path / "new" / "lab"
    assert {path.name for path in directory.iterdir()} == NAMES == {path.name for path in lab.files}
    assert {path.name for path in lab.files if stat.S_IMODE(path.stat().st_mode) == 0o600} == {
        "sender.key",
        "receiver.key",
        "broker.key",
        "console.key",
        "operator.key",
    }
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("role", "name", "peer"), [("sender", SENDER_NAME, RECEIVER_NAME), ("receiver", RECEIVER_NAME, SENDER_NAME)]
)
def test_a_configuration_leads_to_a_good_identity(tmp_path, role, name, peer):
    lab = make_lab(tmp_path, link_port=47123)
    path = lab.sender_config if role == "sender" else lab.receiver_config
    config = tomllib.loads(path.read_text())
    paths = [path.parent / config["identity"][key] for key in ("certificate", "key", "authority")]
    identity = Identity.load(*paths)
    assert (config["role"], identity.name, config["link"]["peer_name"]) == (role, name, peer)
    assert config["link"]["peer" if role == "sender" else "listen"] == "127.0.0.1:47123"
    assert config["status"]["socket"] == f"{role}.sock"


def test_the_configurations_have_the_agreed_keys(tmp_path):
    lab = make_lab(tmp_path)
    sender = tomllib.loads(lab.sender_config.read_text())
    receiver = tomllib.loads(lab.receiver_config.read_text())
    assert sender.pop("capture") == {"device": "phantom:1024x1024@15", "layout": "layout.toml"}
    assert sender.pop("encoder") == {"bitrate_bps": 6_000_000, "preset": "superfast"}
    assert sender.pop("display") == {"device": "none:"}
    assert receiver.pop("display") == {"device": "web:127.0.0.1:8080"}
    assert sender.keys() == receiver.keys() == {"role", "identity", "link", "status"}
    assert sender["link"] == {"peer": "127.0.0.1:47000", "peer_name": RECEIVER_NAME}
    assert receiver["link"] == {"listen": "127.0.0.1:47000", "peer_name": SENDER_NAME}


def test_the_daemon_reads_the_configurations(tmp_path):
    lab = make_lab(tmp_path)
    for path, role in ((lab.sender_config, Role.SENDER), (lab.receiver_config, Role.RECEIVER)):
        config = load_config(path)
        assert config.role is role
        assert config.identity.key == str(tmp_path / f"{role}.key")
    (layout,) = load_layouts(Path(load_config(lab.sender_config).capture.layout)).layouts
    assert layout.no_identity
    assert layout.is_for(1024, 1024)


def test_the_authority_of_a_lab_issues_further_identities(tmp_path):
    lab = make_lab(tmp_path)
    identity = lab.authority.issue("third.lab.cathlink")
    sender = Identity.load(tmp_path / "sender.crt", tmp_path / "sender.key", tmp_path / "authority.crt")
    assert identity.authorities == sender.authorities


def test_with_a_broker_both_devices_are_managed_and_without_one_neither(tmp_path):
    lab = make_lab(tmp_path, broker_port=18830)
    for path, role in ((lab.sender_config, Role.SENDER), (lab.receiver_config, Role.RECEIVER)):
        manage = load_config(path).manage
        assert (manage.broker, manage.site) == (f"{BROKER_NAME}:18830", "lab")
        assert manage.directory == str(tmp_path / f"{role}.manage")
        assert manage.operators == str(tmp_path / "operators.toml")
    lab = make_lab(tmp_path, replace=True)
    assert load_config(lab.sender_config).manage is None
    lab.sender_config.write_text(
        lab.sender_config.read_text()
        .replace("# [manage]", "[manage]")
        .replace("# broker", "broker")
        .replace("# site", "site")
    )
    assert load_config(lab.sender_config).manage.site == "lab"


def test_brokers_and_consoles_certificates_are_of_the_lab(tmp_path):
    make_lab(tmp_path)
    for role, name in (("broker", BROKER_NAME), ("console", CONSOLE_NAME)):
        identity = Identity.load(tmp_path / f"{role}.crt", tmp_path / f"{role}.key", tmp_path / "authority.crt")
        assert identity.name == name


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_lab_is_not_replaced_unasked(tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(LabExistsError, match="there is a lab already"):
        make_lab(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "precious"
    make_lab(tmp_path, replace=True)
    assert (tmp_path / name).read_text() != "precious"


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ProvisioningError, match="cannot be made"):
        make_lab(tmp_path / "file" / "lab")


def test_the_command_says_what_it_made_and_what_comes_next(tmp_path, capsys):
    directory = tmp_path / "my lab"
    assert main(["lab", str(directory)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert all(name in out for name in NAMES)
    receiver, sender = (f"  cathlink run --config '{directory}/{role}.toml'\n" for role in ("receiver", "sender"))
    assert out.endswith(receiver + sender)


def test_the_command_refuses_in_one_line_and_obeys_force(tmp_path, capsys):
    assert main(["lab", str(tmp_path)]) == 0
    before = (tmp_path / "sender.crt").read_bytes()
    capsys.readouterr()
    assert main(["lab", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("cathlink-provision: ")
    assert "--force" in err
    assert (tmp_path / "sender.crt").read_bytes() == before
    assert main(["lab", str(tmp_path), "--force"]) == 0
    assert (tmp_path / "sender.crt").read_bytes() != before


def test_a_fault_has_exit_code_1_and_bad_arguments_2(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["lab", str(tmp_path / "file" / "lab")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit) as caught:
        main(["lab"])
    assert caught.value.code == 2
