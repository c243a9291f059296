"""Logging: one line an event, to standard error (which is the journal under systemd), and never a flood."""

import logging
import os
import sys
import time

REPEAT_EVERY_NS = 1_000_000_000
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _JournalFormatter(logging.Formatter):
    """The journal wants the priority in front (sd-daemon(3)) and has its own time stamps."""

    def format(self, record: logging.LogRecord) -> str:
        return f"<{_PRIORITIES.get(record.levelno, 6)}>{super().format(record)}"


def set_up(process_name: str) -> None:
    """Call once in each process."""
    handler = logging.StreamHandler(sys.stderr)
    if os.environ.get("JOURNAL_STREAM"):
        handler.setFormatter(_JournalFormatter(f"{process_name}: %(message)s"))
    else:
        handler.setFormatter(logging.Formatter(f"%(asctime)s {process_name}: %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class RepeatedProblem:
    """Logs a problem that may come a thousand times a second: at most once a second, with a count."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._next_ns = 0
        self._unsaid = 0
        self.total = 0

    def note(self, problem: str) -> None:
        self.total += 1
        now_ns = time.monotonic_ns()
        if now_ns < self._next_ns:
            self._unsaid += 1
            return
        more = f" (and {self._unsaid} more like it)" if self._unsaid else ""
        self._logger.warning("%s%s", problem, more)
        self._next_ns, self._unsaid = now_ns + REPEAT_EVERY_NS, 0
