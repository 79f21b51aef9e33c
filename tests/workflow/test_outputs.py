"""Notes from files, answers into files, and no database anywhere: the shipped model, end to end."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from models.score import NONE, accuracy
from tests import oracle
from tests.workflow.project import REPOSITORY, Project

TASK = "pneumonia"
OUTPUTS = ["out/answers.jsonl", "out/answers.csv", "out/{experiment}.parquet"]
NOTES = oracle.rows()[:12]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project without a database that has run to its end."""
    folder = tmp_path_factory.mktemp("files") / "project"
    folder.mkdir()
    shutil.copytree(REPOSITORY / "config" / "tasks", folder / "tasks")
    with (folder / "notes.jsonl").open("w") as file:
        for visit, accession, text in NOTES:
            of_note = {"visit": visit, "ward": {"name": accession}, "text": text, "status": 1.50}
            file.write(json.dumps(of_note) + "\n")
    with (folder / "gold.csv").open("w") as file:
        file.write("visit,right\n")
        for (visit, *_), note in zip(NOTES, oracle.NOTES, strict=False):
            file.write(f'{visit},"{note.answers[TASK].response}"\n')
    cohort = {"files": "notes.jsonl", "id_columns": ["visit"], "text_column": "text", "shards": 2}
    experiment = oracle.experiment(TASK) | {"outputs": OUTPUTS, "pilot": {"notes": 0}}
    del experiment["results_table"]
    config: dict[str, Any] = {
        "tasks": "tasks",
        "cohorts": {"files": cohort},
        "engines": {"engine": oracle.EMBEDDED},
        "experiments": {TASK: experiment},
        "evaluations": {
            "gold": {"cohort": "files", "file": "gold.csv", "fields": {"response": "right"}}
        },
    }
    project = Project(folder, config)
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    return project


def notemill(project: Project, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "notemill", *arguments, "--configfile", "config.yaml"],
        cwd=project.folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def lines(project: Project) -> list[dict[str, Any]]:
    content = (project.folder / "out" / "answers.jsonl").read_text()
    return [json.loads(line) for line in content.splitlines()]


def parquet(project: Project) -> Path:
    (path,) = (project.folder / "out").glob("*.parquet")
    return path


def test_every_note_is_answered_in_its_place_and_the_right_one(ended: Project) -> None:
    rows = lines(ended)
    assert [row["visit"] for row in rows] == [visit for visit, *_ in NOTES]
    right = [note.answers[TASK].response for note in oracle.NOTES]
    pairs = [(one, row["llm_response"] or NONE) for one, row in zip(right, rows, strict=False)]
    assert accuracy(pairs) >= oracle.RIGHT


def test_other_fields_of_the_source_stay_and_ours_keep_their_names(ended: Project) -> None:
    for row, (_, accession, text) in zip(lines(ended), NOTES, strict=True):
        assert row["ward"] == {"name": accession}
        assert row["source_status"] == 1.5
        assert row["status"] == "answered"
        assert text not in row.values()


def test_all_files_have_the_same_answers(ended: Project) -> None:
    told = [row["llm_response"] for row in lines(ended)]
    assert pq.read_table(parquet(ended))["llm_response"].to_pylist() == told
    with (ended.folder / "out" / "answers.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["llm_response"] for row in csv.DictReader(file)] == told


def test_what_reads_a_run_needs_no_database(ended: Project) -> None:
    assert "no database: notes and answers are in files" in notemill(ended, "check")
    assert "nothing" not in notemill(ended, "check", "--database").splitlines()[-1]
    assert "out/answers.csv" in notemill(ended, "summary")
    assert "everything is done" in notemill(ended, "status")
    notemill(ended, "report")
    page = (ended.results / "report" / "report.html").read_text()
    assert "They are in answers.jsonl, answers.csv" in page
    gold = json.loads((ended.results / "evaluations" / "gold.json").read_text())
    assert gold["evaluations_table"] is None
    assert gold["gold"]["notes"] == len(NOTES)


def test_a_file_that_was_deleted_is_written_again_once_and_nothing_else_is_done(
    ended: Project,
) -> None:
    assert ended.planned() == {}
    kept, gone = ended.folder / "out" / "answers.csv", parquet(ended)
    before, content = kept.stat(), gone.read_bytes()
    gone.unlink()
    assert ended.planned() == {"all": 1, "evaluate": 1, "load": 1}
    done = ended.snakemake()
    assert done.returncode == 0, done.stdout
    assert gone.read_bytes() == content
    assert kept.stat().st_mtime_ns == before.st_mtime_ns
    assert ended.planned() == {}
