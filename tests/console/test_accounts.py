"""Who may sign in."""

import os
from pathlib import Path

import pytest

from console.accounts import FAILURE_PAUSE_NS, FREE_FAILURES, Accounts, Role, set_user
from console.errors import UsageError

PASSWORD = "a long password"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "users.toml"
    set_user(path, "ann", Role.ENGINEER, PASSWORD)
    set_user(path, "proxied", Role.VIEWER, "")
    return path


def test_the_right_password_and_no_other(path: Path) -> None:
    accounts = Accounts(path)
    user = accounts.sign_in("ann", PASSWORD, 0)
    assert user is not None
    assert user.role is Role.ENGINEER
    assert accounts.sign_in("ann", "another", 0) is None
    assert accounts.sign_in("bob", PASSWORD, 0) is None
    assert accounts.sign_in("proxied", "", 0) is None
    assert PASSWORD not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_many_failures_make_a_pause(path: Path) -> None:
    accounts = Accounts(path)
    for _ in range(FREE_FAILURES):
        accounts.sign_in("ann", "wrong", 0)
    assert accounts.sign_in("ann", PASSWORD, 1) is None
    assert accounts.sign_in("ann", PASSWORD, 2 * FAILURE_PAUSE_NS) is not None


def test_who_is_taken_out_is_out_at_once(path: Path) -> None:
    accounts = Accounts(path)
    assert accounts.user("ann") is not None
    path.write_text("")
    os.utime(path, ns=(1, 1))
    assert accounts.user("ann") is None


def test_bad_users_and_passwords_are_refused(path: Path) -> None:
    with pytest.raises(UsageError):
        set_user(path, "ann", Role.VIEWER, "short")
    with pytest.raises(UsageError):
        set_user(path, 'a"b', Role.VIEWER, PASSWORD)
    path.write_text("[[user]]\nname = 1\n")
    with pytest.raises(UsageError, match=r"users\.toml"):
        Accounts(path)


def test_roles_cover_those_below() -> None:
    assert Role.ADMINISTRATOR.covers(Role.OPERATOR)
    assert not Role.VIEWER.covers(Role.OPERATOR)
