"""Path statistics with a memory."""

from daemon.link.meter import LossMeter


def test_loss_is_of_what_came_since_the_last_reading() -> None:
    meter = LossMeter()
    assert meter.read_percent(0, 0) == 0.0
    assert meter.read_percent(1, 3) == 25.0
    assert meter.read_percent(1, 103) == 0.0
