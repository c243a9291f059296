"""The corridor as a user runs it: exact greys, clean ends, strangers, garbage, bad input."""

import contextlib
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

from daemon.bench import free_udp_port
from daemon.link.dtls import DtlsAssociation, DtlsState
from provisioning.authority import Authority
from provisioning.identity import Identity
from provisioning.lab import make_lab
from tests.corridor.pictures import Show, noisy_pictures
from tests.corridor.rig import WORKERS, Rig, wait_until

STANDSTILL_S = 0.12


def test_every_grey_arrives_exactly(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    turned = [np.ascontiguousarray(np.roll(ramp, turn, axis=1)) for turn in range(0, 256, 16)]
    with Rig(tmp_path / "lab", "encoder.lossless=true", pictures=turned) as rig:
        rig.wait_pictures(rig.sink.count + len(turned))
        rig.source.show = Show.HELD
        rig.wait_state("HELD")
        assert rig.sink.last is not None
        assert any(np.array_equal(rig.sink.last, picture) for picture in turned)


def test_the_noise_filter_is_told_at_both_ends(tmp_path: Path) -> None:
    with Rig(tmp_path / "lab", "picture.filter=safe") as rig:
        for name, end in rig.ends.items():
            wait_until(lambda end=end: end.samples[-1].cause == "FILTER", f"the filter is told at the {name}")
            assert end.first_since(0, "LIVE")
        rig.source.show = Show.HELD
        rig.wait_state("HELD")
        assert rig.receiver.samples[-1].cause.endswith("; FILTER")


@pytest.mark.slow
def test_pictures_on_standard_input_and_output_stay_whole_when_workers_are_killed(tmp_path: Path) -> None:
    """A picture that began inside another would have its ramp broken."""
    pictures = noisy_pictures(1000, 999)
    ramp = np.mean(pictures, axis=(0, 1))
    with Rig(tmp_path / "lab", pictures=pictures, through_stdio=True) as rig:
        for end in ("sender", "receiver") * 5:
            rig.signal_worker(end, "video", signal.SIGKILL)
            rig.wait_pictures(rig.sink.count + 20)
            assert rig.sink.last is not None
            assert np.abs(rig.sink.last.mean(axis=0) - ramp).max() < 10


def test_sigterm_ends_all_within_two_seconds(tmp_path: Path) -> None:
    with Rig(tmp_path / "lab") as rig:
        for name in ("sender", "receiver"):
            end = rig.ends[name]
            pids = [end.pid(worker) for worker in WORKERS]
            began_ns = time.monotonic_ns()
            end.process.send_signal(signal.SIGTERM)
            assert end.process.wait(2.0) == 0
            assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
            if name == "sender":
                rig.wait_state_at("receiver", "LINK STALLED", 1.0, began_ns)
                assert "closed" in rig.receiver.samples[-1].cause


@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.6, 1.0])
def test_sigterm_ends_one_that_is_starting(tmp_path: Path, after_s: float) -> None:
    lab = make_lab(tmp_path / "lab", link_port=free_udp_port())
    command = [sys.executable, "-m", "daemon", "run", "--config", str(lab.sender_config)]
    process = subprocess.Popen([*command, "--set", "capture.device=phantom:512x512@15"])
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after_s)
    process.terminate()
    assert process.wait(2.0) in (0, -signal.SIGTERM)  # the second: before Python was up


def test_systemd_is_told(tmp_path: Path) -> None:
    make_lab(tmp_path / "lab", link_port=free_udp_port())
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
def test_a_stranger_is_refused_and_costs_nothing(rig: Rig, stranger: str) -> None:
    now = datetime.now(UTC)
    if stranger == "other authority":
        identity = Authority.make("another hospital").issue("sender.lab.cathlink")
    elif stranger == "expired":
        identity = rig.lab.authority.issue(
            "sender.lab.cathlink", not_before=now - timedelta(days=9), not_after=now - timedelta(days=1)
        )
    else:
        identity = rig.lab.authority.issue("somebody.lab.cathlink")
    trusted = rig.lab.authority.issue("sender.lab.cathlink").authorities
    identity = Identity(identity.certificate, identity.private_key, trusted)
    shown, refused_before = rig.sink.count, rig.receiver.log().count("link refused")
    association = DtlsAssociation(identity, peer_name="receiver.lab.cathlink")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(0.02)
        association.start(time.monotonic_ns())

        def is_refused() -> bool:
            for datagram in association.datagrams_to_send():
                link.sendto(datagram, ("127.0.0.1", rig.receiver_port))
            try:
                association.receive(link.recv(2048), time.monotonic_ns())
            except TimeoutError:
                association.handle_timeout(time.monotonic_ns())
            return association.state is DtlsState.REFUSED

        wait_until(is_refused, "the stranger is refused", 1.0)
    wait_until(lambda: rig.receiver.log().count("link refused") == refused_before + 1, "one line in the log", 1.0)
    wait_until(lambda: rig.sink.count > shown + 10, "the right one's pictures", 1.5)
    assert rig.receiver.state == "LIVE"


