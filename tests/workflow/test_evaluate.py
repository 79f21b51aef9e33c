"""The rule evaluate, after a run with the embedded engine: a file's gold and a query's."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from notemill.paths import Layout
from tests.workflow.conftest import NOTES
from tests.workflow.plans import stop_the_engine
from tests.workflow.project import Project

LIKELY, UNLIKELY = "(1) Likely", "(2) Unlikely"
EVALUATIONS: dict[str, Any] = {
    "in_file": {
        "cohort": "small",
        "file": "gold.csv",
        "fields": {"response": "right"},
        "patient": "patient",
        "subgroups": ["site"],
    },
    "in_table": {
        "cohort": "small",
        "query": "SELECT patientvisitid, accession, response FROM gold",
        "fields": ["response"],
    },
}
ANSWERS = "SELECT patientvisitid, accession, llm_response FROM PNA_Results ORDER BY 1"


@pytest.fixture
def evaluated(finished: Project) -> Project:
    """A finished project with gold: of six notes in a file, and in a table what was answered."""
    gold = ["patientvisitid;accession;patient;site;right"]
    gold += [f"{n};A{n};{(n + 1) // 2};{'ab'[n % 2]};{LIKELY}" for n in range(1, 7)]
    (finished.folder / "gold.csv").write_text("\ufeff" + "\r\n".join(gold))
    with closing(sqlite3.connect(finished.folder / "notes.sqlite")) as database, database:
        database.execute(
            "CREATE TABLE gold (patientvisitid INTEGER, accession TEXT, response TEXT)"
        )
        answers = database.execute(ANSWERS).fetchall()
        database.executemany("INSERT INTO gold VALUES (?, ?, ?)", answers)
        database.execute("INSERT INTO gold VALUES (8, 'A8', ?)", (UNLIKELY,))
    finished.config["evaluations"] = EVALUATIONS
    finished.write_config()
    return finished


def record(project: Project, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Layout(project.results).evaluation(name).read_text())
    return found


def test_answers_are_held_against_gold_and_nothing_is_asked(evaluated: Project) -> None:
    stop_the_engine(evaluated)
    assert evaluated.planned() == {"evaluate": 2, "all": 1}
    done = evaluated.snakemake()
    assert done.returncode == 0, done.stdout
    with closing(sqlite3.connect(evaluated.folder / "notes.sqlite")) as database:
        answers = {row[0]: row[2] for row in database.execute(ANSWERS)}
        rows = database.execute(
            "SELECT evaluation, value, n FROM notemill_evaluations WHERE part = 'headline' AND "
            "measure = 'accuracy' AND counting = 'all' ORDER BY 1"
        ).fetchall()
    likely = sum(answers[n] == LIKELY for n in range(1, 7)) / 6
    assert rows == [("in_file", pytest.approx(likely), 6), ("in_table", 7 / 8, 8)]
    in_table = record(evaluated, "in_table")
    headline = in_table["experiments"][0]["fields"][0]["parts"][0]
    assert (headline["notes"], headline["texts"], headline["blank"]) == (8, 7, 1)
    assert headline["choices"]["answered"]["accuracy"]["value"] == 1
    assert record(evaluated, "in_file")["gold"]["patients"] == 3
    told = in_table["experiments"][0]
    assert told["pilot"] == {"pilots": 1, "notes": piloted(evaluated, told["experiment"])}
    # What changes a figure evaluates again; what does not, does not.
    gold = evaluated.folder / "gold.csv"
    os.utime(gold)
    assert evaluated.planned() == {}
    gold.write_text(gold.read_text().replace(LIKELY, UNLIKELY))
    os.utime(gold, (0, 0))  # put in its place by `cp -p` or `mv`
    assert evaluated.planned() == {"evaluate": 1, "all": 1}
    evaluated.config["evaluations"]["in_table"] = EVALUATIONS["in_table"] | {"seed": 2}
    evaluated.write_config()
    assert evaluated.planned() == {"evaluate": 2, "all": 1}
    before = record(evaluated, "in_file")["gold"]["sha256"]
    done = evaluated.snakemake()
    assert done.returncode == 0, done.stdout
    assert record(evaluated, "in_file")["gold"]["sha256"] != before
    prompt = evaluated.folder / "tasks" / "pneumonia" / "system.md"
    prompt.write_text(prompt.read_text() + "Be brief.\n")
    planned = evaluated.planned()
    assert (planned["evaluate"], planned["load"]) == (2, 1)


def test_gold_that_can_not_be_taken_ends_before_any_job_or_names_its_row(
    evaluated: Project,
) -> None:
    gold = evaluated.folder / "gold.csv"
    content = gold.read_text()
    gold.unlink()
    assert "the gold file of evaluation 'in_file' is not there" in refusal(evaluated)
    gold.write_text(content.replace("right", "Right"))
    assert "'Right' is not 'right'" in refusal(evaluated)

    record_file = Layout(evaluated.results).evaluation("in_file")
    gold.write_text(content)
    done = evaluated.snakemake()
    assert done.returncode == 0, done.stdout
    good, rows = record_file.read_bytes(), figures(evaluated)
    gold.write_text(content.replace(f"4;A4;2;a;{LIKELY}", "4;A4;2;a;Likely"))
    told = refused_row(evaluated)
    # What was good is kept aside, where nothing takes it for figures of these labels.
    last = record_file.with_name(".in_file.last.json")
    assert f"is kept in {last.relative_to(evaluated.folder)}" in told
    assert (last.read_bytes(), figures(evaluated)) == (good, rows)
    assert last.stat().st_mode & 0o777 == 0o600
    assert not record_file.exists()

    gold.write_text(content.replace(f"4;A4;2;a;{LIKELY}", f"4;A4;2;a;{UNLIKELY}"))
    done = evaluated.snakemake()
    assert done.returncode == 0, done.stdout
    assert record_file.read_bytes() == last.read_bytes() != good


def refused_row(project: Project) -> str:
    """What a run says that ends at the label `Likely`."""
    done = project.snakemake("--retries", "0")
    assert done.returncode != 0
    assert "right: is none of the answer's choices" in done.stdout
    assert "row 5" in done.stdout
    return done.stdout


def figures(project: Project) -> list[Any]:
    """The table of figures."""
    with closing(sqlite3.connect(project.folder / "notes.sqlite")) as database:
        return database.execute("SELECT * FROM notemill_evaluations ORDER BY 1, 2, 3").fetchall()


def piloted(project: Project, experiment: str) -> int:
    """Notes, of those that were answered, whose text the pilot asked: there is one."""
    asked = json.loads(Layout(project.results).pilot("small", experiment).read_text())
    hashes = {each["text_sha256"] for each in asked["asked"]}
    texts = [text.encode() for *_, text in NOTES if text and text.strip()]
    count = sum(hashlib.sha256(text).hexdigest() in hashes for text in texts)
    assert count
    return count


def refusal(project: Project) -> str:
    """What the plan says, which touches no database."""
    (project.folder / "notes.sqlite").rename(project.folder / "away")
    done = project.snakemake("-n")
    (project.folder / "away").rename(project.folder / "notes.sqlite")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    return done.stdout
