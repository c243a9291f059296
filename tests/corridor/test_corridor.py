"""The corridor as a user runs it: exact greys, clean ends, strangers, garbage, bad input."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from daemon.link.dtls import DtlsAssociation, DtlsState
from provisioning.authority import Authority
from provisioning.identity import Identity
from provisioning.lab import make_lab
from tests.corridor.harness import SIZE, Corridor, free_port, wait_for


def test_every_grey_arrives_exactly(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (SIZE, 1))
    with Corridor(tmp_path / "lab", "encoder.lossless=true") as corridor:
        corridor.source.still = ramp
        wait_for(
            lambda: corridor.pictures.last is not None and np.array_equal(corridor.pictures.last, ramp),
            "the ramp, bit by bit",
        )


def test_sigterm_ends_all_within_two_seconds(tmp_path: Path) -> None:
    with Corridor(tmp_path / "lab") as corridor:
        for role in ("sender", "receiver"):
            pids = [corridor.worker_pid(role, worker) for worker in ("link", "video")]
            started = time.monotonic()
            corridor.processes[role].send_signal(signal.SIGTERM)
            assert corridor.processes[role].wait(2.0) == 0
            assert time.monotonic() - started < 2.0
            assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
            if role == "sender":
                wait_for(lambda: corridor.state("receiver") == "LINK STALLED", "the receiver knows", 1.0)
                assert "closed" in corridor.status("receiver")["picture"]["cause"]


def test_systemd_is_told(tmp_path: Path) -> None:
    make_lab(tmp_path / "lab", link_port=free_port())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(15.0)
        command = [sys.executable, "-m", "daemon", "run", "--config", str(tmp_path / "lab" / "receiver.toml")]
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        process = subprocess.Popen([*command, "--set", "display.device=none:"], env=environment)
        told = ""
        while "READY=1" not in told or "WATCHDOG=1" not in told:
            told += listener.recv(4096).decode() + "\n"
        process.terminate()
        assert process.wait(2.0) == 0
        while "STOPPING=1" not in told:
            told += listener.recv(4096).decode() + "\n"
    assert "STATUS=LINK STALLED" in told


@pytest.mark.parametrize("stranger", ["other authority", "expired", "wrong name"])
def test_a_stranger_is_refused_and_costs_nothing(corridor: Corridor, stranger: str) -> None:
    now = datetime.now(UTC)
    if stranger == "other authority":
        identity = Authority.make("another hospital").issue("sender.lab.cathlink")
    elif stranger == "expired":
        identity = corridor.lab.authority.issue(
            "sender.lab.cathlink", not_before=now - timedelta(days=9), not_after=now - timedelta(days=1)
        )
    else:
        identity = corridor.lab.authority.issue("somebody.lab.cathlink")
    trusted = corridor.lab.authority.issue("sender.lab.cathlink").authorities
    identity = Identity(identity.certificate, identity.private_key, trusted)
    shown, refused_before = corridor.pictures.count, corridor.log("receiver").count("link refused")
    association = DtlsAssociation(identity, peer_name="receiver.lab.cathlink")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(0.02)
        association.start(time.monotonic_ns())

        def is_refused() -> bool:
            for datagram in association.datagrams_to_send():
                link.sendto(datagram, ("127.0.0.1", corridor.receiver_port))
            try:
                association.receive(link.recv(2048), time.monotonic_ns())
            except TimeoutError:
                association.handle_timeout(time.monotonic_ns())
            return association.state is DtlsState.REFUSED

        wait_for(is_refused, "the stranger is refused", 1.0)
    wait_for(lambda: corridor.log("receiver").count("link refused") == refused_before + 1, "one line in the log", 1.0)
    wait_for(lambda: corridor.pictures.count > shown + 10, "the right one's pictures", 1.5)
    assert corridor.state("receiver") == "LIVE"


def _link_figures(corridor: Corridor, role: str) -> dict[str, float]:
    wait_for(lambda: corridor.status(role)["workers"]["link"]["figures"], "statistics", 3.0)
    figures: dict[str, float] = corridor.status(role)["workers"]["link"]["figures"]
    return figures


def test_the_picture_follows_a_change_of_address(corridor: Corridor) -> None:
    before, shown = _link_figures(corridor, "receiver"), corridor.pictures.count
    corridor.relay.rebind()
    wait_for(
        lambda: _link_figures(corridor, "receiver")["address_changes"] == before["address_changes"] + 1,
        "the receiver follows",
        3.0,
    )
    wait_for(lambda: corridor.pictures.count > shown + 45, "pictures at the full rate", 4.0)
    after = _link_figures(corridor, "receiver")
    assert after["sessions"] == before["sessions"]  # no new handshake
    assert corridor.state("sender") == corridor.state("receiver") == "LIVE"


def test_a_power_cycled_receiver_is_found_again(tmp_path: Path) -> None:
    with Corridor(tmp_path / "lab") as corridor:
        corridor.processes["receiver"].kill()
        corridor.processes["receiver"].wait()
        wait_for(lambda: corridor.state("sender") == "LINK STALLED", "the sender knows", 2.0)
        corridor.start("receiver", settings=("display.device=none:",))
        corridor.wait_state("LIVE")


@pytest.mark.slow
def test_new_keys_cost_no_picture(tmp_path: Path) -> None:
    with Corridor(tmp_path / "lab", "link.rekey_after_s=10") as corridor:
        wait_for(lambda: _link_figures(corridor, "receiver")["sessions"] >= 3, "two renewals", 40.0)
        figures = _link_figures(corridor, "receiver")
        assert figures["units_lost"] <= 1  # what was on its way before the first IDR
        assert corridor.state("receiver") == "LIVE"


def _fuzz(corridor: Corridor, seconds: float) -> None:
    draw = random.Random(5)
    lost_before = _link_figures(corridor, "receiver")["units_lost"]
    pids = [corridor.worker_pid("receiver", worker) for worker in ("link", "video")]
    end = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        while time.monotonic() < end:
            for _ in range(20):
                datagram = bytearray(draw.choice(corridor.relay.captured))
                if draw.random() < 0.3:
                    datagram = bytearray(draw.randbytes(draw.randrange(1, 1400)))
                for _ in range(draw.randrange(1, 6)):
                    datagram[draw.randrange(len(datagram))] = draw.randrange(256)
                attacker.sendto(datagram[: draw.randrange(1, len(datagram) + 1)], ("127.0.0.1", corridor.receiver_port))
            time.sleep(0.02)
    corridor.wait_state("LIVE", 1.0)
    figures = _link_figures(corridor, "receiver")
    assert figures["units_lost"] == lost_before
    assert figures["not_authentic"] > 0
    assert [corridor.worker_pid("receiver", worker) for worker in ("link", "video")] == pids


def test_garbage_on_the_port_costs_nothing(corridor: Corridor) -> None:
    _fuzz(corridor, 4.0)


@pytest.mark.slow
def test_garbage_on_the_port_for_long(corridor: Corridor) -> None:
    _fuzz(corridor, float(os.environ.get("FUZZ_SECONDS", "20")))


BAD_INPUT = {
    "unknown key": (["--set", "encoder.speed=3"], 2, "encoder.speed"),
    "wrong type": (["--set", "encoder.bitrate_bps=fast"], 2, "encoder.bitrate_bps"),
    "out of range": (["--set", "encoder.bitrate_bps=10"], 2, "encoder.bitrate_bps"),
    "no address": (["--set", "link.listen=nowhere"], 2, "link.listen"),
    "bad device": (["--set", "display.device=cinema:"], 2, "cinema"),
    "bad override": (["--set", "encoder"], 2, "KEY=VALUE"),
    "missing certificate": (["--set", "identity.certificate=none.crt"], 2, "none.crt"),
}


def _one_line(config: Path, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "daemon", "run", "--config", str(config), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
    said = [line for line in run.stderr.splitlines() if line.startswith("cathlink: ")]
    assert len(said) == 1, run.stderr
    assert "Traceback" not in run.stderr
    return run.returncode, said[0]


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_gives_one_line(tmp_path: Path, name: str) -> None:
    arguments, code, words = BAD_INPUT[name]
    lab = make_lab(tmp_path / "lab", link_port=free_port())
    returned, line = _one_line(lab.receiver_config, *arguments)
    assert returned == code
    assert words in line


def test_a_missing_config_gives_one_line(tmp_path: Path) -> None:
    returned, line = _one_line(tmp_path / "no.toml")
    assert returned == 2
    assert "no.toml" in line


def test_an_unsupported_clip_gives_one_line(tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "lab", link_port=free_port())
    (tmp_path / "clip.mkv").write_bytes(b"no clip at all" * 99)
    returned, line = _one_line(lab.sender_config, "--set", f"capture.device=file:{tmp_path / 'clip.mkv'}")
    assert returned == 2
    assert "clip.mkv" in line


def test_a_key_that_others_can_read_gives_one_line(tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "lab", link_port=free_port())
    (tmp_path / "lab" / "receiver.key").chmod(0o644)
    returned, line = _one_line(lab.receiver_config)
    assert returned == 2
    assert "receiver.key" in line


def test_a_port_in_use_gives_one_line(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        lab = make_lab(tmp_path / "lab", link_port=taken.getsockname()[1])
        returned, line = _one_line(lab.receiver_config, "--set", "display.device=none:")
    assert returned == 1
    assert "link.listen" in line
