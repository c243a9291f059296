"""The deployed broker: who comes in, and what a device may say and hear."""

import socket
import ssl

import paho.mqtt.client as mqtt
import pytest

from provisioning.authority import Authority, write_identity
from tests.manage.rig import ManagedLab, client_tls

SENDER, RECEIVER = "sender.lab.cathlink", "receiver.lab.cathlink"


def connects(managed: ManagedLab, context: ssl.SSLContext | None) -> bool:
    """Whether a client gets as far as a CONNACK that lets it in."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    answers = []
    client.on_connect = lambda _c, _u, _f, code, _p: answers.append(code.value)
    if context is not None:
        client.tls_set_context(context)
    try:
        client.connect("localhost", managed.port)
        for _ in range(200):
            if answers or client.loop(0.05) != mqtt.MQTT_ERR_SUCCESS:
                break
    except (OSError, ssl.SSLError):
        return False
    finally:
        client.disconnect()
    return answers == [0]


def test_with_a_certificate_of_the_authority_one_comes_in(managed: ManagedLab) -> None:
    assert connects(managed, client_tls(managed.folder, "sender"))


def test_without_a_certificate_nobody_comes_in(managed: ManagedLab) -> None:
    assert not connects(managed, client_tls(managed.folder))
    assert not connects(managed, None)


def test_with_another_authoritys_certificate_nobody_comes_in(managed: ManagedLab) -> None:
    stranger = Authority.make("another hospital").issue(SENDER)
    write_identity(stranger, managed.folder / "stranger.crt", managed.folder / "stranger.key")
    assert not connects(managed, client_tls(managed.folder, "stranger"))


def test_old_tls_is_refused(managed: ManagedLab) -> None:
    context = client_tls(managed.folder, "sender")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", managed.port)) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname="localhost")


def test_a_device_hears_nothing_that_is_another_devices(managed: ManagedLab) -> None:
    console = managed.console()
    spy = managed.peer("receiver", "v1/#", "+/#", f"v1/lab/{SENDER}/state", f"v1/lab/{SENDER}/cmd/+", "$SYS/#")
    sender = managed.peer("sender", f"v1/lab/{SENDER}/cmd/+")
    for topic in ("state", "health", "event/picture", "reported", "reply/me"):
        sender.say(f"v1/lab/{SENDER}/{topic}", b"sender's")
    console.say(f"v1/lab/{SENDER}/cmd/status", b"for the sender")
    console.say(f"v1/lab/{RECEIVER}/cmd/status", b"for the receiver")
    sender.wait_for("cmd/status")
    spy.wait_for("cmd/status")
    assert {message.payload for message in spy.heard} == {b"for the receiver"}


def test_a_device_says_nothing_in_anothers_name_nor_commands(managed: ManagedLab) -> None:
    console, sender = managed.console(), managed.peer("sender")
    for topic in ("state", "health", "event/picture", "reported", "reply/me", "desired", "cmd/status"):
        sender.say(f"v1/lab/{RECEIVER}/{topic}", b"forged")
        sender.say(f"v1/elsewhere/{RECEIVER}/{topic}", b"forged")
    for topic in ("desired", "cmd/status", "more", "event/a/b"):
        sender.say(f"v1/lab/{SENDER}/{topic}", b"forged")
    sender.say(f"v1/lab/{SENDER}/health", b"its own")
    console.wait_for("health")
    assert [message.payload for message in console.heard] == [b"its own"]


def test_a_console_does_not_speak_for_a_device(managed: ManagedLab) -> None:
    console, other = managed.console(), managed.peer("console", "v1/#")
    for topic in ("state", "health", "event/picture", "reported", "reply/me"):
        console.say(f"v1/lab/{SENDER}/{topic}", b"forged")
    console.say(f"v1/lab/{SENDER}/desired", b"wanted")
    other.wait_for("desired")
    assert [message.payload for message in other.heard] == [b"wanted"]
