"""The command's own arguments: bad ones are one line and exit code 2."""

from pathlib import Path

import pytest

from console.cli import main


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("broker = 1", "broker"),
        ("[broker]\naddress = 'x'\ncertificate = ''\nkey = ''\nauthority = ''\n", "broker.address"),
        ("[broker]\nwrong = 1\n", "wrong"),
        ("nonsense", "not valid TOML"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, problem: str
) -> None:
    path = tmp_path / "console.toml"
    if content is not None:
        path.write_text(content)
    assert main(["--config", str(path), "list"]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert "console.toml" in error
    assert error.count("\n") == 1


def test_keys_are_made_and_their_public_half_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "operator.key"
    assert main(["keys", "new", str(path)]) == 0
    assert main(["keys", "public", str(path), "--name", "ann", "--role", "engineer"]) == 0
    assert '[[operator]]\nname = "ann"\nrole = "engineer"\nkey = "' in capsys.readouterr().out
    assert main(["keys", "public", str(tmp_path / "none"), "--name", "ann", "--role", "engineer"]) == 2


def test_an_argument_without_a_value_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "operator.key"
    main(["keys", "new", str(path)])
    assert main(["--config", "none", "send", "a", "set", "nothing", "--key", str(path)]) == 2
    assert "KEY=VALUE" in capsys.readouterr().err
