"""The configuration: frozen structs, read from one TOML file, errors name the file and the key's path."""

import os
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from daemon.errors import ConfigError

BitRate = Annotated[int, msgspec.Meta(ge=150_000, le=200_000_000)]


class Role(StrEnum):
    SENDER = "sender"
    RECEIVER = "receiver"


class IdentityConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    certificate: str
    key: str
    authority: str


class LinkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The sender names its peer's address; the receiver listens. Both name the peer's certificate."""

    peer_name: str
    listen: str = ""
    peer: str = ""
    rekey_after_s: Annotated[int, msgspec.Meta(ge=10, le=86_400)] = 3600


class ColourChoice(StrEnum):
    """Whether pictures keep the colour of their source."""

    AUTO = "auto"  # while the image area shows any: picture.colour
    ALWAYS = "always"
    NEVER = "never"


class CaptureConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    device: str = ""
    layout: str = ""  # without one nothing is sent: see picture.layout
    colour: ColourChoice = ColourChoice.AUTO


class DisplayConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    device: str = "none:"


class EncoderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    bitrate_bps: BitRate = 6_000_000
    preset: str = "superfast"
    device: str = "auto"  # "software", or a name of hw.encoders.table
    retry_after_s: Annotated[float, msgspec.Meta(ge=0.05, le=3600)] = 10.0  # a hardware encoder that failed
    lossless: bool = False


class FilterChoice(StrEnum):
    OFF = "off"
    SAFE = "safe"


class PictureConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    filter: FilterChoice = FilterChoice.OFF


class SerialConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Ports by the name that udev gives them in /dev/serial/by-id, or by an absolute path; empty: no such device."""

    panel: str = ""
    xray: str = ""
    switcher: str = ""


class PointingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`catheter_french`: the outer diameter of the catheter that a line is laid across to give a picture its scale."""

    catheter_french: Annotated[float, msgspec.Meta(ge=1.0, le=30.0)] = 6.0


class VoiceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Without a device there is no voice. `headset`: nothing of the speaker reaches the microphone."""

    device: str = ""
    headset: bool = False
    packet_ms: Literal[10, 20] = 20
    bitrate_bps: Annotated[int, msgspec.Meta(ge=12_000, le=128_000)] = 32_000
    auto_answer: bool = False
    push_to_talk: bool = False


class StatusConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    socket: str = "/run/cathlink/status.sock"


class ManageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Without this table there is no management. `broker`: HOST:PORT, HOST as in the broker's certificate."""

    broker: str
    site: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    operators: str = "operators.toml"
    directory: str = "/var/lib/cathlink/manage"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    role: Role
    identity: IdentityConfig
    link: LinkConfig
    capture: CaptureConfig = CaptureConfig()
    display: DisplayConfig = DisplayConfig()
    encoder: EncoderConfig = EncoderConfig()
    picture: PictureConfig = PictureConfig()
    serial: SerialConfig = SerialConfig()
    pointing: PointingConfig = PointingConfig()
    voice: VoiceConfig = VoiceConfig()
    status: StatusConfig = StatusConfig()
    manage: ManageConfig | None = None


def load_config(path: Path, overrides: list[str] | None = None) -> Config:
    """Read `path`, apply `overrides` ("link.listen=0.0.0.0:47000"), make relative paths absolute.

    Raises ConfigError with one line that names the file, the key and the remedy.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file", "make one with 'cathlink-provision lab DIR'") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})", "check its permissions and encoding (UTF-8)") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    for override in overrides or []:
        _override(table, override)
    config = _convert(path, table)
    _check(path, config)
    return _absolute(config, path.resolve().parent)


def _override(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(f"--set {override!r}", "write it as KEY=VALUE, for example encoder.bitrate_bps=4000000")
    for name in names[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {override!r}: {name!r} is a value, not a table")
    table[names[-1]] = _toml_value(text.strip())


def _toml_value(text: str) -> Any:
    """A number, boolean or quoted string as TOML reads it; anything else is the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _convert(path: Path, table: dict[str, Any]) -> Config:
    try:
        return msgspec.convert(table, Config)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at ")
        key = where.strip("`").removeprefix("$").removeprefix(".")
        field = re.search(r"(?:field|required field) `(\w+)`", problem)
        if field:
            key = f"{key}.{field[1]}" if key else field[1]
            unknown = "unknown" in problem
            raise ConfigError(
                f"{path}: {key}: {'unknown key' if unknown else 'missing'}",
                "remove it or correct its name" if unknown else "add it",
            ) from error
        raise ConfigError(f"{path}: {key}: {problem[:1].lower()}{problem[1:]}") from error


def _check(path: Path, config: Config) -> None:
    if config.role is Role.SENDER:
        needed = {"link.peer": config.link.peer, "capture.device": config.capture.device}
        unwanted = {"link.listen": config.link.listen}
    else:
        needed = {"link.listen": config.link.listen}
        colour = "" if config.capture.colour is ColourChoice.AUTO else config.capture.colour
        capture = {
            "capture.device": config.capture.device,
            "capture.layout": config.capture.layout,
            "capture.colour": colour,
        }
        picture = {"picture.filter": "" if config.picture.filter is FilterChoice.OFF else config.picture.filter}
        serial = {"serial.xray": config.serial.xray, "serial.switcher": config.serial.switcher}
        unwanted = {"link.peer": config.link.peer} | capture | picture | serial
    for key, value in needed.items():
        if not value:
            raise ConfigError(f"{path}: {key}: missing", f"a {config.role} needs it")
    for key, value in unwanted.items():
        if value:
            raise ConfigError(f"{path}: {key}: a {config.role} does not use it", "remove it")
    for key in ("panel", "xray", "switcher"):
        _check_port(getattr(config.serial, key), f"{path}: serial.{key}")
    broker = config.manage.broker if config.manage else ""
    addresses = {"link.peer": config.link.peer, "link.listen": config.link.listen, "manage.broker": broker}
    for key, value in addresses.items():
        if value:
            split_address(value, f"{path}: {key}")


def _check_port(name: str, where: str) -> None:
    if "/" in name and not name.startswith("/"):
        raise ConfigError(
            f"{where}: {name!r} is neither a name nor an absolute path", "write a name of /dev/serial/by-id"
        )


def split_address(text: str, where: str) -> tuple[str, int]:
    """ "host:port" or "[v6]:port" -> (host, port). Raises ConfigError naming `where`."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigError(f"{where}: {text!r} is not an address", "write it as HOST:PORT, for example 192.0.2.7:47000")
    return host.strip("[]"), int(port)


def _absolute(config: Config, base: Path) -> Config:
    identity = msgspec.structs.replace(
        config.identity,
        certificate=os.path.join(base, config.identity.certificate),
        key=os.path.join(base, config.identity.key),
        authority=os.path.join(base, config.identity.authority),
    )
    capture = config.capture
    if capture.layout:
        capture = msgspec.structs.replace(capture, layout=os.path.join(base, capture.layout))
    status = msgspec.structs.replace(config.status, socket=os.path.join(base, config.status.socket))
    manage = config.manage
    if manage:
        operators, directory = os.path.join(base, manage.operators), os.path.join(base, manage.directory)
        manage = msgspec.structs.replace(manage, operators=operators, directory=directory)
    return msgspec.structs.replace(config, identity=identity, capture=capture, status=status, manage=manage)
