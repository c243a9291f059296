"""The console's one exception family. It stands alone, so it has a root of its own."""

FAULT_EXIT_CODE = 1
USAGE_EXIT_CODE = 2


class ConsoleError(Exception):
    """Root. `str()` is one line for a person: what is wrong, then what to do about it."""

    exit_code = FAULT_EXIT_CODE

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}: {remedy}" if remedy else problem)


class UsageError(ConsoleError):
    """Bad arguments, or a configuration that cannot be used."""

    exit_code = USAGE_EXIT_CODE


class MessageError(ConsoleError):
    """A message that is not as the schema says. Whoever sent it is at fault; it is counted and passed over."""


class SignatureError(ConsoleError):
    """A signature that does not belong to its text, or a certificate that the authority has not issued."""
