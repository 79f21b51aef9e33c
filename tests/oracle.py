"""The shipped model and notes whose right answers are known: an answer gone astray shows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.notes import draw
from models.score import NONE, accuracy
from tests.workflow.project import REPOSITORY

TASKS = ("pneumonia", "pleural_effusion")
NOTES = draw(100, seed=7)
WEIGHTS = REPOSITORY / "models" / "notemill-tiny.gguf"

RIGHT = 0.9
"""At least this share of NOTES is answered right; the card's accuracy, less the chance of 100."""
WRONG = 0.5
"""At most this share is right when a prompt, a note or an id went astray."""

EMBEDDED: dict[str, Any] = {
    "kind": "llamacpp",
    "weights": str(WEIGHTS),
    "slots": 1,
    "gpu": "off",
}


def experiment(task: str) -> dict[str, Any]:
    """The experiment that asks the shipped model one task's question."""
    return {
        "task": task,
        "engine": "engine",
        "model": "notemill-tiny",
        "options": {"num_ctx": 1024, "num_predict": 200},
        "results_table": f"{task}_results",
    }


def share_right(responses: Sequence[str | None], task: str) -> float:
    """Share of right responses among those to NOTES, in their order; None is wrong."""
    right = [note.answers[task].response for note in NOTES]
    return accuracy([(a, b or NONE) for a, b in zip(right, responses, strict=True)])


def rows() -> list[tuple[str, str, str]]:
    """NOTES as a table: patientvisitid, accession, note_text."""
    return [(f"V{n:04d}", f"A{n}", note.text) for n, note in enumerate(NOTES)]


def write_sqlite(path: Path) -> None:
    """A database with the table `notes`."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE notes (patientvisitid TEXT, accession TEXT, note_text TEXT)")
        database.executemany("INSERT INTO notes VALUES (?, ?, ?)", rows())
    database.close()


def config(database: dict[str, str], engine: dict[str, Any]) -> dict[str, Any]:
    """A project's configuration: both tasks over NOTES."""
    return {
        "tasks": str(REPOSITORY / "config" / "tasks"),
        "database": database,
        "cohorts": {
            "oracle": {
                "query": "SELECT patientvisitid, accession, note_text FROM notes",
                "id_columns": ["patientvisitid", "accession"],
                "text_column": "note_text",
                "shards": 2,
            }
        },
        "engines": {"engine": engine},
        "experiments": {task: experiment(task) for task in TASKS},
    }
