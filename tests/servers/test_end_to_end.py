"""The whole path on real servers: MariaDB, Slurm with profiles/slurm, and an engine in each job."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.servers.mariadb import MariaDB
from tests.servers.slurm import SlurmCluster
from tests.servers.standin import store
from tests.workflow.project import REPOSITORY, Project, site_arguments

NOTES: list[tuple[str, str, bytes | str | None]] = [
    *((f"P{n}", f"A{n}", f"Visit {n}. No sign of infection.") for n in range(30)),
    *((f"P{n}", f"A{n}", f"Visit {n}. Pneumonia of the left lung.") for n in range(30, 50)),
    ("p0", "A0", "Another patient, whose id differs by a letter's case."),
    ("P0 ", "A0", "And one whose id ends in a blank. Größe 🩺."),
    ("C1", "A1", "Copied forward."),
    ("C2", "A1", "Copied forward."),
    ("C2", "A1", "Copied forward."),
    ("N1", "A1", None),
    ("N2", "A1", "  \n"),
    ("B1", "A1", b"Broken \xff bytes, pneumonia."),
]
ROWS, COLLAPSED, BLANK, TEXTS = len(NOTES), 1, 2, 54
ANSWERED = ROWS - COLLAPSED - BLANK


@pytest.fixture
def project(tmp_path: Path, database: MariaDB, cluster: SlurmCluster) -> Iterator[Project]:
    """A project over NOTES in MariaDB, answered by the stand-in on Slurm."""
    fill(database)
    (tmp_path / "faults.json").write_text("[]")
    store.make_model(tmp_path / "store")
    project = Project(tmp_path / "project", config(tmp_path, database), cluster.environment)
    yield project
    for job in cluster.squeue():
        cluster.run("scancel", "--signal=KILL", "--full", job)


def test_every_note_has_its_row_and_only_one(
    project: Project, database: MariaDB, cluster: SlurmCluster
) -> None:
    experiment(project)["pilot"] = {"notes": 4}
    project.write_config()
    done = project.on_slurm()
    assert done.returncode == 0, done.stdout
    every_answer_is_right(database)
    failures = database.execute("SELECT patientvisitid, status FROM clinical.PNA_Results_failures")
    assert sorted(failures) == [("N1", "blank"), ("N2", "blank")]

    report = json.loads(next((project.results / "loads").rglob("*.json")).read_text())
    assert report["rows"] == ROWS
    assert report["notes"] == report["answered"] + report["failed"] + report["blank"]
    assert (report["texts"], report["asked"], report["blank"]) == (TEXTS, TEXTS, BLANK)
    asked = [json.loads(line) for line in (project.folder.parent / "asked.jsonl").open()]
    notes = [request for request in asked if request["options"]["num_predict"] == 128]
    assert len(notes) == len({request["messages"] for request in notes}) == TEXTS

    assert project.planned(profile="slurm") == {}
    what_slurm_was_told(cluster, project, database)
    a_repeated_load_leaves_the_same_rows(project, database)


def every_answer_is_right(database: MariaDB) -> None:
    """The table holds each note's own answer, once, and no other."""
    results = database.execute(
        "SELECT patientvisitid, accession, llm_response, llm_explanation FROM clinical.PNA_Results"
    )
    expected = {
        (pid, accession): decoded(text)
        for pid, accession, text in NOTES
        if text is not None and decoded(text).strip()
    }
    assert len(results) == ANSWERED
    for pid, accession, response, explanation in results:
        text = expected.pop((pid, accession))
        assert response == ("(1) Likely" if "neumonia" in text else "(2) Unlikely")
        assert explanation == text[:40]
    assert not expected


def what_slurm_was_told(cluster: SlurmCluster, project: Project, database: MariaDB) -> None:
    """A GPU in the right partition, and nothing secret in what others can see."""
    jobs = cluster.sacct("--allocations", fields="JobName,Partition,AllocTRES,Comment,State")
    answers = [job for job in jobs if "rule_answer" in job["Comment"]]
    assert answers
    for job in answers:
        assert job["JobName"].startswith("notemill")
        assert job["Partition"] == "gpu"
        assert "gres/gpu=1" in job["AllocTRES"]
    told = json.dumps(jobs).encode() + b"".join(
        path.read_bytes() for path in (project.folder / ".snakemake").rglob("*") if path.is_file()
    )
    for secret in (database.password, "Copied forward", "No sign of infection"):
        assert secret.encode() not in told


