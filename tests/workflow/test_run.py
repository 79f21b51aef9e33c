"""The workflow run to its end with the embedded engine, interrupted, and run again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.workflow.conftest import NOTES
from tests.workflow.project import REPOSITORY, Project

RESPONSES = {"(1) Likely", "(2) Unlikely", "(3) Unable to say because of lack of information"}


def test_every_note_has_one_row(finished: Project) -> None:
    results = rows(finished, "SELECT patientvisitid, accession, llm_response FROM PNA_Results")
    failures = rows(finished, "SELECT patientvisitid, accession, status FROM PNA_Results_failures")
    assert sorted(row[:2] for row in results + failures) == [note[:2] for note in NOTES]
    assert {row[2] for row in results} <= RESPONSES
    assert sorted(failures) == [(8, "A8", "blank"), (9, "A9", "blank")]


def test_the_results_table_begins_as_the_earlier_procedure_has_it(finished: Project) -> None:
    columns = [row[1] for row in rows(finished, "PRAGMA table_info(PNA_Results)")]
    assert columns[:5] == [
        "patientvisitid",
        "accession",
        "llm_response",
        "llm_explanation",
        "query_meta",
    ]


def test_jobs_run_the_repositorys_notemill_whatever_is_installed(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    installed = tmp_path / "installed" / "notemill"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("raise SystemExit('the installed one, of another day')")
    project = make_project()
    project.environment = os.environ | {"PYTHONPATH": str(installed.parent)}
    done = project.snakemake()
    assert done.returncode == 0, done.stdout


def test_equal_texts_are_asked_once(finished: Project) -> None:
    origins = [
        pq.read_schema(path).metadata[b"notemill"]
        for path in (finished.results / "answers").rglob("*.parquet")
    ]
    assert sum(json.loads(origin)["asked"] for origin in origins) == 6
    assert sum(json.loads(origin)["notes"] for origin in origins) == len(NOTES)


def test_an_experiment_says_how_its_rows_were_made(finished: Project, weights: Path) -> None:
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    row = rows(
        finished,
        "SELECT name, model_digest, weights_sha256, engines, answered, failed, blank, "
        "system_prompt FROM notemill_experiments",
    )[0]
    prompt = (finished.folder / "tasks" / "pneumonia" / "system.md").read_text().strip("\n")
    engine = f"llama.cpp (xllamacpp {metadata.version('xllamacpp')})"
    assert row == ("pneumonia", digest, digest, engine, 7, 0, 2, prompt)


def test_the_status_of_a_finished_run_is_what_the_database_holds(finished: Project) -> None:
    status = status_of(finished)
    asked = {note[2] for note in NOTES if note[2] and note[2].strip()}
    assert (status["texts"], status["answered"], status["failed"]) == (len(asked), len(asked), 0)
    assert (status["notes"], status["loaded"], status["jobs"]) == (len(NOTES), True, [])
    assert status["shards"]["done"] == status["shards"]["total"] == 3
    assert sum(texts for _, texts in status["timeline"]["texts"]) == len(asked)
    assert len(status["timeline"]["shards_done"]) == 3
    # As of an earlier version, whose jobs left no such files.
    for path in finished.results.rglob("*.live.json"):
        path.unlink()
    assert status_of(finished)["answered"] == len(asked)
    next((finished.results / "answers").rglob("0001.parquet")).unlink()
    status = status_of(finished)
    assert (status["shards"]["waiting"], status["loaded"]) == (1, False)
    assert status["uncounted_shards"] == 1


def test_a_repeated_load_leaves_the_same_rows(finished: Project) -> None:
    query = "SELECT * FROM PNA_Results ORDER BY patientvisitid"
    before = rows(finished, query)
    next((finished.results / "loads").rglob("*.json")).unlink()
    done = finished.snakemake()
    assert done.returncode == 0, done.stdout
    assert rows(finished, query) == before


def test_files_are_private_and_logs_hold_no_text(finished: Project) -> None:
    for path in finished.results.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path
    written = b"".join(
        path.read_bytes()
        for path in finished.folder.rglob("*")
        if path.is_file() and (path.suffix == ".log" or ".snakemake" in path.parts)
    )
    answers = [row[0] for row in rows(finished, "SELECT llm_explanation FROM PNA_Results")]
    for text in [note[2] for note in NOTES] + answers:
        # The random model's answers are a few characters now and then; those prove nothing.
        if text and len(text.strip()) > 12:
            assert text.encode() not in written


def test_a_killed_job_goes_on_from_its_journal(make_project: Callable[..., Project]) -> None:
    """SIGKILL in the middle of a shard; the second run asks only what the journal lacks."""
    project = make_project()
    many = [(100 + n, f"B{n}", f"Note number {n}: cough.") for n in range(60)]
    with sqlite3.connect(project.folder / "notes.sqlite") as database:
        database.executemany("INSERT INTO notes VALUES (?, ?, ?)", many)
    database.close()
    project.config["cohorts"]["small"]["shards"] = 1
    project.write_config()
    run = subprocess.Popen(
        project.command(),
        cwd=project.folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    kept = wait_for_journal(project, answers=5)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    stopped = status_of(project)
    assert [job["state"] for job in stopped["jobs"]] == ["running"]  # the pilot's or the shard's
    assert stopped["texts"] == stopped["answered"] + stopped["failed"] + stopped["left"] == 66
    for path in project.results.rglob("*.live.json"):  # so much for the minute
        os.utime(path, (time.time() - 61, time.time() - 61))
    (job,) = status_of(project)["jobs"]
    assert job["state"] == "silent"
    assert str(job["process"]) in job["what_to_do"]
    project.snakemake("--unlock")
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    log = next((project.results / "logs" / "answer").rglob("0000.log")).read_text()
    resumed = int(log.split(" distinct texts to ask, ")[1].split(" of them")[0])
    assert resumed >= kept
    ended = status_of(project)
    assert (ended["answered"], ended["failed"], ended["loaded"]) == (66, 0, True)
    assert ended["gpu_hours"]["used"] > stopped["gpu_hours"]["used"] >= 0
    assert rows(project, "SELECT COUNT(*) FROM PNA_Results")[0][0] == 60 + 7


def test_bad_configuration_ends_with_one_message(make_project: Callable[..., Project]) -> None:
    project = make_project(results_tabel="PNA_Results")
    done = project.snakemake("-n")
    assert done.returncode != 0
    assert "experiments.pneumonia.results_tabel: unknown key; did you mean 'results_table'?" in (
        done.stdout
    )
    assert "Traceback" not in done.stdout


def test_a_table_that_could_not_hold_the_answers_stops_before_any_is_asked(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(results_table="notes")
    done = project.snakemake("--retries", "0")
    assert done.returncode != 0
    assert "table notes exists, and the columns llm_response" in done.stdout
    assert "choose another name" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (project.results / "logs" / "answer").exists()  # the pilot needs no table
    assert len(rows(project, "SELECT * FROM notes")) == len(NOTES)


def test_a_failed_job_says_why_without_a_traceback(make_project: Callable[..., Project]) -> None:
    project = make_project()
    project.config["cohorts"]["small"]["query"] = "SELECT * FROM no_such_table"
    project.write_config()
    done = project.snakemake("--retries", "0")
    assert done.returncode != 0
    assert "no such table: no_such_table" in done.stdout
    assert "what to do:" in done.stdout
    assert "Traceback" not in done.stdout
    assert not list((project.results / "cohorts").rglob("*.parquet"))


def status_of(project: Project) -> dict[str, Any]:
    """What `notemill status` tells of the project's only experiment and cohort."""
    command = [sys.executable, "-m", "notemill", "status", "--json", "--configfile", "config.yaml"]
    environment = {**project.environment, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    (status,) = json.loads(done.stdout)["experiments"]
    assert isinstance(status, dict)
    return status


def rows(project: Project, query: str) -> list[tuple[object, ...]]:
    """Rows of a query on the project's database."""
    database = sqlite3.connect(project.folder / "notes.sqlite")
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def wait_for_journal(project: Project, answers: int) -> int:
    """Wait until a journal holds so many answers; returns how many it holds then."""
    for _ in range(1200):
        for path in (project.results / "answers").rglob("*.journal.jsonl"):
            count = path.read_bytes().count(b'"text"')
            if count >= answers:
                return count
        time.sleep(0.1)
    raise AssertionError("no journal in time")


def test_what_no_retry_can_mend_costs_one_engine(
    make_project: Callable[..., Project], weights: Path
) -> None:
    """Weights whose end is missing: the first job's engine says so, the others start none."""
    project = make_project(pilot={"notes": 0})
    broken = project.folder / "broken.gguf"
    broken.write_bytes(weights.read_bytes()[:-1000])
    project.config["engines"]["embedded"]["weights"] = str(broken)
    project.write_config()
    failed = project.snakemake("--cores", "1", "--retries", "2")
    assert failed.returncode != 0
    logs = [path.read_text() for path in (project.results / "logs" / "answer").rglob("*.log")]
    told = [log for log in logs if "what to do:" in log]
    assert len(told) == 3
    assert len({log.partition(" ERROR ")[2] for log in told}) == 1
    assert sum("no engine is started" in log for log in told) >= 2
    assert engines_that_ended(project) == 1
    jobs = status_of(project)["jobs"]
    assert [(job["shard"], job["state"]) for job in jobs] == [
        ("0000", "failed"),
        ("0001", "failed"),
        ("0002", "failed"),
    ]
    for job in jobs:
        assert job["failure"]["what"] in told[0]
        assert f"what to do: {job['what_to_do']}" in (project.folder / job["log"]).read_text()
    # What was mended in place is seen: another run of snakemake tries again.
    assert project.snakemake("--cores", "1", "--retries", "0").returncode != 0
    assert engines_that_ended(project) == 2
    # Nothing came from the broken weights, so whole ones with another digest may take their place.
    broken.write_bytes(weights.read_bytes())
    shutil.rmtree(project.results / "models")
    assert project.snakemake().returncode == 0


def engines_that_ended(project: Project) -> int:
    """Engines that said why they could not start."""
    logs = (project.results / "logs" / "answer").rglob("*.engine.log")
    return sum(log.read_text().count("Error: ") for log in logs)
