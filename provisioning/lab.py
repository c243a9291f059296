"""A laboratory: a throw-away authority, a sender and a receiver that trust each other, and a configuration for each.

The authority's key is never written: nobody can add a device to a lab later, whoever gets hold of its files.
"""

import base64
import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hw.errors import USAGE_EXIT_CODE, CathlinkError
from provisioning.authority import Authority, ProvisioningError, write_file, write_identity

BROKER_NAME = "localhost"
DEFAULT_BROKER_PORT = 8883
CONSOLE_NAME = "console.lab.cathlink"
SENDER_NAME = "sender.lab.cathlink"
RECEIVER_NAME = "receiver.lab.cathlink"

_SENDER_TOML = """\
role = "sender"

[identity]
certificate = "sender.crt"
key = "sender.key"
authority = "authority.crt"

[link]
peer = "127.0.0.1:{link_port}"
peer_name = "{peer_name}"

[capture]
device = "phantom:1024x1024@15"
layout = "layout.toml"

[display]
device = "none:"

[encoder]
bitrate_bps = 6000000
preset = "superfast"

[status]
socket = "sender.sock"
{manage}"""

_RECEIVER_TOML = """\
role = "receiver"

[identity]
certificate = "receiver.crt"
key = "receiver.key"
authority = "authority.crt"

[link]
listen = "127.0.0.1:{link_port}"
peer_name = "{peer_name}"

[display]
device = "web:127.0.0.1:8080"

[status]
socket = "receiver.sock"
{manage}"""

_MANAGE_TOML = """
# Management by MQTT, with a broker that has the lab's broker.crt, broker.key and authority.crt: see docs/mqtt.md.
{comment}[manage]
{comment}broker = "{broker_name}:{broker_port}"
{comment}site = "lab"
{comment}directory = "{role}.manage"
"""

_OPERATORS_TOML = """\
# Whose commands the devices of this lab take. operator.key is the private half of the first.
[[operator]]
name = "operator of the lab"
role = "administrator"
key = "{key}"
"""

_CONSOLE_TOML = """\
# The lab's console. Who may sign in: cathlink-console --config console.toml user NAME --role administrator
[broker]
address = "{broker_name}:{broker_port}"
certificate = "console.crt"
key = "console.key"
authority = "authority.crt"

[web]
listen = "127.0.0.1:{console_port}"
"""

_LAYOUT_TOML = """\
# The sources of a lab are synthetic or anonymous. For a real console: cathlink layout --config sender.toml
[[layout]]
size = "any"
name = "laboratory"
no_identity = true
signed_off_by = "cathlink-provision lab"
signed_off_on = {today}
"""


class LabExistsError(CathlinkError):
    """The directory holds a lab already, whose devices would stop to trust each other."""

    exit_code = USAGE_EXIT_CODE


@dataclass(frozen=True, slots=True)
class Lab:
    """Where the files of a lab are, and its authority, with which a test can issue further identities."""

    sender_config: Path
    receiver_config: Path
    files: tuple[Path, ...]
    authority: Authority


def make_lab(
    directory: Path,
    *,
    link_port: int = 47000,
    broker_port: int | None = None,
    console_port: int = 8081,
    replace: bool = False,
) -> Lab:
    """Make a lab in `directory`, which is created if need be (mode 0700). The receiver listens on `link_port`.

    With `broker_port` both are managed through a broker there; without, the table for it is there as a comment.

    Raises LabExistsError when any of its files is there and `replace` is False, ProvisioningError when they cannot be
    written.
    """
    names = [f"{role}.{kind}" for role in ("sender", "receiver") for kind in ("crt", "key", "toml")]
    names += [f"{role}.{kind}" for role in ("broker", "console") for kind in ("crt", "key")]
    names += ["authority.crt", "layout.toml", "operators.toml", "operator.key", "console.toml"]
    files = tuple(directory / name for name in names)
    present = [path for path in files if path.exists()]
    if present and not replace:
        raise LabExistsError(
            f"{present[0]}: there is a lab already", "choose another directory, or replace it with --force"
        )
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ProvisioningError(
            f"{directory}: cannot be made ({error.strerror})", "choose another directory"
        ) from error

    authority = Authority.make("cathlink lab authority")
    write_file(directory / "authority.crt", authority.certificate.public_bytes(Encoding.PEM))
    write_file(directory / "layout.toml", _LAYOUT_TOML.format(today=datetime.date.today()).encode())
    configs = {}
    for role, name, peer_name, template in (
        ("sender", SENDER_NAME, RECEIVER_NAME, _SENDER_TOML),
        ("receiver", RECEIVER_NAME, SENDER_NAME, _RECEIVER_TOML),
    ):
        write_identity(authority.issue(name), directory / f"{role}.crt", directory / f"{role}.key")
        configs[role] = directory / f"{role}.toml"
        manage = _MANAGE_TOML.format(
            comment="" if broker_port else "# ",
            broker_name=BROKER_NAME,
            broker_port=broker_port or DEFAULT_BROKER_PORT,
            role=role,
        )
        write_file(configs[role], template.format(link_port=link_port, peer_name=peer_name, manage=manage).encode())
    for role, name in (("broker", BROKER_NAME), ("console", CONSOLE_NAME)):
        write_identity(authority.issue(name), directory / f"{role}.crt", directory / f"{role}.key")
    console = _CONSOLE_TOML.format(
        broker_name=BROKER_NAME, broker_port=broker_port or DEFAULT_BROKER_PORT, console_port=console_port
    )
    write_file(directory / "console.toml", console.encode())
    _write_operator(directory)
    return Lab(configs["sender"], configs["receiver"], files, authority)


def _write_operator(directory: Path) -> None:
    private_key = ed25519.Ed25519PrivateKey.generate()
    secret = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_file(directory / "operator.key", secret, mode=0o600)
    public = base64.b64encode(private_key.public_key().public_bytes_raw()).decode()
    write_file(directory / "operators.toml", _OPERATORS_TOML.format(key=public).encode())
