"""A worker process: `python -m daemon.worker NAME SUPERVISOR_FD PEER=FD ...`, started by the supervisor alone.

It gets its configuration as the first message, runs one of the corridors' halves, and ends when told to, when the
supervisor has gone, or when it cannot work with its configuration (which it says, so that nobody restarts it in vain).
"""

import ctypes
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable

from daemon import log
from daemon.channel import Channel
from daemon.config import Config, Role
from daemon.errors import ChannelClosedError
from daemon.memory import loading, trim_heap
from daemon.messages import (
    Failed,
    FromWorker,
    SmallMessage,
    Start,
    Stop,
    ToLink,
    ToVideo,
    ToVoice,
    ToWorker,
    VoiceCommand,
    XrayReport,
)
from hw.errors import USAGE_EXIT_CODE, CathlinkError

logger = logging.getLogger(__name__)

TRIM_HEAP_EVERY_S = 20.0
PR_SET_NAME = 15
PR_SET_PDEATHSIG = 1


class Supervision:
    """A worker's line to its supervisor: reports go out, `stopping` is set when the worker must end."""

    def __init__(self, end: socket.socket) -> None:
        self._channel: Channel[ToWorker] = Channel(end, ToWorker)
        self.stopping = threading.Event()

    def start_message(self) -> Start:
        """The configuration, which the supervisor sends first."""
        message = self._channel.receive(timeout_s=10.0)
        if not isinstance(message, Start):
            raise ChannelClosedError("the supervisor did not send a configuration")
        return message

    def listen(
        self,
        on_stop: Callable[[], None],
        on_small: Callable[[SmallMessage], object] = lambda message: None,
        on_xray: Callable[[XrayReport], object] = lambda report: None,
        on_voice: Callable[[VoiceCommand], object] = lambda command: None,
    ) -> None:
        """Watch for Stop, or for the supervisor's end, in a thread of its own; there the others are called too."""

        def watch() -> None:
            try:
                while not isinstance(message := self._channel.receive(TRIM_HEAP_EVERY_S), Stop):
                    if message is None:
                        trim_heap()
                    elif isinstance(message, SmallMessage):
                        on_small(message)
                    elif isinstance(message, XrayReport):
                        on_xray(message)
                    elif isinstance(message, VoiceCommand):
                        on_voice(message)
            except ChannelClosedError:
                logger.error("the supervisor has gone")
            self.stopping.set()
            on_stop()

        threading.Thread(target=watch, name="supervision", daemon=True).start()

    def report(self, message: FromWorker) -> None:
        """Never waits; a supervisor that does not read loses reports, the picture loses nothing."""
        try:
            self._channel.send(message)
        except ChannelClosedError:
            self.stopping.set()

    def fail(self, error: CathlinkError) -> None:
        """Say that nothing can be done with this configuration, and end."""
        self.report(Failed(str(error), error.exit_code))
        self.stopping.set()


def main(arguments: list[str]) -> int:
    name, supervisor_fd = arguments[0], int(arguments[1])
    pipes = {peer: socket.socket(fileno=int(end)) for peer, _, end in (pipe.partition("=") for pipe in arguments[2:])}
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides the order
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(PR_SET_NAME, f"cathlink-{name}".encode())
    log.set_up(name)
    supervision = Supervision(socket.socket(fileno=supervisor_fd))
    try:
        config = supervision.start_message().config
        _run(name, config, supervision, pipes)
    except ChannelClosedError as error:
        logger.error("%s", error)
        return 1
    except CathlinkError as error:
        supervision.fail(error)
        return error.exit_code
    return 0


def _run(name: str, config: Config, supervision: Supervision, pipes: dict[str, socket.socket]) -> None:
    """Each half imports only what it needs: the link process never loads a codec."""
    if name == "link":
        with loading():
            from daemon.link.worker import run_link

        voice: Channel[ToLink] | None = Channel(pipes["voice"], ToLink) if "voice" in pipes else None
        run_link(config, supervision, Channel(pipes["video"], ToLink), voice)
    elif name == "voice":
        with loading():
            from daemon.voice.worker import run_voice

        run_voice(config, supervision, Channel(pipes["link"], ToVoice))
    elif config.role is Role.SENDER:
        with loading():
            from daemon.sender import run_sender_video

        run_sender_video(config, supervision, Channel(pipes["link"], ToVideo))
    else:
        with loading():
            from daemon.receiver import run_receiver_video

        run_receiver_video(config, supervision, Channel(pipes["link"], ToVideo))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if len(sys.argv) >= 4 else USAGE_EXIT_CODE)
