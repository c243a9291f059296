"""`cathlink-console`: serve the fleet's page; list, watch, show and command devices from a terminal.

Exit codes: 0 done, 1 fault (a refused command among them), 2 bad arguments or configuration.
"""

import argparse
import asyncio
import getpass
import logging
import sys
from pathlib import Path

from console.accounts import Role, set_user
from console.config import load_config
from console.errors import ConsoleError, UsageError
from console.keys import OperatorKeyFile

DEFAULT_CONFIG = Path("/etc/cathlink-console/console.toml")


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    try:
        return int(options.run(options))
    except ConsoleError as error:
        print(f"cathlink-console: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # `cathlink-console list | head`
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cathlink-console", description="See and command a fleet of cathlink boxes.")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="(default: %(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="the fleet's page, for browsers")
    serve.set_defaults(run=_serve)

    listing = commands.add_parser("list", help="every device, a line each")
    _add_json(listing)
    listing.set_defaults(run=_list)

    watch = commands.add_parser("watch", help="the same, live, until Ctrl-C")
    watch.set_defaults(run=_watch)

    show = commands.add_parser("show", help="all that is known of one device")
    show.add_argument("device", metavar="[SITE/]DEVICE")
    _add_json(show)
    show.set_defaults(run=_show)

    send = commands.add_parser("send", help="sign a command, send it, wait for the device's signed answer")
    send.add_argument("device", metavar="[SITE/]DEVICE")
    send.add_argument("command")
    send.add_argument("arguments", nargs="*", metavar="KEY=VALUE")
    send.add_argument(
        "--key", type=Path, action="append", required=True, help="operator's key file; twice for two signers"
    )
    send.add_argument("--wait", type=float, default=30.0, metavar="S", help="for the answer (default: %(default)s)")
    _add_json(send)
    send.set_defaults(run=_send)

    keys = commands.add_parser("keys", help="operators' keys").add_subparsers(required=True, metavar="WHAT")
    new = keys.add_parser("new", help="make one")
    new.add_argument("file", type=Path)
    new.add_argument("--password", action="store_true", help="protect the file by a password, asked for")
    new.set_defaults(run=_new_key)
    public = keys.add_parser("public", help="what to write into a device's operators.toml")
    public.add_argument("file", type=Path)
    public.add_argument("--name", required=True)
    public.add_argument("--role", choices=[role.value for role in Role if role is not Role.VIEWER], required=True)
    public.set_defaults(run=_public_key)

    user = commands.add_parser("user", help="add or change who may sign in to the page; asks for the password")
    user.add_argument("name")
    user.add_argument("--role", choices=[role.value for role in Role], default=Role.VIEWER.value)
    user.add_argument("--no-password", action="store_true", help="a proxy signs them in")
    user.set_defaults(run=_user)

    audit = commands.add_parser("audit", help="devices' audit logs").add_subparsers(required=True, metavar="WHAT")
    verify = audit.add_parser("verify", help="check that nothing was changed or taken out")
    verify.add_argument("file", type=Path, nargs="+", help="the log's files, the oldest first")
    verify.add_argument("--head", help="SHA-256 of its last line, as the device's newest answer says")
    verify.set_defaults(run=_verify_audit)

    export = commands.add_parser("export", help="the history as JSON, a line each")
    export.add_argument("what", choices=("events", "cases", "commands", "minutes"))
    export.add_argument("--device", metavar="SITE/DEVICE", help="of one device (needed for minutes)")
    export.add_argument("--days", type=int, default=30, help="of minutes (default: %(default)s)")
    export.add_argument("--limit", type=int, default=100_000, help="rows (default: %(default)s)")
    export.set_defaults(run=_export)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def _serve(options: argparse.Namespace) -> int:
    from console.web.server import serve

    serve(load_config(options.config), options.config)
    return 0


def _list(options: argparse.Namespace) -> int:
    from console.terminal import list_fleet

    return asyncio.run(list_fleet(load_config(options.config), as_json=options.json))


def _watch(options: argparse.Namespace) -> int:
    from console.terminal import watch_fleet

    return asyncio.run(watch_fleet(load_config(options.config)))


def _show(options: argparse.Namespace) -> int:
    from console.terminal import show_device

    return asyncio.run(show_device(load_config(options.config), options.device, as_json=options.json))


def _send(options: argparse.Namespace) -> int:
    from console.terminal import send_command

    keys, arguments = [_load_key(path) for path in options.key], _arguments(options.arguments)
    return asyncio.run(
        send_command(
            load_config(options.config),
            options.device,
            options.command,
            arguments,
            keys,
            wait_s=options.wait,
            as_json=options.json,
        )
    )


def _arguments(texts: list[str]) -> dict[str, str | int | float | bool]:
    """ "key=value"; numbers, true and false as such. Raises UsageError."""
    arguments: dict[str, str | int | float | bool] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"{text!r} is no argument", "write it as KEY=VALUE")
        arguments[key] = _value(value)
    return arguments


def _value(text: str) -> str | int | float | bool:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _load_key(path: Path) -> OperatorKeyFile:
    try:
        return OperatorKeyFile.load(path)
    except UsageError as error:
        if "password" not in str(error).lower() or not sys.stdin.isatty():
            raise
        return OperatorKeyFile.load(path, getpass.getpass(f"Password of {path}: ").encode())


def _new_key(options: argparse.Namespace) -> int:
    password = _asked_password("Password of the key: ").encode() if options.password else None
    key = OperatorKeyFile.make(options.file, password)
    print(f"Made {options.file}, key {key.key_id}. Its public half: cathlink-console keys public {options.file} ...")
    return 0


def _public_key(options: argparse.Namespace) -> int:
    print(_load_key(options.file).operators_line(options.name, options.role), end="")
    return 0


def _user(options: argparse.Namespace) -> int:
    path = Path(load_config(options.config).web.users)
    password = "" if options.no_password else _asked_password(f"Password of {options.name}: ")
    set_user(path, options.name, Role(options.role), password)
    print(f"{options.name} may sign in as {options.role}.")
    return 0


def _asked_password(prompt: str) -> str:
    """From the terminal, twice; from a pipe, its first line."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass(prompt)
    if getpass.getpass("Again: ") != first:
        raise UsageError("the two are not the same", "try again")
    return first


def _verify_audit(options: argparse.Namespace) -> int:
    from console.audit import verify

    head = verify(options.file, options.head)
    print(f"{head.lines} lines, none changed, none missing. Last: {head.n} {head.hash}")
    return 0


def _export(options: argparse.Namespace) -> int:
    from console.export import export

    export(load_config(options.config), options.what, options.device, options.days, options.limit)
    return 0


if __name__ == "__main__":
    sys.exit(main())
