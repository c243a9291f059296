"""The command `cathlink`: arguments, configuration, role -> supervisor.

Exit codes: 0 done, 1 fault, 2 bad arguments or configuration.
"""

import argparse
import os
import sys
from pathlib import Path

from daemon import log
from daemon.config import load_config
from hw.errors import CathlinkError


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except CathlinkError as error:
        print(f"cathlink: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # `cathlink status --watch | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cathlink", description="Live supervision of coronary angioplasty at a distance."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run this box's daemon")
    _add_config(run)
    run.set_defaults(command=_run)

    status = commands.add_parser("status", help="ask the running daemon for picture truth and path figures")
    _add_config(status)
    status.add_argument("--json", action="store_true", help="one line of JSON")
    status.add_argument("--watch", action="store_true", help="go on, twice a second")
    status.set_defaults(command=_status)

    demo = commands.add_parser("demo", help="sender, receiver and a page with the live picture, all on this machine")
    demo.add_argument("--clip", type=Path, help="a recording to send instead of the synthetic X-ray")
    demo.add_argument("--port", type=int, default=8080, help="port of the page (default: %(default)s; 0: any)")
    demo.set_defaults(command=_demo)

    bench = commands.add_parser("bench", help="measure latency, CPU and memory of the corridor on this machine")
    bench.add_argument("--seconds", type=float, default=20.0)
    bench.add_argument(
        "--json", type=Path, default=Path("bench-results/bench.json"), help="where to save (%(default)s)"
    )
    bench.add_argument("--link", action="store_true", help="through good and bad paths, one row each")
    bench.set_defaults(command=_bench)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key, e.g. encoder.bitrate_bps=4000000",
    )


def _run(options: argparse.Namespace) -> int:
    from daemon.picture.layout_file import load_layouts
    from daemon.supervisor import run_supervisor
    from provisioning.identity import Identity

    log.set_up("supervisor")
    config = load_config(options.config, options.set)
    # The link process loads it again; here its faults are still one line and an exit code.
    Identity.load(Path(config.identity.certificate), Path(config.identity.key), Path(config.identity.authority))
    if config.capture.layout:  # as does the video process
        load_layouts(Path(config.capture.layout))
    return run_supervisor(config)


def _status(options: argparse.Namespace) -> int:
    from daemon.status import print_status

    config = load_config(options.config, options.set)
    print_status(config.status.socket, as_json=options.json, watch=options.watch)
    return 0


def _demo(options: argparse.Namespace) -> int:
    from daemon.demo import run_demo

    return run_demo(clip=options.clip, web_port=options.port)


def _bench(options: argparse.Namespace) -> int:
    if options.link:
        from daemon.bench_link import run_link_bench

        return run_link_bench(seconds=options.seconds, save_to=options.json)
    from daemon.bench import run_bench

    return run_bench(seconds=options.seconds, save_to=options.json)
