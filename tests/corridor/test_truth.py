"""Picture truth at both ends while things go wrong, and the way back to LIVE."""

import os
import random
import signal
import time

import pytest

from tests.corridor.harness import Corridor, wait_for

KILLED_BACK_S = 2.0


def test_held_when_the_source_repeats_its_image(corridor: Corridor) -> None:
    corridor.source.set_mode("held")
    took = corridor.wait_state("HELD", 0.5)
    assert took["receiver"] < 0.25  # two intervals of 33 ms, and the polling of two sockets
    corridor.source.set_mode("moving")
    corridor.wait_state("LIVE", 0.5)


def test_capture_lost_when_no_frame_comes(corridor: Corridor) -> None:
    corridor.source.set_mode("stopped")
    corridor.wait_state("CAPTURE LOST", 0.6)
    assert "no frame" in corridor.status("receiver")["picture"]["cause"]
    corridor.source.set_mode("moving")
    corridor.wait_state("LIVE", 0.6)


def test_link_stalled_when_the_relay_is_cut(corridor: Corridor) -> None:
    corridor.relay.is_cut = True
    took = corridor.wait_state("LINK STALLED", 0.6)
    assert max(took.values()) < 0.36  # 250 ms, a tick, and the polling
    corridor.relay.is_cut = False
    corridor.wait_state("LIVE", 3.0)


def test_decoder_stalled_when_the_video_process_hangs(corridor: Corridor) -> None:
    pid = corridor.worker_pid("receiver", "video")
    os.kill(pid, signal.SIGSTOP)
    try:
        corridor.wait_state("DECODER STALLED", 1.0)
    finally:
        os.kill(pid, signal.SIGCONT)
    corridor.wait_state("LIVE", 2.0)


@pytest.mark.parametrize("role", ["sender", "receiver"])
@pytest.mark.parametrize("worker", ["link", "video"])
def test_a_killed_worker_comes_back(corridor: Corridor, role: str, worker: str) -> None:
    other = {"link": "video", "video": "link"}[worker]
    other_pid, pid = corridor.worker_pid(role, other), corridor.worker_pid(role, worker)
    shown, killed_at = corridor.pictures.count, time.monotonic()
    os.kill(pid, signal.SIGKILL)
    while time.monotonic() - killed_at < KILLED_BACK_S:  # never LIVE at the receiver while its picture is old
        asked_at = time.monotonic()
        state = corridor.state("receiver")
        if state == "LIVE" and asked_at - killed_at > 0.4:
            assert asked_at - corridor.pictures.last_at < 0.4
            break
    corridor.wait_state("LIVE", KILLED_BACK_S)
    wait_for(lambda: corridor.pictures.count > shown + 3, "pictures after the kill", KILLED_BACK_S)
    assert corridor.worker_pid(role, worker) != pid
    assert corridor.worker_pid(role, other) == other_pid
    assert any("SIGKILL" in event["cause"] for event in corridor.status(role)["events"])


@pytest.mark.slow
def test_a_hundred_faults_at_random_times(corridor: Corridor) -> None:
    """Each is told rightly at both ends, and each ends in LIVE."""
    draw = random.Random(20)
    for _ in range(100):
        time.sleep(draw.uniform(0.0, 0.3))
        fault = draw.choice(["held", "stopped", "cut", "hang"])
        if fault == "held":
            corridor.source.set_mode("held")
            corridor.wait_state("HELD", 0.6)
            corridor.source.set_mode("moving")
        elif fault == "stopped":
            corridor.source.set_mode("stopped")
            corridor.wait_state("CAPTURE LOST", 0.7)
            corridor.source.set_mode("moving")
        elif fault == "cut":
            corridor.relay.is_cut = True
            corridor.wait_state("LINK STALLED", 0.7)
            corridor.relay.is_cut = False
        else:
            pid = corridor.worker_pid("receiver", "video")
            os.kill(pid, signal.SIGSTOP)
            corridor.wait_state("DECODER STALLED", 1.2)
            os.kill(pid, signal.SIGCONT)
        corridor.wait_state("LIVE", 3.0)
