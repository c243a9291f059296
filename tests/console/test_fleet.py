"""Who is there, and what each shows, out of messages in any order."""

from hypothesis import given
from hypothesis import strategies as st

from console.fleet import DEVICES_LIMIT, SILENCE_LIMIT_NS, Alert, Device, Fleet, Presence
from tests.console.said import event, health, state

SECOND = 1_000_000_000
ROOT = "v1/lyon/a.example"


def _device(fleet: Fleet) -> Device:
    return fleet.devices["lyon/a.example"]


def test_birth_health_and_farewell() -> None:
    fleet = Fleet()
    fleet.take(f"{ROOT}/state", state(), 0)
    assert _device(fleet).presence is Presence.ONLINE
    fleet.take(f"{ROOT}/health", health("HELD"), SECOND)
    glance = _device(fleet).glance
    assert glance is not None
    assert (glance.site, glance.device, glance.picture, glance.alert) == ("lyon", "a.example", "HELD", Alert.GOOD)
    fleet.take(f"{ROOT}/state", state("offline"), 2 * SECOND)
    assert _device(fleet).presence is Presence.OFFLINE


def test_a_will_that_overtakes_a_rebirth_says_nothing() -> None:
    fleet = Fleet()
    fleet.take(f"{ROOT}/state", state(session=1), 0)
    fleet.take(f"{ROOT}/state", state(session=2), SECOND)
    assert fleet.take(f"{ROOT}/state", state("offline", session=1), 2 * SECOND) is None
    assert _device(fleet).presence is Presence.ONLINE
    fleet.take(f"{ROOT}/state", state("offline", session=2), 3 * SECOND)
    assert _device(fleet).presence is Presence.OFFLINE


def test_the_will_of_an_earlier_boot_says_nothing() -> None:
    fleet = Fleet()
    fleet.take(f"{ROOT}/state", state(session=7, boot_id="boot-2"), 0)
    assert fleet.take(f"{ROOT}/state", state("offline", session=6, boot_id="boot-1"), SECOND) is None
    assert _device(fleet).presence is Presence.ONLINE


def test_who_says_nothing_is_silent_until_it_speaks_again() -> None:
    fleet = Fleet()
    fleet.take(f"{ROOT}/state", state(), 0)
    fleet.take("v1/lyon/b.example/state", state(), 0)
    fleet.take(f"{ROOT}/health", health(in_case=True), SECOND)
    fleet.note_time(SILENCE_LIMIT_NS + 1)
    assert fleet.devices["lyon/b.example"].presence is Presence.SILENT
    assert _device(fleet).presence is Presence.ONLINE
    fleet.note_time(SECOND + SILENCE_LIMIT_NS + 1)
    assert _device(fleet).presence is Presence.SILENT
    glance = _device(fleet).glance
    assert glance is not None
    assert glance.alert is Alert.ALARM  # in the middle of a case
    fleet.take(f"{ROOT}/health", health(), 60 * SECOND)
    assert _device(fleet).presence is Presence.ONLINE


def test_a_bad_picture_is_an_alarm_in_a_case_and_a_notice_without_one() -> None:
    fleet = Fleet()
    fleet.take(f"{ROOT}/state", state(), 0)
    for in_case, alert in ((False, Alert.NOTICE), (True, Alert.ALARM)):
        fleet.take(f"{ROOT}/health", health("LINK STALLED", in_case=in_case), SECOND)
        glance = _device(fleet).glance
        assert glance is not None
        assert glance.alert is alert


def test_a_page_gets_what_is_newer_than_what_it_has() -> None:
    fleet = Fleet()
    fleet.take(f"{ROOT}/state", state(), 0)
    fleet.take("v1/lyon/b.example/state", state(), 0)
    version = fleet.version
    assert {device.name for device in fleet.changed_since(0)} == {"a.example", "b.example"}
    fleet.take(f"{ROOT}/health", health(), 1)
    fleet.take(f"{ROOT}/health", health(), 2)  # says the same at a glance
    assert [device.name for device in fleet.changed_since(version)] == ["a.example"]
    assert fleet.version == version + 1


def test_an_event_that_comes_twice_is_one() -> None:
    fleet = Fleet()
    fleet.take(f"{ROOT}/state", state(), 0)
    assert fleet.take(f"{ROOT}/event/picture", event(1), 1) is not None
    assert fleet.take(f"{ROOT}/event/picture", event(1), 2) is None
    assert fleet.take(f"{ROOT}/event/picture", event(2), 3) is not None


def test_events_of_an_unknown_device_make_none() -> None:
    fleet = Fleet()
    assert fleet.take(f"{ROOT}/event/picture", event(1), 1) is None
    assert not fleet.devices


def test_devices_are_bounded() -> None:
    fleet = Fleet()
    fleet.devices = {f"x/{number}": Device("x", f"{number}") for number in range(DEVICES_LIMIT)}
    assert fleet.take(f"{ROOT}/state", state(), 0) is None


@given(
    topic=st.sampled_from(["state", "health", "reported", "event/picture", "reply/x", "other", ""]),
    payload=st.binary(max_size=300) | st.sampled_from([state(), health(), event(1)]).map(lambda good: good[:-1]),
)
def test_what_is_no_message_is_counted_and_changes_nothing(topic: str, payload: bytes) -> None:
    fleet = Fleet()
    fleet.take(f"{ROOT}/state", state(), 0)
    before = _device(fleet).glance
    fleet.take(f"{ROOT}/{topic}", payload, 1)
    assert _device(fleet).glance == before


@given(st.text(max_size=40))
def test_no_topic_breaks_the_fleet(topic: str) -> None:
    Fleet().take(topic, b"{}", 0)
