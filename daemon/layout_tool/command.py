"""The command: which source, where to save, and the page until Ctrl-C."""

import argparse
import asyncio
import socket
from pathlib import Path

import uvicorn

from daemon.config import load_config
from daemon.errors import UsageError
from daemon.layout_tool.grab import FrameGrabber
from daemon.layout_tool.server import LayoutEditor, layout_application
from hw.errors import CathlinkError
from hw.select import capture_device

HOST = "127.0.0.1"  # the frame shows what the layout is there to hide


def run_layout_tool(options: argparse.Namespace) -> int:
    """Until Ctrl-C. Raises CathlinkError when there is no frame to be had, or the port is taken."""
    address, path = _source_and_target(options)
    editor = LayoutEditor(FrameGrabber(capture_device(address)), path)
    print(f"grabbing a frame from {address} ...", flush=True)
    editor.grab()
    with _listen(options.port) as listener:
        print(f"Draw the layout: http://{HOST}:{listener.getsockname()[1]}/ (saves {path}; Ctrl-C ends)", flush=True)
        if options.config is not None and not load_config(options.config, options.set).capture.layout:
            print(f'Then add to [capture] in {options.config}: layout = "{path.name}"', flush=True)
        server = uvicorn.Server(
            uvicorn.Config(
                layout_application(editor, HOST),
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
            )
        )
        asyncio.run(server.serve(sockets=[listener]))
    return 0


def _source_and_target(options: argparse.Namespace) -> tuple[str, Path]:
    """The capture address and the layout file: of the configuration, or of --clip and --save."""
    if options.clip is not None:
        if options.save is None:
            raise UsageError("--save is missing", "name the layout file that is to be made for --clip")
        return f"file:{options.clip.resolve()}", options.save
    config = load_config(options.config, options.set)
    if not config.capture.device:
        raise UsageError(f"{options.config}: a {config.role} has no source", "give the sender's configuration")
    beside = options.config.resolve().parent / "layout.toml"
    return config.capture.device, options.save or Path(config.capture.layout or beside)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()  # who follows the printed address at once only waits
    except OSError as error:
        listener.close()
        raise CathlinkError(f"port {port} cannot be had ({error.strerror})", "choose another with --port") from error
    return listener