def test_the_picture_follows_a_change_of_address(rig: Rig) -> None:
    before, shown = rig.receiver.link_figures(), rig.sink.count
    rig.relay.rebind()
    wait_until(
        lambda: rig.receiver.link_figures()["address_changes"] == before["address_changes"] + 1,
        "the receiver follows",
        3.0,
    )
    wait_until(lambda: rig.sink.count > shown + 45, "pictures at the full rate", 4.0)
    assert rig.receiver.link_figures()["sessions"] == before["sessions"]  # no new handshake
    assert rig.sender.state == rig.receiver.state == "LIVE"


def test_a_power_cycled_receiver_is_found_again(tmp_path: Path) -> None:
    with Rig(tmp_path / "lab") as rig:
        began_ns = time.monotonic_ns()
        rig.power_cycle_receiver()
        rig.wait_state_at("sender", "LINK STALLED", 2.0, began_ns)
        rig.wait_state("LIVE")


@pytest.mark.slow
def test_new_keys_cost_no_picture(tmp_path: Path) -> None:
    with Rig(tmp_path / "lab", "link.rekey_after_s=10") as rig:
        wait_until(lambda: rig.receiver.link_figures()["sessions"] >= 3, "two renewals", 40.0)
        assert rig.receiver.link_figures()["units_lost"] <= 1  # what was on its way before the first IDR
        assert rig.receiver.state == "LIVE"


def _fuzz(rig: Rig, seconds: float) -> None:
    """Random and mutated datagrams, a thousand a second: no process dies, nothing is lost.

    What is lost around a time at which the machine stood still for all of us says nothing about datagrams.
    """
    draw = random.Random(5)
    captured = list(rig.relay.captured)
    pids = [rig.receiver.pid(worker) for worker in WORKERS]
    lost_units, last_s = rig.receiver.link_figures()["units_lost"], time.monotonic()
    losses_s: list[float] = []
    standstills_s: list[float] = []
    end_s = last_s + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        while (now_s := time.monotonic()) < end_s:
            if now_s - last_s > STANDSTILL_S:
                standstills_s.append(now_s)
            last_s = now_s
            for _ in range(20):
                attacker.sendto(_garbage(draw, captured), ("127.0.0.1", rig.receiver_port))
            if (lost := rig.receiver.link_figures()["units_lost"]) != lost_units:
                lost_units = lost
                losses_s.append(now_s)
            time.sleep(0.02)
    rig.wait_state("LIVE", 1.0)
    print(f"{seconds:g} s: {rig.receiver.link_figures()}, standstills: {len(standstills_s)}, losses: {len(losses_s)}")
    unexplained = [at_s for at_s in losses_s if not any(abs(at_s - still_s) < 3 for still_s in standstills_s)]
    assert not unexplained, f"{rig.receiver.story()}\n{rig.sender.story()}"
    assert rig.receiver.link_figures()["not_authentic"] > 0
    assert [rig.receiver.pid(worker) for worker in WORKERS] == pids


def _garbage(draw: random.Random, captured: list[bytes]) -> bytes:
    datagram = bytearray(draw.choice(captured))
    if draw.random() < 0.3:
        datagram = bytearray(draw.randbytes(draw.randrange(1, 1400)))
    for _ in range(draw.randrange(1, 6)):
        datagram[draw.randrange(len(datagram))] = draw.randrange(256)
    return bytes(datagram[: draw.randrange(1, len(datagram) + 1)])


def test_garbage_on_the_port_costs_nothing(rig: Rig) -> None:
    _fuzz(rig, 4.0)


@pytest.mark.slow
def test_garbage_on_the_port_for_long(rig: Rig) -> None:
    _fuzz(rig, float(os.environ.get("FUZZ_SECONDS", "20")))


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
    lab = make_lab(tmp_path / "lab", link_port=free_udp_port())
    returned, line = _one_line(lab.receiver_config, *arguments)
    assert returned == code
    assert words in line


def test_a_missing_config_gives_one_line(tmp_path: Path) -> None:
    returned, line = _one_line(tmp_path / "no.toml")
    assert returned == 2
    assert "no.toml" in line


def test_an_unsupported_clip_gives_one_line(tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "lab", link_port=free_udp_port())
    (tmp_path / "clip.mkv").write_bytes(b"no clip at all" * 99)
    returned, line = _one_line(lab.sender_config, "--set", f"capture.device=file:{tmp_path / 'clip.mkv'}")
    assert returned == 2
    assert "clip.mkv" in line


def test_a_key_that_others_can_read_gives_one_line(tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "lab", link_port=free_udp_port())
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
