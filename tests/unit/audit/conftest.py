"""What the audit's tests share: a finished run, and an audit of it that two readers have filled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.audit.auditing import Auditing

TEXTS = [f"Note {number}: sputum with blood." for number in range(200)]


def says(text: str) -> str:
    """The model's answer: one in ten fails, two in ten are yes."""
    number = int(text.split()[1].rstrip(":"))
    return {0: "schema", 1: "yes", 2: "yes", 3: "not said"}.get(number % 10, "no")


def certain(text: str) -> str:
    """What readers say who find the model right, and yes in what failed."""
    return "yes" if says(text) == "schema" else says(text)


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "clinic"
    Auditing(folder, TEXTS, says)
    return folder


@pytest.fixture(scope="session")
def _filled(_finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled") / "clinic"
    auditing = copied(_finished, folder)
    auditing.draw("--texts", "32", "--seed", "4")
    for reader in ("ana", "ben"):
        auditing.fill(reader, certain)
    return folder


def copied(clinic: Path, folder: Path) -> Auditing:
    shutil.copytree(clinic, folder)
    return Auditing(folder, TEXTS, says)


@pytest.fixture
def auditing(_finished: Path, tmp_path: Path) -> Auditing:
    """200 texts: 20 failed, 40 yes, 20 not said, 120 no."""
    return copied(_finished, tmp_path / "clinic")


@pytest.fixture
def filled(_filled: Path, tmp_path: Path) -> Auditing:
    """An audit whose two readers have filled their sheets, and nobody has read them."""
    return copied(_filled, tmp_path / "clinic")
