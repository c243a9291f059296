"""What a microphone and a speaker promise, shown on the fakes; the worker's care for them rests on it."""

import numpy as np
import pytest

from hw.audio.fake import FakeAudioDevices
from hw.audio.ports import BLOCK_SAMPLES, PLAYED_SAMPLES, AudioDevices, Samples
from hw.errors import DeviceAddressError, DeviceError
from hw.select import audio_devices


def test_blocks_go_through_while_it_is_open() -> None:
    devices = FakeAudioDevices()
    contract: AudioDevices = devices
    heard: list[Samples] = []
    contract.microphone.open(heard.append)
    contract.speaker.open(lambda block: block.fill(0.5))
    devices.microphone.say(np.ones(BLOCK_SAMPLES, np.float32))
    assert len(heard) == 1
    assert devices.speaker.play().tolist() == [0.5] * PLAYED_SAMPLES
    for device in (contract.microphone, contract.speaker):
        assert device.is_alive
        device.close()
        device.close()
        assert not device.is_alive
    devices.microphone.say(np.ones(BLOCK_SAMPLES, np.float32))
    assert len(heard) == 1
    assert not devices.speaker.play().any()


def test_one_that_is_pulled_out_is_not_alive_and_does_not_open() -> None:
    devices = FakeAudioDevices()
    devices.microphone.open(lambda block: None)
    devices.microphone.is_plugged = False
    assert not devices.microphone.is_alive
    devices.microphone.close()
    with pytest.raises(DeviceError, match="plugged"):
        devices.microphone.open(lambda block: None)
    devices.microphone.is_plugged = True
    devices.microphone.open(lambda block: None)
    assert devices.microphone.is_alive


@pytest.mark.parametrize("address", ["jack:", "sound:?channels=2", "Jabra"])
def test_an_address_that_can_never_work_is_refused(address: str) -> None:
    with pytest.raises(DeviceAddressError):
        audio_devices(address)
