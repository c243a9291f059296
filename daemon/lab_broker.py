"""A mosquitto of one's own for the demo and the tests: the configuration of `deploy/broker`, in a lab's folder."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from hw.errors import CathlinkError

DEPLOYED = Path(__file__).parents[1] / "deploy" / "broker"
UP_LIMIT_S = 10.0
STOP_LIMIT_S = 1.0


def mosquitto_program() -> str | None:
    """Where it is, if it is installed; Debian puts it beside the administrator's programs."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_tcp_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LabBroker:
    """mosquitto on `port` of this machine, with the certificates of the lab in `folder`, until `stop`."""

    def __init__(self, folder: Path, port: int) -> None:
        """Raises CathlinkError when it does not come up."""
        self.port = port
        self.log_path = folder / "broker.log"
        self._config = folder / "mosquitto.conf"
        (folder / "broker.data").mkdir(exist_ok=True)
        shutil.copy(DEPLOYED / "mosquitto.acl", folder / "mosquitto.acl")
        text = (DEPLOYED / "mosquitto.conf").read_text()
        for deployed, ours in {
            "listener 8883": f"listener {port} 127.0.0.1",
            "/etc/mosquitto/cathlink/": f"{folder}/",
            "/var/lib/mosquitto/": f"{folder}/broker.data/",
            "log_dest syslog": f"log_dest file {self.log_path}",
        }.items():
            text = text.replace(deployed, ours)
        self._config.write_text(
            text + ("user root\n" if os.geteuid() == 0 else "")
        )  # or it could not read the lab's keys
        self.start()

    def start(self) -> None:
        program = mosquitto_program()
        if program is None:
            raise CathlinkError("mosquitto is not installed", "apt install mosquitto")
        self.process = subprocess.Popen(
            [program, "-c", str(self._config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + UP_LIMIT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise CathlinkError("mosquitto did not come up", self.log_path.read_text(errors="replace")[-300:])
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Harmless when it has ended."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
