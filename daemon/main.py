"""The command `cathlink`: arguments, configuration, role -> supervisor.

Exit codes: 0 done, 1 fault, 2 bad arguments or configuration.
"""

import argparse
import os
import sys
from pathlib import Path

from daemon import log
from daemon.config import load_config
from daemon.simulate import add_simulate
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

    source = commands.add_parser(
        "source",
        help="another input of the sender's video switcher",
        description="At the sender it is switched; at the receiver the operator is asked. 'status' tells the outcome.",
    )
    source.add_argument("wish", metavar="N|accept|refuse", help="the input's number, or the operator's answer")
    _add_config(source)
    source.set_defaults(command=_source)

    self_test = commands.add_parser("selftest", help="is this box ready for a case? takes ten seconds")
    _add_config(self_test)
    self_test.add_argument("--json", action="store_true", help="one line of JSON")
    self_test.set_defaults(command=_self_test)

    voice = commands.add_parser("voice", help="the call of the running daemon: ring, answer, end, mute")
    voice.add_argument("wish", choices=("call", "accept", "end", "mute", "unmute", "talk", "release"))
    _add_config(voice)
    voice.set_defaults(command=_voice)

    demo = commands.add_parser("demo", help="sender, receiver and a page with the live picture, all on this machine")
    demo.add_argument("--clip", type=Path, help="a recording to send instead of the synthetic X-ray")
    demo.add_argument("--port", type=int, default=8080, help="port of the page (default: %(default)s; 0: any)")
    demo.set_defaults(command=_demo)

    probe = commands.add_parser("probe", help="try the encoders of this machine, and what it holds in software")
    probe.add_argument("--json", action="store_true", help="one line of JSON")
    probe.set_defaults(command=_probe)

    _add_process(commands)
    _add_layout(commands)
    add_simulate(commands)

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


def _add_process(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    process = commands.add_parser(
        "process",
        help="do to a recording what the sender does to its source, so that anybody can judge it",
        description="Make OUT (FFV1 in Matroska, grey) of IN: one frame for each new image, at its time in IN.",
    )
    process.add_argument("source", type=Path, metavar="IN", help="any clip that FFmpeg reads, or a DICOM file")
    process.add_argument("target", type=Path, metavar="OUT")
    process.add_argument("--stage", choices=("masked", "filtered", "decoded"), required=True, help="up to where")
    process.add_argument("--layout", metavar="FILE", help="the source's layouts; 'none': IN shows no identity")
    process.add_argument("--filter", choices=("off", "safe"), default="off", help="noise filter (%(default)s)")
    process.add_argument(
        "--colour", choices=("auto", "always", "never"), default="auto", help="whether colour is kept (%(default)s)"
    )
    quality = process.add_mutually_exclusive_group()
    quality.add_argument(
        "--bitrate", type=int, default=6_000_000, metavar="BPS", help="of the stage decoded (%(default)s)"
    )
    quality.add_argument("--crf", type=float, help="constant quality instead, 0 to 51")
    process.add_argument("--interlaced", action="store_true", help="IN's frames are two fields each, upper field first")
    process.add_argument("--preset", default="superfast", help="of x264 (%(default)s)")
    process.add_argument("--stats", type=Path, metavar="FILE.json", help="what was done, in figures")
    process.set_defaults(command=_process)


def _add_layout(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    layout = commands.add_parser(
        "layout",
        help="draw what the source's screen looks like: image area, identity to blank, landmarks",
        description="Grab a frame of the source and draw its layout on it, in a browser on this machine.",
    )
    source = layout.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", type=Path, metavar="FILE", help="the sender's: its source, its layout file")
    source.add_argument("--clip", type=Path, help="a recording instead; needs --save")
    layout.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    layout.add_argument("--save", type=Path, metavar="FILE", help="the layout file (default: the configuration's)")
    layout.add_argument("--port", type=int, default=8090, help="of the page (default: %(default)s; 0: any)")
    layout.set_defaults(command=_layout)


def _layout(options: argparse.Namespace) -> int:
    from daemon.layout_tool import run_layout_tool

    return run_layout_tool(options)


def _process(options: argparse.Namespace) -> int:
    from daemon.process import run_process

    run_process(options)
    return 0


def _run(options: argparse.Namespace) -> int:
    from daemon.manage.settings import configured
    from daemon.picture.layout_file import load_layouts
    from daemon.supervisor import run_supervisor
    from provisioning.identity import Identity

    log.set_up("supervisor")
    config, reload = configured(options.config, options.set)
    # The link process loads it again; here its faults are still one line and an exit code.
    Identity.load(Path(config.identity.certificate), Path(config.identity.key), Path(config.identity.authority))
    if config.capture.layout:  # as does the video process
        load_layouts(Path(config.capture.layout))
    return run_supervisor(config, reload)


def _self_test(options: argparse.Namespace) -> int:
    from daemon.self_test_command import run_self_test

    return run_self_test(load_config(options.config, options.set), as_json=options.json)


def _status(options: argparse.Namespace) -> int:
    from daemon.status import print_status

    config = load_config(options.config, options.set)
    print_status(config.status.socket, as_json=options.json, watch=options.watch)
    return 0


def _voice(options: argparse.Namespace) -> int:
    return _command(options, "voice")


def _source(options: argparse.Namespace) -> int:
    return _command(options, "source")


def _command(options: argparse.Namespace, name: str) -> int:
    """`options.wish`, told to the running daemon."""
    from daemon.status import StatusClient

    client = StatusClient(load_config(options.config, options.set).status.socket)
    try:
        client.ask(f"{name} {options.wish}")
    finally:
        client.close()
    return 0


def _demo(options: argparse.Namespace) -> int:
    from daemon.demo import run_demo

    return run_demo(clip=options.clip, web_port=options.port)


def _probe(options: argparse.Namespace) -> int:
    from daemon.probe import run_probe

    return run_probe(as_json=options.json)


def _bench(options: argparse.Namespace) -> int:
    if options.link:
        from daemon.bench_link import run_link_bench

        return run_link_bench(seconds=options.seconds, save_to=options.json)
    from daemon.bench import run_bench

    return run_bench(seconds=options.seconds, save_to=options.json)
