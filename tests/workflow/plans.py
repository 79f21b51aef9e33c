"""What the tests of plans do to a project, and ask of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.workflow.project import Project

EVERYTHING = "SELECT *, text_sha256 FROM PNA_Results ORDER BY patientvisitid"
ALL_JOBS = {"extract": 1, "model": 1, "tables": 1, "pilot_job": 1, "answer": 3, "load": 1, "all": 1}


def refusal(project: Project, *arguments: str) -> str:
    """What a plan that is refused says."""
    done = project.snakemake("-n", *arguments)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert done.stdout.count("what to do:") == 1
    return done.stdout


def answer_shards(project: Project) -> list[Path]:
    """All result shards of a project."""
    return sorted((project.results / "answers").rglob("*.parquet"))


def lose_notes(project: Project, shard: str) -> Path:
    """Delete a notes shard; returns its path."""
    lost = next((project.results / "cohorts").rglob(f"{shard}.parquet"))
    lost.unlink()
    return lost


def grow(project: Project) -> None:
    """A note comes into the table that the cohort was read from."""
    with closing(sqlite3.connect(project.folder / "notes.sqlite")) as database, database:
        database.execute("INSERT INTO notes VALUES (10, 'A10', 'A new note: cough.')")


def stop_the_engine(project: Project) -> None:
    """From here on the engine could answer nothing."""
    project.config["engines"]["embedded"]["setup"] = "false"
    project.write_config()