def a_repeated_load_leaves_the_same_rows(project: Project, database: MariaDB) -> None:
    """Once more, and then two at once."""
    query = "SELECT * FROM clinical.PNA_Results ORDER BY patientvisitid, accession"
    before = database.execute(query)
    target = next((project.results / "loads").rglob("*.json"))
    target.unlink()
    second = project.folder.with_name("second")
    shutil.copytree(project.folder, second)
    other = Project(second, project.config, project.environment)
    running = [
        subprocess.Popen(each.command(), cwd=each.folder, env=each.environment)
        for each in (project, other)
    ]
    assert [process.wait(timeout=1500) for process in running] == [0, 0]
    assert database.execute(query) == before


def test_a_killed_job_is_tried_again_and_asks_only_what_is_missing(
    project: Project, database: MariaDB, cluster: SlurmCluster
) -> None:
    project.config["cohorts"]["visits"]["shards"] = 1
    project.write_config()
    slow = [{"fault": "slow", "value": 0.5, "match": "Visit"}]
    (project.folder.parent / "faults.json").write_text(json.dumps(slow))
    run = started(project)
    wait_for_answers(project, 6)
    kill_scripts_of(project)
    output, _ = run.communicate(timeout=1500)
    assert run.returncode == 0, output
    asked = [json.loads(line) for line in (project.folder.parent / "asked.jsonl").open()]
    notes = [r["messages"] for r in asked if r["options"]["num_predict"] == 128]
    assert len(set(notes)) == TEXTS
    # Only what was in flight when the job was killed was asked a second time.
    assert len(notes) - TEXTS <= project.config["engines"]["engine"]["slots"] + 1
    assert database.execute("SELECT COUNT(*) FROM clinical.PNA_Results") == [(ANSWERED,)]


def test_what_can_not_work_costs_one_gpu_job_whatever_the_shards_and_retries(
    project: Project, cluster: SlurmCluster
) -> None:
    """An engine that is refused, with the profile's retries."""
    experiment(project)["pilot"] = {"notes": 4}
    project.config["cohorts"]["visits"]["shards"] = 100
    too_old = [{"fault": "version", "value": "0.11.10"}]
    (project.folder.parent / "faults.json").write_text(json.dumps(too_old))
    project.write_config()
    before = {job["JobID"] for job in gpu_jobs(cluster)}
    done = project.on_slurm()
    assert done.returncode != 0
    assert "what to do:" in done.stdout
    (job,) = [job for job in gpu_jobs(cluster) if job["JobID"] not in before]
    assert "rule_pilot_job" in job["Comment"]
    assert not (project.results / "answers").exists() or not list(
        (project.results / "answers").rglob("*.parquet")
    )


def test_a_wrong_password_is_told_with_the_remedy(project: Project, database: MariaDB) -> None:
    option_file = Path(project.config["database"]["option_file"])
    option_file.write_text(option_file.read_text().replace(database.password, "wrong-secret"))
    done = project.on_slurm()
    assert done.returncode != 0
    assert "the database refused reading cohort 'visits': Access denied" in done.stdout
    assert "check user and password (database.option_file" in done.stdout
    assert "Traceback" not in done.stdout
    assert "wrong-secret" not in done.stdout


def test_a_lost_database_changes_nothing_and_the_next_run_loads(
    project: Project, database: MariaDB
) -> None:
    done = project.on_slurm("--until", "answer")
    assert done.returncode == 0, done.stdout
    database.kill()
    failed = project.on_slurm("--retries", "0")
    assert failed.returncode != 0
    assert "the database can't be reached" in failed.stdout
    assert "it was waited for 2 s (database.wait: 2s)" in failed.stdout
    database.restart()
    done = project.on_slurm()
    assert done.returncode == 0, done.stdout
    assert database.execute("SELECT COUNT(*) FROM clinical.PNA_Results") == [(ANSWERED,)]


