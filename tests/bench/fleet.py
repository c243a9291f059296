"""A large fleet, simulated, against a real broker and a real console: how fast, what is lost, what it costs.

    python -m tests.bench.fleet --devices 10000 --seconds 60

Each simulated device says its birth, its health every 5 s, and one in a hundred of them comes and goes twice a minute.
Broker, console and simulator share this machine.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import paho.mqtt.client as mqtt

from daemon.lab_broker import LabBroker, free_tcp_port
from provisioning.authority import write_identity
from provisioning.lab import make_lab
from tests.console.said import health, state
from tests.manage.rig import client_tls

HEALTH_EVERY_S = 5.0
FLAP_EVERY_S = 30.0
FLAPPING = 100  # one in so many
CONNECTIONS = 4
DEVICES_A_SITE = 20
PASSWORD = "a password for the bench"
SIMULATOR = "simulator.lab.cathlink"
UP_LIMIT_S = 60.0


class Simulator(multiprocessing.Process):
    """The devices `numbers`, over one connection. A process of its own: the browser's times are not to hang on it."""

    def __init__(self, folder: Path, port: int, numbers: range) -> None:
        super().__init__(daemon=True)
        self._folder, self._port = folder, port
        self._roots = [f"v1/site-{number // DEVICES_A_SITE:04}/box-{number:05}.example" for number in numbers]
        self.stopping = multiprocessing.Event()
        self._said = multiprocessing.Value("q", 0)
        self._latest_s = multiprocessing.Value("d", 0.0)

    @property
    def said(self) -> int:
        return self._said.value

    @property
    def latest_s(self) -> float:
        return self._latest_s.value

    def run(self) -> None:
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.tls_set_context(client_tls(self._folder, "simulator"))
        self._client.max_inflight_messages_set(1000)
        self._client.connect("localhost", self._port)
        self._client.loop_start()
        for root in self._roots:
            self._say(f"{root}/state", state(), qos=1, retain=True)
        self._say_healths()
        self._say(f"{self._roots[0]}/state", state(), qos=1, retain=True).wait_for_publish(UP_LIMIT_S)  # and all before
        self._client.disconnect()
        self._client.loop_stop()

    def _say_healths(self) -> None:
        bodies = [health(latency_ms=40 + k, loss_percent=0.1 * k, sent_kbps=5000.0 + k) for k in range(16)]
        began = time.monotonic()
        tick_s = HEALTH_EVERY_S / len(self._roots)
        flaps = 0
        for number in itertools.count():
            due = began + number * tick_s
            if self.stopping.wait(max(0.0, due - time.monotonic())):
                return
            self._latest_s.value = max(self._latest_s.value, time.monotonic() - due)
            self._say(f"{self._roots[number % len(self._roots)]}/health", bodies[number % len(bodies)])
            if time.monotonic() - began > (flaps + 1) * FLAP_EVERY_S / 2:
                flaps += 1
                self._flap("offline" if flaps % 2 else "online", flaps)

    def _flap(self, status: str, count: int) -> None:
        for root in self._roots[::FLAPPING]:
            self._say(f"{root}/state", state(status, session=1 + count // 2), qos=1, retain=True)

    def _say(self, topic: str, payload: bytes, qos: int = 0, *, retain: bool = False) -> mqtt.MQTTMessageInfo:
        self._said.value += 1
        return self._client.publish(topic, payload, qos, retain)


class Browser:
    """Signed in; asks for pages."""

    def __init__(self, port: int) -> None:
        self.root = f"http://127.0.0.1:{port}"
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.get("/sign-in", urlencode({"name": "bench", "password": PASSWORD}).encode())

    def get(self, path: str, data: bytes | None = None) -> bytes:
        with self._opener.open(self.root + path, data, timeout=30) as answer:
            return bytes(answer.read())

    def timed_ms(self, path: str) -> float:
        began = time.monotonic()
        self.get(path)
        return 1000 * (time.monotonic() - began)


def start_console(folder: Path, metrics: str) -> "subprocess.Popen[bytes]":
    config = folder / "console.toml"
    config.write_text(config.read_text() + f'metrics_token = "{metrics}"\n')
    command = [sys.executable, "-m", "console.cli", "--config", str(config)]
    user = [*command, "user", "bench", "--role", "administrator"]
    subprocess.run(user, input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL)
    return subprocess.Popen([*command, "serve"], stdout=subprocess.DEVNULL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    multiprocessing.set_start_method("spawn")
    with tempfile.TemporaryDirectory(prefix="cathlink-fleet-") as name:
        print(json.dumps(run(Path(name), options.devices, options.seconds), indent=1))
    return 0


def run(folder: Path, devices: int, seconds: float) -> dict[str, object]:
    broker_port, console_port = free_tcp_port(), free_tcp_port()
    lab = make_lab(folder, broker_port=broker_port, console_port=console_port, replace=True)
    write_identity(lab.authority.issue(SIMULATOR), folder / "simulator.crt", folder / "simulator.key")
    broker = LabBroker(folder, broker_port)
    broker.stop()
    with (folder / "mosquitto.acl").open("a") as acl:
        acl.write(f"\nuser {SIMULATOR}\ntopic readwrite v1/#\n")
    broker.start()
    console = start_console(folder, "bench")
    simulators: list[Simulator] = []
    try:
        browser = _signed_in(console_port)
        share = devices // CONNECTIONS
        simulators = [Simulator(folder, broker_port, range(k * share, (k + 1) * share)) for k in range(CONNECTIONS)]
        for simulator in simulators:
            simulator.start()
        _wait_for_devices(browser, share * CONNECTIONS)
        return _measure(browser, console, broker, simulators, folder, seconds)
    finally:
        for simulator in simulators:
            simulator.stopping.set()
        console.terminate()
        console.wait()
        broker.stop()


def _signed_in(port: int) -> Browser:
    deadline = time.monotonic() + UP_LIMIT_S
    while True:
        try:
            return Browser(port)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _wait_for_devices(browser: Browser, count: int) -> None:
    deadline = time.monotonic() + UP_LIMIT_S
    while len(json.loads(browser.get("/api/fleet"))["glances"]) < count:
        assert time.monotonic() < deadline, "the devices did not all show up"
        time.sleep(0.5)


def _measure(
    browser: Browser,
    console: "subprocess.Popen[bytes]",
    broker: LabBroker,
    simulators: list[Simulator],
    folder: Path,
    seconds: float,
) -> dict[str, object]:
    one = "/device/site-0000/box-00001.example"
    paths = ["/", "/api/fleet", one, f"/api{one}/history"]
    times: dict[str, list[float]] = {path: [] for path in paths}
    cpu_before, broker_before, began = _cpu_s(console.pid), _cpu_s(broker.process.pid), time.monotonic()
    while time.monotonic() - began < seconds:
        for path in paths:
            times[path].append(browser.timed_ms(path))
        time.sleep(0.2)
    elapsed_s = time.monotonic() - began
    cpu_s, broker_s = _cpu_s(console.pid) - cpu_before, _cpu_s(broker.process.pid) - broker_before
    for simulator in simulators:
        simulator.stopping.set()
    for simulator in simulators:
        simulator.join()
    said = sum(simulator.said for simulator in simulators)
    received = _received(browser, said)
    database_bytes = sum(path.stat().st_size for path in folder.glob("history.db*"))
    return {
        "devices": len(json.loads(browser.get("/api/fleet"))["glances"]),
        "messages said": said,
        "messages the console has taken": received,
        "messages a second": round(said / elapsed_s),
        "latest behind its time, of the simulator, s": round(max(simulator.latest_s for simulator in simulators), 2),
        "page, p50 / p95 / max ms": {
            path: [round(value, 1) for value in (statistics.median(took), _p95(took), max(took))]
            for path, took in times.items()
        },
        "console, resident MiB": round(_resident_mib(console.pid)),
        "console, percent of a core": round(100 * cpu_s / elapsed_s),
        "broker, percent of a core": round(100 * broker_s / elapsed_s),
        "history, MiB": round(database_bytes / 2**20, 1),
    }


def _received(browser: Browser, at_least: int) -> int:
    """Once it has all, or nothing more comes."""
    last, quiet_since = -1, time.monotonic()
    while True:
        request = urllib.request.Request(browser.root + "/metrics", headers={"Authorization": "Bearer bench"})
        with urllib.request.urlopen(request) as answer:
            lines = answer.read().decode().splitlines()
        count = int(
            float(next(line.split()[1] for line in lines if line.startswith("cathlink_console_messages_total")))
        )
        if count != last:
            last, quiet_since = count, time.monotonic()
        if count >= at_least or time.monotonic() - quiet_since > 3:
            return count
        time.sleep(0.2)


def _p95(values: list[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    sys.exit(main())
