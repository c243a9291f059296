"""The voice process: microphone to packets, packets to speaker, and the call. Read from top to bottom.

Threads: `intake` takes what the link delivers; `talk` takes the microphone's blocks; the speaker's own thread asks
for what it plays; `devices` opens and closes them; the main thread cares for the call and the reports. The picture
waits for none of them, and none of them for the picture.
"""

import contextlib
import logging
import os
import threading
import time

import numpy as np

from daemon.channel import Channel
from daemon.config import Config
from daemon.log import RepeatedProblem
from daemon.messages import Event, HeardVoice, PathReport, Statistics, ToVoice, VoiceCommand, VoiceReport
from daemon.queues import BoundedQueue
from daemon.stages import Stages, StageTimer
from daemon.voice.call import Call, CallState
from daemon.voice.conversation import Conversation
from daemon.voice.echo import FarReference, HeadsetProcessor, MicrophoneProcessor, RoomProcessor
from daemon.voice.level import LevelMeter
from daemon.voice.playout import Playout
from daemon.voice.talk import Talk
from daemon.worker import Supervision
from hw.audio.ports import RATE_HZ, AudioDevices, Samples
from hw.errors import DeviceError
from hw.select import audio_devices

logger = logging.getLogger(__name__)

REAL_TIME_PRIORITY = 10
CARE_EVERY_S = 0.02
REOPEN_AFTER_NS = 1_000_000_000
STATISTICS_EVERY_NS = 1_000_000_000
BLOCKS_WAITING = 16  # of the microphone's: more than this and it is too late for them
MILLISECOND_NS = 1_000_000
SAMPLES_PER_MS = RATE_HZ // 1000


def run_voice(config: Config, supervision: Supervision, link: Channel[ToVoice]) -> None:
    """The voice process of either end; returns when it is told to stop. Raises CathlinkError for a wrong config."""
    VoiceWorker(config, supervision, link, audio_devices(config.voice.device)).run()