def test_a_job_with_two_servers_gets_two_gpus_of_one_node_and_pins_them(
    project: Project, database: MariaDB, cluster: SlurmCluster
) -> None:
    engine = project.config["engines"]["engine"]
    told = project.folder.parent / "told"
    says = f'echo "$SLURM_JOB_ID $CUDA_VISIBLE_DEVICES" >> {told}; exec "$0" '
    engine |= {"command": ["sh", "-c", f'{says} "$@"', *engine["command"]], "servers": 2}
    project.write_config()
    before = {job["JobID"] for job in gpu_jobs(cluster)}
    done = project.on_slurm()
    assert done.returncode == 0, done.stdout
    every_answer_is_right(database)
    jobs = [job for job in gpu_jobs(cluster) if job["JobID"] not in before]
    assert len(jobs) == 2
    for job in jobs:
        assert {"gres/gpu=2", "node=1"} <= set(job["AllocTRES"].split(","))
    started = [line.split() for line in told.read_text().splitlines()]
    assert sorted(started) == sorted([job["JobID"], gpu] for job in jobs for gpu in "01")


def experiment(project: Project) -> dict[str, Any]:
    """The project's one, to be changed."""
    settings: dict[str, Any] = project.config["experiments"]["pneumonia"]
    return settings


def gpu_jobs(cluster: SlurmCluster) -> list[dict[str, str]]:
    """Jobs that were given a GPU, as Slurm has them."""
    jobs = cluster.sacct("--allocations", fields="JobID,Comment,AllocTRES,State,Start")
    return [job for job in jobs if "gres/gpu" in job["AllocTRES"]]


def fill(database: MariaDB) -> None:
    """The notes' table, and none of ours."""
    database.drop_tables()
    with database.connect(charset="utf8mb4") as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE notes (patientvisitid VARCHAR(20) COLLATE utf8mb4_bin, "
            "accession VARCHAR(20), note_text LONGBLOB)"
        )
        rows = [(p, a, t.encode() if isinstance(t, str) else t) for p, a, t in NOTES]
        cursor.executemany("INSERT INTO notes VALUES (%s, %s, %s)", rows)
        connection.commit()


def config(folder: Path, database: MariaDB) -> dict[str, Any]:
    """The configuration, its engine the stand-in."""
    standin = str(REPOSITORY / "tests" / "servers" / "standin" / "ollama")
    return {
        "tasks": str(REPOSITORY / "config" / "tasks"),
        "database": {
            "url": f"mysql+pymysql://{database.host}:{database.port}/{database.database}",
            "option_file": str(database.option_file(folder / "my.cnf")),
            "wait": "2s",
        },
        "cohorts": {
            "visits": {
                "query": "SELECT patientvisitid, accession, note_text FROM notes "
                "WHERE accession LIKE 'A%'",
                "id_columns": ["patientvisitid", "accession"],
                "text_column": "note_text",
                "shards": 2,
            }
        },
        "engines": {
            "engine": {
                "kind": "ollama",
                "command": [sys.executable, standin],
                "models": str(folder / "store"),
                "slots": 2,
                "gpu": "auto",
                "environment": {
                    "STANDIN_JOURNAL": str(folder / "asked.jsonl"),
                    "STANDIN_FAULTS": str(folder / "faults.json"),
                },
            }
        },
        "experiments": {
            "pneumonia": {
                "task": "pneumonia",
                "engine": "engine",
                "model": "standin",
                "options": {"num_ctx": 1024, "num_predict": 128},
                "results_table": "PNA_Results",
                "pilot": {"notes": 0},
            }
        },
    }


def decoded(text: bytes | str | None) -> str:
    """The text as the model gets it."""
    return text.decode(errors="replace") if isinstance(text, bytes) else text or ""


def started(project: Project) -> subprocess.Popen[str]:
    """snakemake in the background, with profiles/slurm."""
    return subprocess.Popen(
        project.command(*site_arguments(), profile="slurm"),
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_answers(project: Project, count: int) -> None:
    """Wait until a journal holds so many answers."""
    for _ in range(1200):
        for path in (project.results / "answers").rglob("*.journal.jsonl"):
            if path.read_bytes().count(b'"text"') >= count:
                return
        time.sleep(0.1)
    raise AssertionError("no journal in time")


def kill_scripts_of(project: Project) -> None:
    """SIGKILL the Python of each answer job, as the kernel does when memory is short."""
    killed = 0
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = " ".join(process.info["cmdline"] or [])
        if process.info["cwd"] == str(project.folder) and command.endswith(".answer.py"):
            with suppress(psutil.NoSuchProcess):  # the shell above ends with its Python
                process.kill()
            killed += 1
    assert killed
