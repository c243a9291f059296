"""The root of every exception that cathlink raises, and those of devices.

They live here because `hw` is the bottom of the import order: daemon and provisioning build on it.
Foreign exceptions (PyAV, SDL, OpenSSL) are mapped to one of this family where they arise.
"""

FAULT_EXIT_CODE = 1
USAGE_EXIT_CODE = 2


class CathlinkError(Exception):
    """Root of the family. `str()` is one line for a person: what is wrong, then what to do about it."""

    exit_code = FAULT_EXIT_CODE

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}: {remedy}" if remedy else problem)
        self.problem = problem
        self.remedy = remedy


class DeviceAddressError(CathlinkError):
    """A device address (`file:clip.mkv`, `sdl:`) that can never work as written: the user must change it."""

    exit_code = USAGE_EXIT_CODE


class DeviceError(CathlinkError):
    """A device that fails now and may work later: unplugged, busy, no signal. The owner closes and reopens it."""


class SourceChangedError(DeviceError):
    """The source sends another signal than the one that the device was opened for: open it again at once."""
