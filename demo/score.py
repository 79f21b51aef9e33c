"""Holds the demo's answers against the right ones: python -m demo.score FILE.

Reads the tables PNA_Results, PNA_Results_failures and gold of the demo's SQLite database.
"""

from __future__ import annotations

import sys
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console

from models.score import NONE, Pairs, accuracy, confusion

_PAIRS = """
SELECT g.response, COALESCE(r.llm_response, :none) FROM gold g
LEFT JOIN PNA_Results r USING (patientvisitid, accession)
WHERE g.task = 'pneumonia'
"""


def pairs(path: Path) -> Pairs:
    """(right answer, answer) of every note that has a right answer; NONE where none validated."""
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        rows = connection.execute(sa.text(_PAIRS), {"none": NONE}).tuples().all()
    engine.dispose()
    return list(rows)


if __name__ == "__main__":
    found = pairs(Path(sys.argv[1]))
    Console().print(confusion(found))
    print(f"accuracy: {accuracy(found):.2f} (n = {len(found)})")
