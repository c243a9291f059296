"""`cathlink demo`: both ends on this machine, the receiver's picture in a browser, and the console of this small fleet.

A throw-away lab in a temporary folder, the real daemons, the real encrypted link over loopback, a real broker.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from types import FrameType

from daemon.bench import free_udp_port
from daemon.lab_broker import LabBroker, free_tcp_port, mosquitto_program
from daemon.status import StatusClient
from hw.errors import CathlinkError
from provisioning.lab import make_lab

PHANTOM = "phantom:1024x1024@15?output_hz=30&beam_on_s=8&beam_off_s=3"
HOST = "127.0.0.1"
USER = "demo"
PORTS_TRIED = 20
UP_LIMIT_S = 30.0
STATUS_EVERY_S = 0.5
STOP_LIMIT_S = 1.5

Ends = dict[str, "subprocess.Popen[bytes]"]


def run_demo(*, clip: Path | None, web_port: int) -> int:
    """Until Ctrl-C. Raises CathlinkError when an end does not come up, with its own words."""
    if clip is not None and not clip.is_file():
        raise CathlinkError(f"--clip {clip}: no such file", "give any recording that FFmpeg reads, or a DICOM file")
    port = _free_web_port(web_port)
    if web_port not in (0, port):
        print(f"port {web_port} is taken, using {port}", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: it is ignored in the background of a script
        signal.signal(number, _stop)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cathlink-demo-")))
        ends: Ends = {}
        stack.callback(_stop_all, ends)
        try:
            print("making a throw-away authority and two identities ...", flush=True)
            broker_port = free_tcp_port() if mosquitto_program() else None
            console_port = free_tcp_port()
            make_lab(
                folder,
                link_port=free_udp_port(),
                broker_port=broker_port,
                console_port=console_port,
                replace=True,
            )
            if broker_port:
                stack.callback(LabBroker(folder, broker_port).stop)
            source = f"file:{clip.resolve()}" if clip else PHANTOM
            print(f"starting receiver and sender ({source}) ...", flush=True)
            ends["receiver"] = _start(folder, "receiver", f"display.device=web:{HOST}:{port}")
            ends["sender"] = _start(folder, "sender", f"capture.device={source}")
            _wait_until_shown(folder, ends)
            print(f"Live picture: http://{HOST}:{port}/ (Ctrl-C ends the demo)", flush=True)
            if broker_port:
                password = _start_console(folder, ends)
                print(f"Console: http://{HOST}:{console_port}/ (name {USER}, password {password})", flush=True)
                print(f"Your key to command the boxes, for the console's page 'My key': {folder / 'operator.key'}")
            else:
                print("no console: it needs mosquitto (apt install mosquitto)", flush=True)
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


def _start(folder: Path, role: str, setting: str) -> "subprocess.Popen[bytes]":
    """In a session of its own: Ctrl-C in the terminal reaches the demo alone, which then stops both ends in order."""
    command = [sys.executable, "-m", "daemon", "run", "--config", str(folder / f"{role}.toml"), "--set", setting]
    with (folder / f"{role}.log").open("wb") as log:
        return subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)


def _start_console(folder: Path, ends: Ends) -> str:
    """Returns the password of USER. The console is a program of its own, of which this one knows the commands alone."""
    password = secrets.token_urlsafe(9)
    command = [sys.executable, "-m", "console.cli", "--config", str(folder / "console.toml")]
    user = [*command, "user", USER, "--role", "administrator"]
    subprocess.run(user, input=password, text=True, check=True, stdout=subprocess.DEVNULL)
    with (folder / "console.log").open("wb") as log:
        ends["console"] = subprocess.Popen(
            [*command, "serve"], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
    return password


def _stop_all(ends: Ends) -> None:
    """Both at once, so that the demo ends within two seconds."""
    for process in ends.values():
        process.terminate()
    deadline = time.monotonic() + STOP_LIMIT_S
    for process in ends.values():
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _check_alive(folder: Path, ends: Ends) -> None:
    for role, process in ends.items():
        if process.poll() is not None:
            last_words = (folder / f"{role}.log").read_text(errors="replace").strip().splitlines()[-1:]
            raise CathlinkError(f"the {role} ended with code {process.returncode}", "".join(last_words))


def _wait_until_shown(folder: Path, ends: Ends) -> None:
    """Live, or held: a clip of a single image is never live."""
    deadline = time.monotonic() + UP_LIMIT_S
    while time.monotonic() < deadline:
        _check_alive(folder, ends)
        if _picture(folder / "receiver.sock").startswith(("LIVE", "HELD")):
            return
        time.sleep(0.1)
    raise CathlinkError("no picture came up", (folder / "sender.log").read_text(errors="replace")[-300:])


def _picture(path: Path) -> str:
    """The receiver's picture in a line, empty while it does not answer."""
    try:
        with closing(StatusClient(str(path))) as client:
            picture = client.ask()["picture"]
    except CathlinkError:
        return ""
    latency = f", glass to glass {picture['latency_ms']} ms" if picture["latency_ms"] is not None else ""
    return f"{picture['state']}{latency}"


def _watch(folder: Path, ends: Ends) -> None:
    while True:
        time.sleep(STATUS_EVERY_S)
        _check_alive(folder, ends)
        if sys.stdout.isatty():
            print(f"\r\033[K{_picture(folder / 'receiver.sock')}", end="", flush=True)
