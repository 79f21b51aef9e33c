"""Holds the demo's answers against the right ones: python -m demo.score FILE.

Reads the tables PNA_Results, PNA_Results_failures and gold of the demo's SQLite database.
"""

from __future__ import annotations

import sys
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from models.notes import RESPONSES

NONE = "none"
"""The column of notes without a valid answer."""

_PAIRS = """
SELECT g.response, COALESCE(r.llm_response, :none) FROM gold g
LEFT JOIN PNA_Results r USING (patientvisitid, accession)
WHERE g.task = 'pneumonia'
"""


def pairs(path: Path) -> list[tuple[str, str]]:
    """(right answer, answer) of every note that has a right answer; NONE where none validated."""
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        rows = connection.execute(sa.text(_PAIRS), {"none": NONE}).tuples().all()
    engine.dispose()
    return list(rows)


def accuracy(answers: list[tuple[str, str]]) -> float:
    """Share of right answers; a note without an answer counts as wrong."""
    return sum(right == answer for right, answer in answers) / len(answers)


def confusion(answers: list[tuple[str, str]]) -> Table:
    """Right answers by row, the model's by column."""
    table = Table(title="right answer (rows), model's answer (columns)")
    columns = [*RESPONSES, NONE]
    table.add_column("")
    for column in columns:
        table.add_column(column[:3] if column != NONE else NONE, justify="right")
    for right in RESPONSES:
        table.add_row(right, *(str(answers.count((right, answer))) for answer in columns))
    return table


if __name__ == "__main__":
    found = pairs(Path(sys.argv[1]))
    Console().print(confusion(found))
    print(f"accuracy: {accuracy(found):.2f} (n = {len(found)})")
