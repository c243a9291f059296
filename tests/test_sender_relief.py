"""Pressure is carried out: preset and filter, with an event for each step and words for as long as it lasts."""

from daemon.config import EncoderConfig, FilterChoice
from daemon.sender_relief import SenderRelief

SECOND_NS = 1_000_000_000
INTERVAL_NS = SECOND_NS // 30


class Sender:
    def __init__(self, config: EncoderConfig | None = None, filter_choice: FilterChoice = FilterChoice.SAFE) -> None:
        self.events: list[tuple[str, str]] = []
        self.is_filter_given_up = False
        self.relief = SenderRelief(
            config or EncoderConfig(), filter_choice, self.give_up_filter, lambda *what: self.events.append(what)
        )
        self.now_ns = 0

    def give_up_filter(self, *, is_given_up: bool) -> None:
        self.is_filter_given_up = is_given_up

    def run(self, seconds: float, load: float) -> None:
        for _ in range(round(seconds * 30)):
            self.now_ns += INTERVAL_NS
            self.relief.note_image(self.now_ns, int(load * INTERVAL_NS), 30.0)


def test_preset_filter_and_rate_are_given_up_and_come_back() -> None:
    sender = Sender()
    assert sender.relief.preset == "superfast"
    sender.run(0.9, 0.95)
    assert sender.relief.preset == "ultrafast"
    assert not sender.is_filter_given_up
    assert sender.relief.words == "the encoder's preset"
    sender.run(0.9, 0.95)
    assert sender.is_filter_given_up
    sender.run(0.9, 0.95)
    assert sender.relief.rate_limit_hz(30.0) == 15
    sender.run(60, 0.1)
    assert sender.relief.preset == "superfast"
    assert not sender.is_filter_given_up
    assert sender.relief.rate_limit_hz(30.0) is None
    assert sender.relief.words == ""
    assert [what for what, _ in sender.events] == [
        "the encoder's preset given up",
        "the noise filter given up",
        "every second image given up",
        "every second image back",
        "the noise filter back",
        "the encoder's preset back",
    ]
    assert all(cause for _, cause in sender.events)


def test_heat_counts_too() -> None:
    sender = Sender()
    sender.relief.is_throttled = True
    sender.run(0.1, 0.1)
    assert sender.events == [("the encoder's preset given up", "the processor is throttled for its heat")]


def test_what_is_not_in_use_is_not_given_up() -> None:
    for config in (EncoderConfig(preset="ultrafast"), EncoderConfig(lossless=True)):
        sender = Sender(config, FilterChoice.OFF)
        sender.run(0.9, 0.95)
        assert sender.relief.rate_limit_hz(30.0) == 15
        assert sender.relief.preset == config.preset
