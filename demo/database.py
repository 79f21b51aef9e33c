"""Writes the demo's SQLite database of synthetic notes: python -m demo.database FILE.

Tables: notes (patientvisitid, accession, note_text), as a hospital might have it, with copied
texts, a blank and a NULL note; gold (patientvisitid, accession, task, response), the right answers.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from models.notes import draw

NOTES = 300
SEED = 1
_COPIED_EVERY = 10

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

    for number, note in enumerate(draw(NOTES, SEED)):
        # Copied forward now and then, as in real records: one text, several notes.
        for _ in range(2 if number % _COPIED_EVERY == 0 else 1):
            ids = add(note.text)
            gold.extend(
                {**ids, "task": task, "response": answer.response}
                for task, answer in note.answers.items()
            )
    add("   ")
    add(None)
    return notes, gold


if __name__ == "__main__":
    write_database(Path(sys.argv[1]))
