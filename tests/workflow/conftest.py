"""Small projects for the workflow's tests: SQLite, the embedded engine, a dozen notes."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.once import once
from tests.random_model import write_random_model
from tests.workflow.project import REPOSITORY, Project

NOTES: list[tuple[int, str, str | None]] = [
    (1, "A1", "Chest X-ray: right lower lobe consolidation, consistent with pneumonia."),
    (2, "A2", "Chest X-ray: lungs clear. No pneumonia."),
    (3, "A3", "Ankle sprain after a fall."),
    (4, "A4", "Ankle sprain after a fall."),
    (5, "A5", "Cough for three days, no imaging."),
    (6, "A6", "History of pneumonia in 2019, resolved."),
    (7, "A7", "CT: bilateral ground-glass opacities."),
    (8, "A8", None),
    (9, "A9", " \n "),
]


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights: the machinery is real, the answers mean nothing."""
    return once(tmp_path_factory, "model", _write_model) / "random.gguf"


def _write_model(folder: Path) -> None:
    write_random_model(folder / "random.gguf")


@pytest.fixture
def make_project(tmp_path: Path, weights: Path) -> Callable[..., Project]:
    """Makes a project in the test's folder."""

    def make(**changes: Any) -> Project:
        return new_project(tmp_path / "project", weights, **changes)

    return make


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:
    def finish(folder: Path) -> None:
        done = new_project(folder / "project", weights).snakemake()
        assert done.returncode == 0, done.stdout

    return once(tmp_path_factory, "finished", finish) / "project"


@pytest.fixture
def finished(_finished: Path, tmp_path: Path) -> Project:
    """A project that has run to its end; a copy that the test may damage."""
    folder = tmp_path / "project"
    shutil.copytree(_finished, folder, symlinks=True)
    return Project(folder, yaml.safe_load((folder / "config.yaml").read_text()))


def new_project(folder: Path, weights: Path, **changes: Any) -> Project:
    """A project over NOTES in SQLite. `changes` replace parts of the experiment."""
    folder.mkdir()
    shutil.copytree(REPOSITORY / "config" / "tasks", folder / "tasks")
    with sqlite3.connect(folder / "notes.sqlite") as database:
        database.execute(
            "CREATE TABLE notes (patientvisitid INTEGER, accession TEXT, note_text TEXT)"
        )
        database.executemany("INSERT INTO notes VALUES (?, ?, ?)", NOTES)
    database.close()
    experiment = {
        "task": "pneumonia",
        "engine": "embedded",
        "model": "random",
        "options": {"num_ctx": 2048, "num_predict": 512},
        "results_table": "PNA_Results",
    }
    config = {
        "tasks": "tasks",
        "database": {"url": "sqlite:///notes.sqlite"},
        "cohorts": {
            "small": {
                "query": "SELECT patientvisitid, accession, note_text FROM notes",
                "id_columns": ["patientvisitid", "accession"],
                "text_column": "note_text",
                "shards": 3,
            }
        },
        "engines": {
            "embedded": {
                "kind": "llamacpp",
                "weights": str(weights),
                "slots": 2,
                "gpu": "off",
            }
        },
        "experiments": {"pneumonia": experiment | changes},
    }
    return Project(folder, config)