class VoiceWorker:
    def __init__(self, config: Config, supervision: Supervision, link: Channel[ToVoice], devices: AudioDevices) -> None:
        settings = config.voice
        self._supervision = supervision
        self._link = link
        self._devices = devices
        self._headset = settings.headset
        self._conversation = Conversation(Call(auto_answer=settings.auto_answer), push_to_talk=settings.push_to_talk)
        self._talk = Talk(packet_ms=settings.packet_ms, bitrate_bps=settings.bitrate_bps)
        self._playout = Playout()
        self._far = FarReference()
        self._heard_level = LevelMeter()
        self._lock = threading.Lock()  # conversation and playout; held for less than a millisecond
        self._far_lock = threading.Lock()
        self._blocks: BoundedQueue[tuple[Samples, int]] = BoundedQueue(BLOCKS_WAITING)
        self._next_open_ns = 0
        self._openings = 0
        self._recorded_samples = 0
        self._played_samples = 0
        self._next_statistics_ns = 0
        self._problem = RepeatedProblem(logger)
        self._process_time, self._fill_time = StageTimer(), StageTimer()
        self._stages = Stages(supervision.stopping, supervision.fail)

    def run(self) -> None:
        _be_on_time()
        self._supervision.listen(on_stop=lambda: None, on_voice=self._obey)
        self._stages.start("intake", self._run_intake)
        self._stages.start("talk", self._run_talk)
        self._stages.start("devices", self._run_devices)
        while not self._supervision.stopping.wait(CARE_EVERY_S):
            now_ns = time.monotonic_ns()
            self._care_for_call(now_ns)
            self._report(now_ns)
        self._stages.join()

    def _obey(self, command: VoiceCommand) -> None:
        with self._lock:
            self._conversation.wish(command.wish, time.monotonic_ns())

    # --- intake: what the link delivers ---

    def _run_intake(self) -> None:
        while True:
            message = self._link.receive()
            with self._lock:
                match message:
                    case HeardVoice():
                        if self._conversation.is_open:
                            self._playout.receive(message)
                    case VoiceReport(status=status, is_peers=True):
                        self._conversation.note_peer(status, time.monotonic_ns())
                        self._talk.set_loss(status.loss_percent / 100)
                    case VoiceReport(status=status):
                        self._conversation.resume(status, time.monotonic_ns())
                    case PathReport():
                        self._conversation.note_path(message)

    # --- talk: the microphone's blocks become packets ---

    def _take(self, block: Samples) -> None:
        """In the microphone's thread."""
        self._recorded_samples += len(block)
        self._blocks.put((block.copy(), time.monotonic_ns()))

    def _new_processor(self) -> MicrophoneProcessor:
        return HeadsetProcessor() if self._headset else RoomProcessor()

    def _run_talk(self) -> None:
        processor = self._new_processor()
        call_id = 0
        while not self._supervision.stopping.is_set():
            recorded = self._blocks.take(timeout_s=0.1)
            if recorded is None:
                continue
            near, recorded_ns = recorded
            with self._far_lock:
                far = self._far.take(recorded_ns)
            with self._lock:
                is_open, self._talk.muted = self._conversation.is_open, self._conversation.is_muted
                is_new_call, call_id = self._conversation.call.id != call_id, self._conversation.call.id
            if not is_open:
                continue
            if is_new_call:
                processor = self._new_processor()  # another room at the other end
            with self._process_time:
                voice = processor.process(near, far)
                packet = self._talk.take(voice, recorded_ns)
            if packet is not None:
                self._link.send(packet)

    # --- the speaker ---

    def _fill(self, block: Samples) -> None:
        """In the speaker's thread."""
        now_ns = time.monotonic_ns()
        self._played_samples += len(block)
        with self._fill_time:
            with self._lock:
                if self._conversation.is_open:
                    self._playout.fill(block, now_ns)
                else:
                    block[:] = 0.0
                self._heard_level.note(block)
                self._conversation.cues.mix(block)
            np.clip(block, -1.0, 1.0, out=block)
            with self._far_lock:
                self._far.note_played(block, now_ns)

    # --- the call, the devices, the reports ---

    def _care_for_call(self, now_ns: int) -> None:
        with self._lock:
            conversation = self._conversation
            conversation.poll(now_ns, self._playout.heard_ns)
            events = conversation.take_events()
            loss_percent = round(100 * self._playout.loss) if conversation.is_open else 0
            level_dbfs = self._talk.level.read_dbfs() if conversation.wants_to_tell(now_ns) else None
            status, peer = None, conversation.call.peer
            if level_dbfs is not None:
                status = conversation.status(
                    now_ns,
                    loss_percent=loss_percent,
                    level_dbfs=level_dbfs,
                    no_microphone=conversation.is_open and not self._devices.microphone.is_alive,
                    no_speaker=conversation.needs_speaker and not self._devices.speaker.is_alive,
                )
        for what, cause in events:
            self._supervision.report(Event(what, cause, now_ns))
        if status is not None:
            self._link.send(VoiceReport(status))
            self._supervision.report(VoiceReport(status))
            if peer is not None:
                self._supervision.report(VoiceReport(peer, is_peers=True))

    def _run_devices(self) -> None:
        """A thread of its own: a sound card that takes seconds to open keeps no call and no report waiting."""
        try:
            while not self._supervision.stopping.wait(CARE_EVERY_S):
                self._care_for_devices(time.monotonic_ns())
        finally:
            self._close_devices()

    def _care_for_devices(self, now_ns: int) -> None:
        """The microphone is open during a call only; the speaker also while it rings."""
        microphone, speaker = self._devices.microphone, self._devices.speaker
        with self._lock:
            needs_microphone, needs_speaker = self._conversation.is_open, self._conversation.needs_speaker
        if not needs_microphone:
            microphone.close()
        if not needs_speaker:
            speaker.close()
        is_missing = (needs_microphone and not microphone.is_alive) or (needs_speaker and not speaker.is_alive)
        if not is_missing or now_ns < self._next_open_ns:
            return
        self._next_open_ns = now_ns + REOPEN_AFTER_NS
        if self._devices.has_news() or not (microphone.is_alive or speaker.is_alive):
            self._close_devices()
            self._devices.rescan()
        self._openings += 1
        try:
            if needs_speaker and not speaker.is_alive:
                speaker.open(self._fill)
            if needs_microphone and not microphone.is_alive:
                microphone.open(self._take)
        except DeviceError as error:
            self._problem.note(str(error))

    def _close_devices(self) -> None:
        self._devices.microphone.close()
        self._devices.speaker.close()

    def _report(self, now_ns: int) -> None:
        if now_ns < self._next_statistics_ns:
            return
        self._next_statistics_ns = now_ns + STATISTICS_EVERY_NS
        with self._lock:
            playout, jitter = self._playout, self._playout.jitter
            delay_ns = playout.delay_ns(now_ns) if self._conversation.is_open else None
            figures = {
                "in_call": float(self._conversation.call.state is CallState.IN_CALL),
                "muted": float(self._conversation.is_muted),
                "playout_delay_ms": (delay_ns or 0) / MILLISECOND_NS,
                "loss_percent": 100 * playout.loss,
                "concealed_ms": jitter.concealed_samples / SAMPLES_PER_MS,
                "packets_late": float(jitter.late),
                "packets_skipped": float(jitter.skipped),
                "packets_malformed": float(playout.malformed),
                "heard_dbfs": float(self._heard_level.read_dbfs()),
                "blocks_dropped": float(self._blocks.drops),
                "reference_jumps": float(self._far.jumps),
                "microphone_xruns": float(self._devices.microphone.xruns),
                "speaker_xruns": float(self._devices.speaker.xruns),
                "device_openings": float(self._openings),
                "recorded_ms": self._recorded_samples / SAMPLES_PER_MS,
                "played_ms": self._played_samples / SAMPLES_PER_MS,
                **self._process_time.figures("process"),
                **self._fill_time.figures("fill"),
            }
        self._supervision.report(Statistics("voice", figures))


def _be_on_time() -> None:
    """Ahead of all pictures, where this user may (the unit allows it): voice takes little, and cannot wait."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(REAL_TIME_PRIORITY))
