"""Telling systemd that the daemon is up and alive (sd_notify(3)); silent where there is no systemd."""

import logging
import os

from systemd import daemon as systemd_daemon

logger = logging.getLogger(__name__)


class SystemdNotifier:
    """READY once, then watchdog pings with a status line, then STOPPING."""

    def __init__(self) -> None:
        self._is_ready = False
        self._wanted = "NOTIFY_SOCKET" in os.environ

    def ready(self) -> None:
        if not self._is_ready:
            self._is_ready = True
            self._notify("READY=1")

    def alive(self, status: str) -> None:
        self._notify(f"WATCHDOG=1\nSTATUS={status}")

    def stopping(self) -> None:
        self._notify("STOPPING=1")

    def _notify(self, message: str) -> None:
        if not self._wanted:
            return
        try:
            systemd_daemon.notify(message)
        except OSError as error:  # the service manager itself has gone; the case goes on
            logger.warning("systemd does not listen any more (%s)", error)
            self._wanted = False
