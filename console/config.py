"""`console.toml`: frozen structs; errors name the file and the key."""

import tomllib
from pathlib import Path

import msgspec

from console.errors import UsageError


class BrokerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`address`: HOST:PORT, HOST as in the broker's certificate. The console has a certificate of its own."""

    address: str
    certificate: str
    key: str
    authority: str


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Without `certificate` the page is plain HTTP: for this machine alone, or behind a proxy that speaks HTTPS.

    `proxy_user_header` names the header in which a proxy that has signed the user in (OpenID Connect) says who it is;
    then `listen` must be reachable by that proxy alone. `metrics_token`: what Prometheus must show; empty: no metrics.
    """

    listen: str = "127.0.0.1:8090"
    certificate: str = ""
    key: str = ""
    users: str = "users.toml"
    proxy_user_header: str = ""
    metrics_token: str = ""


class HistoryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`url`: as SQLAlchemy has it; several consoles may share one PostgreSQL."""

    url: str = "sqlite:///history.db"
    keep_days: int = 90


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    broker: BrokerConfig
    web: WebConfig = WebConfig()
    history: HistoryConfig = HistoryConfig()


def load_config(path: Path) -> Config:
    """Relative paths in it are relative to its folder. Raises UsageError with one line."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        config = msgspec.convert(table, Config)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})", "see docs/console.md") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML ({error})") from error
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at ")
        key = where.strip("`").removeprefix("$").removeprefix(".")
        raise UsageError(f"{path}: {key or 'top'}: {problem[:1].lower()}{problem[1:]}") from error
    for key, address in {"broker.address": config.broker.address, "web.listen": config.web.listen}.items():
        host_and_port(address, f"{path}: {key}")
    return _absolute(config, path.resolve().parent)


def host_and_port(address: str, where: str) -> tuple[str, int]:
    """Raises UsageError naming `where`."""
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise UsageError(f"{where}: {address!r} is not an address", "write it as HOST:PORT")
    return host.strip("[]"), int(port)


def _absolute(config: Config, folder: Path) -> Config:
    def beside(name: str) -> str:
        return str(folder / name) if name else ""

    broker = msgspec.structs.replace(
        config.broker,
        certificate=beside(config.broker.certificate),
        key=beside(config.broker.key),
        authority=beside(config.broker.authority),
    )
    web = msgspec.structs.replace(
        config.web,
        certificate=beside(config.web.certificate),
        key=beside(config.web.key),
        users=beside(config.web.users),
    )
    history = config.history
    if history.url.startswith("sqlite:///") and not history.url.startswith("sqlite:////"):
        history = msgspec.structs.replace(history, url="sqlite:///" + beside(history.url.removeprefix("sqlite:///")))
    return msgspec.structs.replace(config, broker=broker, web=web, history=history)
