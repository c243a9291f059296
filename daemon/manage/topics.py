"""Names of topics: `v1/{site}/{device}/...`."""

import re
from dataclasses import dataclass

PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # no wildcard, no slash, not '$SYS'


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device."""

    site: str
    device: str

    @property
    def root(self) -> str:
        return f"v1/{self.site}/{self.device}"

    @property
    def state(self) -> str:
        return f"{self.root}/state"

    @property
    def health(self) -> str:
        return f"{self.root}/health"

    @property
    def reported(self) -> str:
        return f"{self.root}/reported"

    @property
    def desired(self) -> str:
        return f"{self.root}/desired"

    @property
    def commands(self) -> str:
        return f"{self.root}/cmd/+"

    def event(self, kind: str) -> str:
        return f"{self.root}/event/{kind}"

    def command_of(self, topic: str) -> str | None:
        """The last level of a topic of `commands`; None for any other topic."""
        start = f"{self.root}/cmd/"
        return topic[len(start) :] if topic.startswith(start) and "/" not in topic[len(start) :] else None

    def is_reply(self, topic: str) -> bool:
        """Whether an answer may go there: a device writes below its own root only."""
        start = f"{self.root}/reply/"
        return topic.startswith(start) and PART.fullmatch(topic[len(start) :]) is not None
