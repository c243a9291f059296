"""Healths become rows of minutes and of cases."""

from console.messages import Health, decode
from console.minutes import CaseLog, Minutes
from tests.console.said import health


def _health(picture: str = "LIVE", **more: object) -> Health:
    return decode(health(picture, **more), Health)  # type: ignore[arg-type]


def test_a_minute_is_written_when_it_is_over() -> None:
    minutes = Minutes()
    assert minutes.take("a", _health(latency_ms=40, loss_percent=1.0, sent_kbps=5000.0), 120) is None
    assert minutes.take("a", _health("LINK STALLED", latency_ms=None, loss_percent=3.0), 125) is None
    row = minutes.take("a", _health(), 180)
    assert row is not None
    assert (row["device"], row["minute"], row["picture"]) == ("a", 2, "LINK STALLED")
    assert (row["latency_ms"], row["latency_max_ms"], row["loss_percent"], row["rate_kbps"]) == (40, 40, 2.0, 5000.0)
    assert row["residual_loss_percent"] is None


def test_a_case_has_a_beginning_and_an_end() -> None:
    cases = CaseLog()
    assert cases.take("a", _health(in_case=False), 100) is None
    assert cases.take("a", _health(in_case=True, case_s=5), 110) == {"device": "a", "began_s": 105, "ended_s": None}
    assert cases.take("a", _health(in_case=True, case_s=10), 115) is None
    assert cases.take("a", _health(in_case=False, case_s=2), 120) == {"device": "a", "began_s": 105, "ended_s": 118}


def test_a_case_that_began_before_the_console_goes_on() -> None:
    cases = CaseLog({"a": 105})
    assert cases.take("a", _health(in_case=True, case_s=11), 115) is None
    ended = cases.take("a", _health(in_case=False, case_s=0), 120)
    assert ended == {"device": "a", "began_s": 105, "ended_s": 120}
