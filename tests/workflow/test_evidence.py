"""Evidence from the answer to the table, with the embedded engine: named at once, named later, and
as numbers of sentences."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from notemill.answers.grading import grade
from notemill.tasks.evidence import Evidence
from notemill.tasks.sentences import sentences
from tests import oracle
from tests.workflow.conftest import NOTES
from tests.workflow.project import Project
from tests.workflow.test_run import rows

QUOTED = {20 + n: note.text for n, note in enumerate(oracle.NOTES[:6])}
"""Notes that the tiny model answers in their own words."""
TEXTS = {visit: text for visit, _, text in NOTES if text and text.strip()}
LONG = "No cough. " * 2_000
"""Longer than the context: this note fails, and would be asked again by any job that may ask."""
NUMBERS = """
from typing import Annotated

from pydantic import BaseModel, Field


class Answer(BaseModel):
    evidence: list[Annotated[int, Field(ge=1, le=3)]] = Field(max_length=2)
"""


def test_evidence_named_later_writes_shards_and_tables_again_and_asks_nothing(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(options={"num_ctx": 1024, "num_predict": 200}, pilot={"notes": 0})
    project.config["engines"]["embedded"]["weights"] = str(oracle.WEIGHTS)  # which quotes notes
    project.config["cohorts"]["small"]["shards"] = 2
    project.write_config()
    file = project.folder / "tasks" / "pneumonia" / "task.yaml"
    text = file.read_text()
    file.unlink()
    with closing(sqlite3.connect(project.folder / "notes.sqlite")) as database, database:
        further = [(10, LONG), *QUOTED.items()]
        database.executemany("INSERT INTO notes VALUES (?, 'A', ?)", further)
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    answers = "SELECT patientvisitid, llm_response, llm_explanation, seconds, answered_at FROM "
    before = rows(project, f"{answers} PNA_Results ORDER BY 1")
    failed = "SELECT patientvisitid, status, seconds, answered_at FROM PNA_Results_failures"
    failures = rows(project, f"{failed} ORDER BY 1")
    assert (10, "too_long") in [row[:2] for row in failures]
    asked = _asked(project)

    file.write_text(text)
    engine_logs = _engine_logs(project)
    with closing(sqlite3.connect(project.folder / "notes.sqlite")) as database:
        for column in ("grade VARCHAR(32)", "start BIGINT", "end BIGINT"):
            database.execute(f"ALTER TABLE PNA_Results ADD COLUMN evidence_{column}")
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    assert _asked(project) == asked
    assert _engine_logs(project) == engine_logs  # none was started
    assert rows(project, f"{answers} PNA_Results ORDER BY 1") == before
    again = rows(project, f"{failed} ORDER BY 1")
    assert [row for row in again if row[1] != "blank"] == [r for r in failures if r[1] != "blank"]
    assert project.planned() == {}
    _check_grades(project)

    # Without the journals there is nothing to grade but by asking again, which may change answers.
    file.write_text("evidence: explanation\n")
    shards = sorted((project.results / "answers").rglob("*.parquet"))
    whole = [shard.read_bytes() for shard in shards]
    for journal in (project.results / "answers").rglob("*.journal.jsonl"):
        journal.unlink()
    done = project.snakemake("--retries", "0")
    assert done.returncode != 0
    assert "they would be asked again" in done.stdout
    assert [shard.read_bytes() for shard in shards] == whole
    assert _engine_logs(project) == engine_logs
    # A job that failed is forgotten by Snakemake; that shards are graded otherwise is not.
    assert project.planned()["load"] == 1


def test_numbered_sentences_go_through_an_engine_to_the_table(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(task="numbered", pilot={"notes": 0})
    project.config["cohorts"]["small"]["shards"] = 1
    project.write_config()
    folder = project.folder / "tasks" / "numbered"
    folder.mkdir()
    (folder / "system.md").write_text("Give the numbers of the sentences that decide.")
    (folder / "user.md").write_text("{note}")
    (folder / "schema.py").write_text(NUMBERS)
    (folder / "task.yaml").write_text("evidence: evidence\nnumbered_sentences: true")
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    columns = "patientvisitid, llm_evidence, evidence_grade, evidence_start, evidence_end"
    found = rows(project, f"SELECT {columns} FROM PNA_Results")
    assert len(found) == len(TEXTS)
    for visit, answer, *told in found:
        spans = sentences(TEXTS[int(str(visit))])
        numbers = json.loads(str(answer))
        assert told == _expected(spans, numbers), (visit, numbers)
    options = json.loads(str(rows(project, "SELECT options FROM notemill_experiments")[0][0]))
    assert options["numbered_sentences"] == 1


def _check_grades(project: Project) -> None:
    """Each row has the grade of its note and answer, and the shares are those of the rows."""
    columns = "patientvisitid, llm_explanation, evidence_grade, evidence_start, evidence_end"
    found = rows(project, f"SELECT {columns} FROM PNA_Results ORDER BY 1")
    texts = TEXTS | QUOTED
    assert len(found) == len(texts)
    how = Evidence(field="explanation", nothing=("The note does not address it",))
    for visit, explanation, *told in found:
        text = texts[int(str(visit))]
        assert told == list(grade(text, {"explanation": explanation}, how).values().values())
    counts = Counter(str(row[2]) for row in found)
    assert counts["exact"]
    report = json.loads(next((project.results / "loads").rglob("*.json")).read_text())
    ((shares,),) = rows(project, "SELECT evidence FROM notemill_experiments")
    assert json.loads(str(shares)) == report["evidence"]
    assert +Counter(report["evidence"]) == counts


def _expected(spans: list[tuple[int, int]], numbers: list[int]) -> list[Any]:
    if not numbers:
        return ["none", None, None]
    known = [number for number in numbers if number <= len(spans)]
    word = "exact" if known == numbers else "absent"
    if not known:
        return [word, None, None]
    last = known[1] if len(known) == 2 and known[1] == known[0] + 1 else known[0]
    return [word, spans[known[0] - 1][0], spans[last - 1][1]]


def _asked(project: Project) -> int:
    """Texts asked by all jobs so far, as the journals have it."""
    spent: dict[tuple[Path, int], int] = {}
    for path in (project.results / "answers").rglob("*.journal.jsonl"):
        for line in map(json.loads, path.read_text().splitlines()):
            if "spent" in line:
                spent[path, line["job"]] = line["spent"]["asked"]
    origins = [
        json.loads(pq.read_schema(path).metadata[b"notemill"])["asked"]
        for path in (project.results / "answers").rglob("*.parquet")
    ]
    assert sum(origins) in (0, sum(spent.values()))
    return sum(spent.values())


def _engine_logs(project: Project) -> dict[str, float]:
    logs = (project.results / "logs").rglob("*.engine.log")
    return {str(path): path.stat().st_mtime for path in logs}
