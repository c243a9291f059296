"""A laboratory: a throw-away authority, a sender and a receiver that trust each other, and a configuration for each.

The authority's key is never written: nobody can add a device to a lab later, whoever gets hold of its files.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from hw.errors import USAGE_EXIT_CODE, CathlinkError
from provisioning.authority import Authority, ProvisioningError, write_file, write_identity

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
"""

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


def make_lab(directory: Path, *, link_port: int = 47000, replace: bool = False) -> Lab:
    """Make a lab in `directory`, which is created if need be (mode 0700). The receiver listens on `link_port`.

    Raises LabExistsError when any of its files is there and `replace` is False, ProvisioningError when they cannot be
    written.
    """
    names = [f"{role}.{kind}" for role in ("sender", "receiver") for kind in ("crt", "key", "toml")]
    files = tuple(directory / name for name in ["authority.crt", "layout.toml", *names])
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
        write_file(configs[role], template.format(link_port=link_port, peer_name=peer_name).encode())
    return Lab(configs["sender"], configs["receiver"], files, authority)
