"""A gate from the notes to the table, with the embedded engine: settled, cut, and asked whole."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests import oracle
from tests.workflow.project import REPOSITORY, Project
from tests.workflow.test_run import rows

GATE = """\
evidence: explanation
gate:
  settle_if:
    ankle: 'ankle\\s+sprain'
  ask_if:
    pneumonia: pneumonia
    imaging: 'ct:|x-?ray'
  sections:
    keep: [Findings, IMPRESSION]
  settled_as: {response: "(2) Unlikely"}
"""
REPORT = (
    "HISTORY: Fever. Pneumonia before.\n"
    "FINDINGS: Right lower lobe consolidation.\n"
    "SIGNED: Dr. Brown\n"
    "IMPRESSION: Pneumonia of the right lower lobe."
)


def test_a_gate_settles_and_cuts_notes_on_their_way_to_the_table(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(options={"num_ctx": 1024, "num_predict": 200}, pilot={"notes": 4})
    project.config["engines"]["embedded"]["weights"] = str(oracle.WEIGHTS)  # which quotes notes
    project.config["cohorts"]["small"]["shards"] = 2
    project.write_config()
    (project.folder / "tasks" / "pneumonia" / "task.yaml").write_text(GATE)
    with closing(sqlite3.connect(project.folder / "notes.sqlite")) as database, database:
        database.execute("INSERT INTO notes VALUES (10, 'A10', ?)", (REPORT,))
    done = project.snakemake()
    assert done.returncode == 0, done.stdout

    columns = "patientvisitid, gate_rule, gate_sent FROM"
    answered = rows(project, f"SELECT {columns} PNA_Results ORDER BY 1")
    cut = len(REPORT) - REPORT.index("FINDINGS") - len("SIGNED: Dr. Brown\n")
    assert answered == [
        (1, "pneumonia", 1.0),
        (2, "pneumonia", 1.0),
        (6, "pneumonia", 1.0),
        (7, "imaging", 1.0),
        (10, "pneumonia", round(cut / len(REPORT), 4)),
    ]
    failures = rows(project, f"SELECT status, {columns} PNA_Results_failures ORDER BY 2")
    assert failures == [
        ("not_relevant", 3, "ankle", 0.0),
        ("not_relevant", 4, "ankle", 0.0),
        ("not_relevant", 5, "ask_if", 0.0),
        ("blank", 8, None, None),
        ("blank", 9, None, None),
    ]
    by_rule = {
        "ankle": {"not_relevant": 2, "cut": 0, "whole": 0},
        "ask_if": {"not_relevant": 1, "cut": 0, "whole": 0},
        "imaging": {"not_relevant": 0, "cut": 0, "whole": 1},
        "pneumonia": {"not_relevant": 0, "cut": 1, "whole": 3},
    }
    report = json.loads(next((project.results / "loads").rglob("*.json")).read_text())
    counts = [report[name] for name in ("notes", "answered", "failed", "not_relevant", "blank")]
    assert counts == [10, 5, 0, 3, 2]
    assert report["gate"] == by_rule
    ((settled, gate, options),) = rows(
        project, "SELECT not_relevant, gate, options FROM notemill_experiments"
    )
    assert (settled, json.loads(str(gate))) == (3, by_rule)
    assert json.loads(str(options))["gate"]["ask_if"] == [
        ["pneumonia", "pneumonia"],
        ["imaging", "ct:|x-?ray"],
    ]
    assert report["asked"] == 5  # equal texts once, settled ones never
    assert project.planned() == {}
    _check_places(project)

    page = Path(_notemill(project, "look", "small", "pneumonia", "--shard", "0").strip())
    assert "settled by the task" in page.read_text()
    summary = _notemill(project, "summary")
    assert "not relevant" in summary
    assert "10 of 10" in summary
    assert "5 answered, 0 failed, 2 not relevant, 0 left" in _notemill(project, "status")
    checked = _notemill(project, "check")
    assert "settles 2 of the first 7 texts of small" in " ".join(checked.split())
    _notemill(project, "report")
    told = json.loads((project.results / "report" / "report.json").read_text())
    (answers,) = told["answers"]
    assert answers["asked"] == {"low": 5, "high": 5}
    assert answers["not_relevant"] == {"low": 3, "high": 3}
    assert [rule["name"] for rule in answers["gate"]] == list(by_rule)
    assert "fixed rules (ankle, ask_if, imaging and pneumonia) settled 3 notes" in json.dumps(told)
    shown = _notemill(project, "pilot")
    assert "settles " in shown


def _notemill(project: Project, *arguments: str) -> str:
    """What a command prints."""
    command = [sys.executable, "-m", "notemill", arguments[0], "--configfile", "config.yaml"]
    done = subprocess.run(
        [*command, *arguments[1:]],
        cwd=project.folder,
        env=dict(os.environ) | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "150"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _check_places(project: Project) -> None:
    """The evidence of the cut note is found in what was sent, and its place is the note's."""
    columns = "llm_explanation, evidence_grade, evidence_start, evidence_end"
    ((quote, found, start, end),) = rows(
        project, f"SELECT {columns} FROM PNA_Results WHERE patientvisitid = 10"
    )
    if found == "exact":
        assert REPORT[start:end] == quote
        assert start >= REPORT.index("FINDINGS")
