"""`cathlink demo`: both ends on this machine, and the receiver's picture in a browser.

A throw-away lab in a temporary folder, the real daemons, the real encrypted link over loopback.
"""

import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from daemon.bench import free_udp_port
from daemon.status import StatusClient
from hw.errors import CathlinkError
from provisioning.lab import make_lab

PHANTOM = "phantom:1024x1024@15?output_hz=30&beam_on_s=8&beam_off_s=3"
HOST = "127.0.0.1"
PORTS_TRIED = 20
UP_LIMIT_S = 30.0
STATUS_EVERY_S = 0.5
STOP_LIMIT_S = 3.0


def run_demo(*, clip: Path | None, web_port: int) -> int:
    """Until Ctrl-C. Raises CathlinkError when an end does not come up, with its own words."""
    if clip is not None and not clip.is_file():
        raise CathlinkError(f"--clip {clip}: no such file", "give any recording that FFmpeg reads, or a DICOM file")
    port = _free_web_port(web_port)
    if web_port not in (0, port):
        print(f"port {web_port} is taken, using {port}", flush=True)
    signal.signal(signal.SIGTERM, _stop)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cathlink-demo-")))
        print("making a throw-away authority and two identities ...", flush=True)
        make_lab(folder, link_port=free_udp_port(), replace=True)
        source = f"file:{clip.resolve()}" if clip else PHANTOM
        print(f"starting receiver and sender ({source}) ...", flush=True)
        settings = {"receiver": f"display.device=web:{HOST}:{port}", "sender": f"capture.device={source}"}
        ends = {role: _start(folder, role, setting, stack) for role, setting in settings.items()}
        try:
            _wait_until_live(folder, ends)
            print(f"Live picture: http://{HOST}:{port}/ (Ctrl-C ends the demo)", flush=True)
            _watch(folder, ends)
        except KeyboardInterrupt:
            print("\nstopping ...", flush=True)
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _free_web_port(wanted: int) -> int:
    """`wanted`, or the next one that is free; 0: any."""
    for port in range(wanted, wanted + PORTS_TRIED) if wanted else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CathlinkError(f"ports {wanted} to {wanted + PORTS_TRIED - 1} are all taken", "choose another with --port")


def _start(folder: Path, role: str, setting: str, stack: ExitStack) -> "subprocess.Popen[bytes]":
    log = stack.enter_context((folder / f"{role}.log").open("wb"))
    command = [sys.executable, "-m", "daemon", "run", "--config", str(folder / f"{role}.toml"), "--set", setting]
    process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    stack.callback(_end, process)
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _check_alive(folder: Path, ends: "dict[str, subprocess.Popen[bytes]]") -> None:
    for role, process in ends.items():
        if process.poll() is not None:
            last_words = (folder / f"{role}.log").read_text(errors="replace").strip().splitlines()[-1:]
            raise CathlinkError(f"the {role} ended with code {process.returncode}", "".join(last_words))


def _wait_until_live(folder: Path, ends: "dict[str, subprocess.Popen[bytes]]") -> None:
    deadline = time.monotonic() + UP_LIMIT_S
    while time.monotonic() < deadline:
        _check_alive(folder, ends)
        if _picture(folder / "receiver.sock").startswith("LIVE"):
            return
        time.sleep(0.1)
    raise CathlinkError("no live picture came up", (folder / "sender.log").read_text(errors="replace")[-300:])


def _picture(path: Path) -> str:
    """The receiver's picture in a line, empty while it does not answer."""
    try:
        client = StatusClient(str(path))
    except CathlinkError:
        return ""
    picture = client.ask()["picture"]
    client.close()
    latency = f", glass to glass {picture['latency_ms']} ms" if picture["latency_ms"] is not None else ""
    return f"{picture['state']}{latency}"


def _watch(folder: Path, ends: "dict[str, subprocess.Popen[bytes]]") -> None:
    while True:
        time.sleep(STATUS_EVERY_S)
        _check_alive(folder, ends)
        if sys.stdout.isatty():
            print(f"\r\033[K{_picture(folder / 'receiver.sock')}", end="", flush=True)
