"""A project to check: configuration, task and model store, on SQLite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from notemill.__main__ import main
from notemill.config import Config, read_config
from tests.servers.standin import store
from tests.unit.conftest import Clinic, config_values, write_task

Found = list[dict[str, Any]]


class Checked:
    """A configuration as values that a test changes, and what `notemill check` says of it."""

    def __init__(self, clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> None:
        self.clinic = clinic
        self.folder = clinic.folder
        self._capsys = capsys
        self.status = 0
        self.told = ""
        write_task(self.folder / "tasks")
        self.digest = store.make_model(self.folder / "store", "m:1")
        self.values = config_values(
            results=str(clinic.layout.results),
            tasks=str(self.folder / "tasks"),
            database=clinic.database.model_dump(mode="json", exclude_unset=True),
            engines={"local": {"kind": "ollama", "models": str(self.folder / "store")}},
        )
        self.values["cohorts"]["chest"]["shards"] = 3

    @property
    def cohort(self) -> dict[str, Any]:
        values: dict[str, Any] = self.values["cohorts"]["chest"]
        return values

    @property
    def experiment(self) -> dict[str, Any]:
        values: dict[str, Any] = self.values["experiments"]["cough"]
        return values

    @property
    def engine(self) -> dict[str, Any]:
        values: dict[str, Any] = self.values["engines"]["local"]
        return values

    @property
    def config(self) -> Config:
        return read_config(self.values)

    def text(self, *arguments: str) -> str:
        """What it prints."""
        path = self.folder / "my.yaml"
        path.write_text(yaml.safe_dump(self.values))
        self.status = main(["check", "--configfile", str(path), *arguments])
        printed = self._capsys.readouterr()
        self.told = printed.out + printed.err
        return printed.out

    def found(self, *arguments: str) -> Found:
        """What it finds."""
        findings: Found = json.loads(self.text("--json", *arguments))
        return findings

    def levels(self, *arguments: str) -> dict[str, str]:
        """Level by what is said."""
        return {finding["what"]: finding["level"] for finding in self.found(*arguments)}


@pytest.fixture
def checked(clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> Checked:
    return Checked(clinic, capsys)


def one(found: Found, words: str) -> dict[str, Any]:
    """The one finding that says just these words or, where none does, these words among others."""
    said = [each for each in found if words in each["what"]]
    (finding,) = [each for each in said if words == each["what"]] or said
    return finding


def files(folder: Path) -> dict[Path, bytes]:
    """Everything below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
