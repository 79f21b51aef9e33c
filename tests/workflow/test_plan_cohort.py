"""What is planned when a cohort is cut anew, changed, given up, or has lost a shard."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.workflow.plans import (
    ALL_JOBS,
    EVERYTHING,
    answer_shards,
    grow,
    lose_notes,
    stop_the_engine,
)
from tests.workflow.project import REPOSITORY, Project, job_table
from tests.workflow.test_run import rows


def test_a_lost_notes_shard_asks_nothing_again(finished: Project) -> None:
    lost = lose_notes(finished, "0001")
    assert finished.planned() == {}
    # Where another answer needs it, one message says what to do.
    answer_shards(finished)[1].unlink()
    assert finished.planned() == {"answer": 1, "load": 1, "all": 1}
    stop_the_engine(finished)
    failed = finished.snakemake("--retries", "0")
    assert failed.returncode != 0
    assert "this file is missing" in failed.stdout
    assert str(lost.relative_to(finished.folder)) in failed.stdout
    assert "`--forcerun extract`" in failed.stdout
    done = finished.snakemake("--forcerun", "extract")
    assert done.returncode == 0, done.stdout
    assert finished.planned() == {}


def test_a_failed_extract_makes_no_other_answer_run_again(finished: Project) -> None:
    lose_notes(finished, "0001")
    answer_shards(finished)[1].unlink()
    (finished.folder / "notes.sqlite").rename(finished.folder / "away.sqlite")
    assert finished.snakemake("--forcerun", "extract", "--retries", "0").returncode != 0
    assert finished.planned() == {"answer": 1, "load": 1, "all": 1}


def test_another_number_of_shards_asks_nothing_again(finished: Project) -> None:
    """There and back, over a table that has grown, with an engine that answers no more."""
    before = rows(finished, EVERYTHING)
    grow(finished)
    stop_the_engine(finished)
    cohort = finished.config["cohorts"]["small"]
    for shards in (2, 3):
        cohort["shards"] = shards
        finished.write_config()
        done = finished.snakemake("--retries", "0")
        assert done.returncode == 0, done.stdout
        jobs = {name: count for name, count in ALL_JOBS.items() if name != "model"}
        assert job_table(done.stdout) == jobs | {"answer": shards}
        assert len(answer_shards(finished)) == shards
        assert rows(finished, EVERYTHING) == before
    assert finished.planned() == {}


def test_a_cohort_that_is_half_answered_may_be_cut_anew(finished: Project) -> None:
    """A driver that was killed leaves no record of its jobs; the plan needs none."""
    before = rows(finished, EVERYTHING)
    for path in (answer_shards(finished)[1], *(finished.results / "loads").rglob("*.json")):
        path.unlink()
    lost = answer_shards(finished)[0].with_name("0001.journal.jsonl")
    texts = {line["text"] for line in map(json.loads, lost.open()) if "text" in line}
    lost.unlink()
    shutil.rmtree(finished.folder / ".snakemake")
    grow(finished)
    cohort = finished.config["cohorts"]["small"]
    cohort["shards"] = 5
    finished.write_config()
    done = finished.snakemake("--until", "extract")
    assert done.returncode == 0, done.stdout
    cohort["shards"] = 3
    finished.write_config()
    done = finished.snakemake()
    assert done.returncode == 0, done.stdout
    assert finished.planned() == {}
    after = rows(finished, EVERYTHING)
    assert [row for row in after if row[-1] not in texts] == [
        row for row in before if row[-1] not in texts
    ]
    assert [row[0] for row in after] == [row[0] for row in before]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("query", "SELECT patientvisitid, accession, note_text FROM notes WHERE accession > 'A4'"),
        ("id_columns", ["accession"]),
        ("text_column", "note"),
        ("same_id_different_text", "last"),
    ],
)
def test_a_changed_cohort_is_refused_by_the_plan(finished: Project, key: str, value: Any) -> None:
    cohort = finished.config["cohorts"]["small"]
    before = cohort.get(key, "error")
    cohort[key] = value
    finished.write_config()
    plan = finished.snakemake("-n")
    check = subprocess.run(
        [sys.executable, "-m", "notemill", "check", "--configfile", "config.yaml"],
        cwd=finished.folder,
        env=dict(os.environ, PYTHONPATH=str(REPOSITORY)),
        capture_output=True,
        text=True,
        check=False,
    )
    for status, told in ((plan.returncode, plan.stdout), (check.returncode, check.stdout)):
        assert status == 1
        assert f"with another {key}" in told
        assert f"{key}, read: {before}" in told
        assert f"{key}, now: {value}" in told
        assert "another name" in told
        assert "Traceback" not in told


def test_a_cohort_given_up_as_the_message_says_is_read_anew(finished: Project) -> None:
    grow(finished)
    cohort = finished.config["cohorts"]["small"]
    cohort["query"] += " WHERE patientvisitid > 3"
    finished.write_config()
    told = finished.snakemake("-n").stdout
    command = re.search(r"rm -rf [^\n]+", told)
    assert command, told
    subprocess.run(shlex.split(command[0]), cwd=finished.folder, check=True)
    done = finished.snakemake()
    assert done.returncode == 0, done.stdout
    assert finished.planned() == {}


def test_white_space_around_a_query_is_no_change(finished: Project) -> None:
    finished.config["cohorts"]["small"]["query"] += " ;\n"
    finished.write_config()
    assert finished.planned() == {}
