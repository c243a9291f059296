"""The voice process's pipe, at the link: packets and states of voice, both ways."""

import time

from daemon.channel import Channel
from daemon.link.endpoint import Endpoint
from daemon.link.voice_status import VoiceStatus
from daemon.messages import PathReport, ToLink, VoicePacket, VoiceReport


class VoicePipe:
    """`to_video` gets the states of both ends too: they stand beside the picture."""

    def __init__(self, voice: Channel[ToLink], endpoint: Endpoint, to_video: Channel[ToLink]) -> None:
        self.channel = voice
        self._endpoint = endpoint
        self._to_video = to_video
        self._own: VoiceStatus | None = None

    def take_messages(self) -> None:
        """What the voice process has sent."""
        while (message := self.channel.receive(timeout_s=0)) is not None:
            match message:
                case VoicePacket():
                    self._endpoint.send_voice(message, time.monotonic_ns())
                case VoiceReport():
                    self._note_own(message)

    def _note_own(self, report: VoiceReport) -> None:
        if report.status.sequence == 0 and self._own is not None:
            self.channel.send(VoiceReport(self._own))  # it began anew: this is what it was in the middle of
        self._own = report.status
        self._endpoint.send_voice_status(report.status)
        self._to_video.send(report)

    def hand_over(self) -> None:
        """What has come from the peer."""
        for packet in self._endpoint.voice.heard:
            self.channel.send(packet)
        self._endpoint.voice.heard.clear()
        for status in self._endpoint.voice_statuses:
            report = VoiceReport(status, is_peers=True)
            self.channel.send(report)
            self._to_video.send(report)
        self._endpoint.voice_statuses.clear()

    def report(self) -> None:
        self.channel.send(PathReport(self._endpoint.transport.last_authenticated_ns))

    def figures(self) -> dict[str, float]:
        voice = self._endpoint.voice
        return {
            "voice_packets_sent": float(voice.packets_sent),
            "voice_packets_heard": float(voice.packets_heard),
            "voice_pipe_drops": float(self.channel.drops + voice.packets_dropped),
        }
