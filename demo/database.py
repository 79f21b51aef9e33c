"""Writes the demo's SQLite database of synthetic notes: python -m demo.database FILE.

Tables: notes (patientvisitid, accession, note_text), as a hospital might have it, with copied
texts, a blank and a NULL note; gold (patientvisitid, accession, task, response, patient, site,
split), the right answers, and of whom: two notes a patient and their copies, of two sites, and by
patient for development or test.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from models.notes import draw

NOTES = 300
SEED = 1
_COPIED_EVERY = 10
_NOTES_A_PATIENT = 2
_SITES = ("north", "south")
_DEVELOPED_ON = 0.3
"""Share of the patients on whom prompts are tried."""

_metadata = sa.MetaData()
_ids: dict[str, sa.types.TypeEngine[Any]] = {
    "patientvisitid": sa.Integer(),
    "accession": sa.String(32),
}
notes_table = sa.Table(
    "notes",
    _metadata,
    *(sa.Column(name, kind, primary_key=True) for name, kind in _ids.items()),
    sa.Column("note_text", sa.Text),
)
gold_table = sa.Table(
    "gold",
    _metadata,
    *(sa.Column(name, kind, primary_key=True) for name, kind in _ids.items()),
    sa.Column("task", sa.String(64), primary_key=True),
    sa.Column("response", sa.String(255), nullable=False),
    sa.Column("patient", sa.String(8), nullable=False),
    sa.Column("site", sa.String(8), nullable=False),
    sa.Column("split", sa.String(16), nullable=False),
)


def write_database(path: Path) -> None:
    """Write the database under another name and rename it; an existing one is left alone."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    engine = sa.create_engine(f"sqlite:///{partial}")
    _metadata.create_all(engine)
    notes, gold = _rows()
    with engine.begin() as connection:
        connection.execute(sa.insert(notes_table), notes)
        connection.execute(sa.insert(gold_table), gold)
    engine.dispose()
    partial.replace(path)


def _rows() -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    notes: list[dict[str, object]] = []
    gold: list[dict[str, object]] = []

    def add(text: str | None) -> dict[str, object]:
        number = len(notes) + 1
        ids: dict[str, object] = {
            "patientvisitid": 10_000 + number,
            "accession": f"ACC{number:06d}",
        }
        notes.append({**ids, "note_text": text})
        return ids

    chance = random.Random(SEED)
    patients = [
        {
            "patient": f"P{number:03}",
            "site": chance.choice(_SITES),
            "split": "development" if chance.random() < _DEVELOPED_ON else "test",
        }
        for number in range(-(-NOTES // _NOTES_A_PATIENT))
    ]
    for number, note in enumerate(draw(NOTES, SEED)):
        patient = patients[number // _NOTES_A_PATIENT]
        # Copied forward now and then, as in real records: one text, several notes.
        for _ in range(2 if number % _COPIED_EVERY == 0 else 1):
            ids = add(note.text)
            gold.extend(
                {**ids, "task": task, "response": answer.response, **patient}
                for task, answer in note.answers.items()
            )
    add("   ")
    add(None)
    return notes, gold


if __name__ == "__main__":
    write_database(Path(sys.argv[1]))
