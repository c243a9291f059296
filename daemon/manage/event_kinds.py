"""Which topic `event/KIND` an event belongs to, by the words that it begins or ends with."""

_BEGINNINGS = (
    ("picture", "picture"),
    ("noise filter", "picture"),
    ("capture", "capture"),
    ("source", "capture"),
    ("kernels", "process"),
    ("link", "link"),
    ("call", "call"),
    ("voice", "call"),
    ("broker", "management"),
    ("settings", "management"),
    ("command", "security"),
    ("another device", "security"),
)
_PROCESS_ENDINGS = (" process ended", " process killed")
OTHER = "device"


def kind_of(what: str) -> str:
    """One of the kinds of `event/{kind}` in the schema."""
    if what.endswith(_PROCESS_ENDINGS):
        return "process"
    return next((kind for beginning, kind in _BEGINNINGS if what.startswith(beginning)), OTHER)
