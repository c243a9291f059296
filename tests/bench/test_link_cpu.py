"""The bench of the link's CPU measures what it says: both processes at work, at the rate in its name."""

import pytest

from daemon.bench_link_cpu import measure_link_cpu


@pytest.mark.slow
def test_it_loads_both_link_processes() -> None:
    figures = measure_link_cpu(3.0)
    assert 1500 < figures["packets_per_s"] < 2500
    assert figures["sender_cpu_percent"] > 1
    assert figures["receiver_cpu_percent"] > 1
