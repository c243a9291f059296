"""The distribution, the unit file and the README's commands."""

import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("package", ["daemon", "hw", "provisioning", "console"])
def test_no_other_distribution_owns_our_packages(package: str) -> None:
    owners = set(metadata.packages_distributions().get(package, []))
    assert owners <= {"cathlink"}


def test_unit_file_is_valid_for_systemd(tmp_path: Path) -> None:
    """A program that exists stands in for the installed one: nothing else may be complained of."""
    unit = tmp_path / "cathlink.service"
    text = (ROOT / "deploy" / "cathlink.service").read_text()
    unit.write_text(text.replace("/opt/cathlink/venv/bin/cathlink", "/bin/true"))
    run = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert run.returncode == 0


def test_unit_file_is_tight() -> None:
    run = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=40", ROOT / "deploy" / "cathlink.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-500:]


def test_readme_links_and_make_targets_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", readme):
        assert target.startswith("http") or (ROOT / target).exists(), target
    makefile = (ROOT / "Makefile").read_text()
    for name in re.findall(r"`make ([a-z-]+)", readme):
        assert f"\n{name}:" in makefile, name
