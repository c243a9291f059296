"""Who may sign in to the console, and with which role. Passwords are kept as argon2id hashes (RFC 9106).

A role of the console says what its pages offer; what a device does is decided by the device, from the signature.
"""

import os
import tempfile
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import argon2
import msgspec

from console.errors import ConsoleError, UsageError

SHORTEST_PASSWORD = 10
FREE_FAILURES = 5
FAILURE_PAUSE_NS = 30_000_000_000
NAMES_WATCHED = 1000


class Role(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMINISTRATOR = "administrator"

    def covers(self, needed: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`password`: an argon2 hash; empty for one whom a proxy signs in."""

    name: str
    role: Role
    password: str = ""


class _Users(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user: list[User] = []


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last_ns: int = 0


class Accounts:
    """The users of a file, which is read anew when it changes: somebody who was taken out is out at once."""

    def __init__(self, path: Path) -> None:
        """Raises UsageError."""
        self._path = path
        self._hasher = argon2.PasswordHasher()
        self._nobody = self._hasher.hash("nobody has this password")
        self._failures: dict[str, _Failures] = {}
        self._read_ns = -1
        self._users: dict[str, User] = {}
        self._refresh()

    def user(self, name: str) -> User | None:
        self._refresh()
        return self._users.get(name)

    def sign_in(self, name: str, password: str, now_ns: int) -> User | None:
        """None: no such user, another password, or too many failures just now. All take the same time."""
        user = self.user(name)
        failures = self._failures.get(name, _Failures())
        is_paused = failures.count >= FREE_FAILURES and now_ns - failures.last_ns < FAILURE_PAUSE_NS
        try:
            self._hasher.verify(user.password if user and user.password else self._nobody, password)
            is_right = user is not None and user.password != ""
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            is_right = False
        if is_right and not is_paused:
            self._failures.pop(name, None)
            return user
        if len(self._failures) < NAMES_WATCHED or name in self._failures:
            self._failures[name] = _Failures(failures.count + 1, now_ns)
        return None

    def _refresh(self) -> None:
        try:
            changed_ns = self._path.stat().st_mtime_ns
            if changed_ns != self._read_ns:
                self._users = {user.name: user for user in read_users(self._path)}
                self._read_ns = changed_ns
        except OSError as error:
            raise UsageError(
                f"{self._path}: cannot be read ({error.strerror})", "make a user: cathlink-console user NAME"
            ) from error


def read_users(path: Path) -> list[User]:
    """Raises UsageError, or OSError when there is no such file."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _Users).user
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{path}: {error}"[:300]) from error


def set_user(path: Path, name: str, role: Role, password: str) -> None:
    """Add or replace a user. `password` empty: one whom a proxy signs in. Raises ConsoleError."""
    if any(character in name for character in '"\\\n') or not name:
        raise UsageError(f"{name!r} cannot be a user's name", "letters, digits, '.', '@', '-', '_'")
    if password and len(password) < SHORTEST_PASSWORD:
        raise UsageError(f"a password has at least {SHORTEST_PASSWORD} characters")
    users = {user.name: user for user in read_users(path)} if path.exists() else {}
    users[name] = User(name, role, argon2.PasswordHasher().hash(password) if password else "")
    blocks = (f'[[user]]\nname = "{u.name}"\nrole = "{u.role}"\npassword = "{u.password}"\n' for u in users.values())
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            file.write("\n".join(blocks))
        os.replace(file.name, path)  # mode 0600, as it was made
    except OSError as error:
        raise ConsoleError(f"{path}: cannot be written ({error.strerror})") from error
