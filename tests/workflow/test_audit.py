"""A real run by the embedded engine, audited by readers who know the right answers."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from notemill.audit.record import AuditEstimate, read_estimate
from tests import oracle
from tests.unit.audit.auditing import fill
from tests.workflow.project import REPOSITORY, Project

TASK = "pneumonia"
TRUTH = {" ".join(note.text.split()): note.answers[TASK].response for note in oracle.NOTES}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The shipped model's answers to notes whose right answers are known."""
    folder = tmp_path_factory.mktemp("audited")
    oracle.write_sqlite(folder / "notes.sqlite")
    config = oracle.config({"url": "sqlite:///notes.sqlite"}, oracle.EMBEDDED)
    config["experiments"] = {TASK: config["experiments"][TASK]}
    project = Project(folder, config)
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    return project


def audit(run: Project, step: str, *arguments: str) -> str:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "notemill", "audit", step, "oracle", TASK),
            *(*arguments, "-d", str(run.folder), "--configfile", str(run.folder / "config.yaml")),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def true(text: str) -> str:
    return TRUTH[" ".join(text.split())]


def test_readers_who_know_find_the_accuracy_that_the_results_table_has(run: Project) -> None:
    with closing(sqlite3.connect(run.folder / "notes.sqlite")) as database:
        rows = database.execute(
            f"SELECT note_text, llm_response FROM notes JOIN {TASK}_results USING (accession)"
        ).fetchall()
    pairs = [(true(text), response) for text, response in rows]
    right = sum(truth == response for truth, response in pairs) / len(pairs)
    assert oracle.RIGHT <= right < 1  # there is something to find

    whole = estimated(run, "whole", "--precision", "0.0001")
    assert sum(stratum.drawn for stratum in whole.strata) == len(oracle.NOTES)
    assert whole.answered.accuracy.value == pytest.approx(right)
    assert whole.answered.accuracy.low == pytest.approx(right)
    for figures in whole.answered.classes:
        of_class = [response for truth, response in pairs if truth == figures.label]
        assert figures.prevalence.value == pytest.approx(len(of_class) / len(pairs))
        assert figures.sensitivity.value == pytest.approx(
            of_class.count(figures.label) / len(of_class)
        )

    sample = estimated(run, "sample", "--texts", "60", "--seed", "1").answered.accuracy
    assert sample.low is not None
    assert sample.high is not None
    assert sample.low <= right <= sample.high
    assert sample.high - sample.low > 0.01


def estimated(run: Project, name: str, *sizes: str) -> AuditEstimate:
    audit(run, "draw", "--name", name, "--readers", "ana,ben", *sizes)
    (folder,) = (run.results / "audits" / "oracle").glob(f"*/{name}")
    for reader in ("ana", "ben"):
        fill(folder / "sheets" / f"{reader}.xlsx", true)
    told = audit(run, "read", "--name", name)
    assert "agreement 1.000" in told
    for text in TRUTH:
        assert text not in told
    result = read_estimate(folder / "estimate.json")
    assert Path(folder / "settled.csv").exists()
    return result
