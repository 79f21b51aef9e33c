"""notemill.answers.outcome: one list of columns, from the journal to the tables."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
LAST = '    control_tokens: Annotated[int, _Column("count")] = 0\n'
ONE_LINE = '    mood: Annotated[str, _Column("line")] = "calm"\n'
FOLLOWED = """
import sys
from dataclasses import replace
from pathlib import Path

import tests.unit.loads as module
from notemill.answers.columns import OWN_COLUMNS
from notemill.answers.journal import Journal, JournalKey
from notemill.answers.outcome import Outcome
from tests.unit.conftest import Clinic, write_task

folder = Path(sys.argv[1])
clinic = Clinic(folder)
clinic.fill((1, "one"), (2, "two"))
clinic.extract()
write_task(folder / "tasks")
loads = module.reopened(folder)


def journaled(status, values, made=module.outcome):
    \"\"\"An outcome as the next job reads it in the journal, where it is an answer.\"\"\"
    outcome = replace(made(status, values), mood=f"after {status}")
    key, path = JournalKey("cough-0", "m"), folder / "journal"
    with Journal(path, key, lambda _: True) as journal:
        journal.accept("a" * 64, outcome)
    with Journal(path, key, lambda _: True) as journal:
        return journal.answers["a" * 64] if values and status == "answered" else outcome


module.outcome = journaled
loads.answer({"two": "schema"})
loads.load()
assert "mood" in OWN_COLUMNS
print(clinic.rows("SELECT mood FROM answers"), clinic.rows("SELECT mood FROM answers_failures"))
"""


def test_a_new_column_is_one_line(tmp_path: Path) -> None:
    """In a copy: a line more, and its values go from the asking to both tables."""
    for package in ("notemill", "tests"):
        shutil.copytree(REPOSITORY / package, tmp_path / package)
    outcome = tmp_path / "notemill" / "answers" / "outcome.py"
    assert LAST in outcome.read_text()
    outcome.write_text(outcome.read_text().replace(LAST, LAST + ONE_LINE))
    (tmp_path / "clinic").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", FOLLOWED, str(tmp_path / "clinic")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[('after answered',)] [('after schema',)]\n"
