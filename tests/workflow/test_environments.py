"""Files that name versions name the same ones, and the lock names no address."""

from __future__ import annotations

import re
import tomllib

import yaml

from notemill import __version__
from tests.workflow.project import REPOSITORY

LOCK = (REPOSITORY / "requirements.lock").read_text()


def test_the_conda_environment_has_the_versions_of_the_lock() -> None:
    environment = yaml.safe_load((REPOSITORY / "envs" / "notemill.yaml").read_text())
    pins = next(part["pip"] for part in environment["dependencies"] if isinstance(part, dict))
    locked = set(re.findall(r"^([\w-]+==[^\s;]+)", LOCK, re.MULTILINE))
    assert not set(pins) - locked


def test_every_pin_of_the_lock_has_a_hash_and_no_address() -> None:
    for name in ("requirements.lock", "requirements-test.lock"):
        text = (REPOSITORY / name).read_text()
        assert "://" not in text
        for pin in re.split(r"\n(?=\S)", text.strip()):
            assert "--hash=sha256:" in pin, pin


def test_changelog_and_citation_name_the_released_version_and_its_day() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\](?: - (.+))?$", changelog, re.MULTILINE)
    unreleased, (version, day), *_ = headings
    assert unreleased == ("Unreleased", "")
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert version == citation["version"] == __version__
    assert day == str(citation["date-released"])


def test_an_installed_copy_has_all_files_of_the_package() -> None:
    setup = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    package = REPOSITORY / "notemill"
    declared = {
        path
        for name, patterns in setup["package-data"].items()
        for pattern in patterns
        for path in REPOSITORY.joinpath(*name.split(".")).glob(pattern)
    }
    there = {path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {path for path in there if path.suffix != ".py"} == declared
