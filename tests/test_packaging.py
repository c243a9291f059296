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


def test_unit_file_is_valid_for_systemd() -> None:
    unit = ROOT / "deploy" / "cathlink.service"
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    complaints = [line for line in run.stderr.splitlines() if "is not executable" not in line]
    assert complaints == []


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
