"""The daemon's leaves of the one exception family (root: `hw.errors.CathlinkError`)."""

from hw.errors import USAGE_EXIT_CODE, CathlinkError


class ConfigError(CathlinkError):
    """The configuration cannot be used. Names the file and the key's path."""

    exit_code = USAGE_EXIT_CODE


class CodecError(CathlinkError):
    """An encoder or decoder that failed on a picture. The owner opens a new one."""


class LinkError(CathlinkError):
    """The link cannot be set up: the port is taken, the address does not resolve."""


class ChannelClosedError(CathlinkError):
    """The process at the other end of a channel has gone."""


class MaskError(CathlinkError):
    """A picture that was to be encoded still shows what the mask had to blank."""


class LayoutError(CathlinkError):
    """A layout file that cannot be used. Names the file and the key's path."""

    exit_code = USAGE_EXIT_CODE


class UsageError(CathlinkError):
    """A command that was not called as it can work."""

    exit_code = USAGE_EXIT_CODE


class PointingError(CathlinkError):
    """A word of the peer's board that cannot be read."""


class ManageError(CathlinkError):
    """Management that cannot do its work: its disk, its keys, its broker's address."""
