"""`cathlink-provision`: identities for appliances."""

import argparse
import shlex
import sys
from pathlib import Path

from hw.errors import CathlinkError
from provisioning.lab import make_lab


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 done, 1 fault, 2 bad arguments. A failure is one line on stderr."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.command(options)
    except CathlinkError as error:
        print(f"cathlink-provision: {error}", file=sys.stderr)
        return error.exit_code
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cathlink-provision", description="Make the identities of cathlink appliances."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    lab = commands.add_parser(
        "lab",
        help="a throw-away authority, a sender and a receiver, ready to run on this machine",
        description="Make a throw-away authority, two identities that trust each other, and their configurations.",
    )
    lab.add_argument("directory", type=Path, metavar="DIR", help="where to make it; created if need be")
    lab.add_argument("--force", action="store_true", help="replace a lab that is there already")
    lab.set_defaults(command=_lab)
    return parser


def _lab(options: argparse.Namespace) -> int:
    lab = make_lab(options.directory, replace=options.force)
    print(f"Made a lab in {options.directory}: {', '.join(path.name for path in lab.files)}")
    print("It is for trials only. Start the receiver, then the sender, each in its own terminal:")
    for config in (lab.receiver_config, lab.sender_config):
        print(f"  cathlink run --config {shlex.quote(str(config))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
