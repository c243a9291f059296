"""A session is one connection to the broker: its number, its challenge, and the stamps of its messages. No clock."""

import itertools
import secrets
from typing import Any

from daemon.manage.now import Now


def new_token() -> str:
    """128 random bits, base64url."""
    return secrets.token_urlsafe(16)


class Session:
    """`number` grows with each connection of the device, also over starts of the program."""

    def __init__(self, boot_id: str, number: int) -> None:
        self.boot_id = boot_id
        self.number = number
        self.challenge = new_token()
        self._seq = itertools.count(1)

    def stamp(self, now: Now) -> dict[str, Any]:
        """The members of `schema.Stamp` for the next message."""
        return self._stamp(now, next(self._seq))

    def will_stamp(self, now: Now) -> dict[str, Any]:
        """Of the message that the broker keeps for later: it stands before all others."""
        return self._stamp(now, 0)

    def _stamp(self, now: Now, seq: int) -> dict[str, Any]:
        return {
            "boot_id": self.boot_id,
            "session": self.number,
            "seq": seq,
            "mono_ns": now.mono_ns,
            "utc": now.utc_text,
            "clock_state": now.clock_state,
        }
