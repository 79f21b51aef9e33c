"""One real run with secrets planted in it: in its database, its tokens, its notes and answers."""

from __future__ import annotations

import json
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.servers.mariadb import MariaDB
from tests.servers.slurm import SlurmCluster
from tests.servers.standin import store
from tests.servers.test_end_to_end import config
from tests.servers.watcher import Watcher
from tests.workflow.project import REPOSITORY, Project, site_arguments

PASSWORD = "NOTEMILL_DATABASE_PASSWORD"
TOKENS = {"metrics token", "endpoint token"}
NOTES = 40


@dataclass
class Planted:
    """A finished run with secrets in it. words: by what they are."""

    project: Project
    words: dict[str, str]
    watcher: Watcher
    temporary: Path
    output: str = ""


def _words(database: MariaDB) -> dict[str, str]:
    return {
        "password": database.password,
        **{each: f"{each[:2]}{secrets.token_hex(16)}" for each in sorted(TOKENS)},
        "text": f"MARKTEXT{secrets.token_hex(6)}",
        "id": f"MARKID{secrets.token_hex(3)}",
        "answer": f"MARKANSW{secrets.token_hex(4)}",
    }


@contextmanager
def planted_run(folder: Path, database: MariaDB, cluster: SlurmCluster) -> Iterator[Planted]:
    """One run with a pool, a job killed, one that fails, and every command that tells of it."""
    words = _words(database)
    temporary = Path(tempfile.mkdtemp(prefix="notemill-planted-"))
    _fill(database, words)
    store.make_model(folder / "store")
    settings = _settings(folder, database, words)
    # The password comes by the environment, which is the leakier way.
    environment = cluster.environment | {PASSWORD: database.password, "TMPDIR": str(temporary)}
    project = Project(folder / "project", settings, environment)
    questions = {
        "squeue": lambda: cluster.run(
            "squeue", "--all", "--Format", "JobID:20,Name:99,Comment:999,Command:999,WorkDir:999"
        ),
        "scontrol": lambda: cluster.run("scontrol", "show", "job", "--details"),
        "metrics": lambda: _scraped(project, words["metrics token"]),
        "sacct": lambda: cluster.run("sacct", "--allusers", "--parsable2", "--format=ALL"),
    }
    with Watcher(words, questions) as watcher:
        found = Planted(project, words, watcher, temporary)
        pool = _server(project, folder)
        try:
            found.output += _run(project)
        finally:
            pool.terminate()
            found.output += pool.communicate(timeout=300)[0]
        for command in (
            ["status"],
            ["status", "--json"],
            ["summary"],
            ["report"],
            ["check"],
            ["look", "visits", "pneumonia"],
            ["pilot"],
        ):
            found.output += _command(project, *command)
    yield found
    for job in cluster.squeue():
        cluster.run("scancel", "--signal=KILL", "--full", job)
    shutil.rmtree(temporary)


def _scraped(project: Project, token: str) -> str:
    """What Prometheus is told and reads: the targets' files, and each job's page."""
    told = ""
    for file in (project.results / "metrics" / "targets").glob("*.json"):
        with suppress(OSError, ValueError):
            text = file.read_text()
            told += text
            for group in json.loads(text):
                for target in group["targets"]:
                    request = urllib.request.Request(
                        f"http://{target}{group['labels']['__metrics_path__']}",
                        headers={"Authorization": f"Bearer {token}"},
                    )
                    with urllib.request.urlopen(request, timeout=5) as page:
                        told += page.read().decode()
    return told


def _fill(database: MariaDB, words: dict[str, str]) -> None:
    """Notes whose first words are in the stand-in's answer, and whose last ones are not."""
    database.drop_tables()
    rows = [
        (
            f"{words['id']}{n}",
            f"A{n}",
            f"{words['answer']}{n} pneumonia".ljust(60, ".") + f" {words['text']} {n}",
        )
        for n in range(NOTES)
    ]
    with database.connect(charset="utf8mb4") as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE notes (patientvisitid VARCHAR(40) COLLATE utf8mb4_bin, "
            "accession VARCHAR(20), note_text LONGTEXT)"
        )
        cursor.executemany("INSERT INTO notes VALUES (%s, %s, %s)", rows)
        connection.commit()


def _settings(folder: Path, database: MariaDB, words: dict[str, str]) -> dict[str, Any]:
    slow = [{"fault": "slow", "value": 0.2, "match": words["text"]}]
    (folder / "faults.json").write_text(json.dumps(slow))
    settings = config(folder, database)
    Path(settings["database"].pop("option_file")).unlink()
    where = f"{database.host}:{database.port}/{database.database}"
    settings["database"]["url"] = f"mysql+pymysql://{database.user}@{where}"
    for name in sorted(TOKENS):
        file = folder / name.replace(" ", "-")
        file.touch(mode=0o600)
        file.write_text(words[name] + "\n")
    settings["metrics"] = {"token_file": str(folder / "metrics-token")}
    settings["cohorts"]["visits"]["shards"] = 1
    engine = settings["engines"]["engine"]
    bad = {**engine["environment"], "STANDIN_FAULTS": str(folder / "bad.json")}
    (folder / "bad.json").write_text(
        json.dumps([{"fault": "error_500", "value": words["text"], "match": words["text"]}])
    )
    pool = {**engine, "endpoints": str(folder / "pool")}
    pool["environment"] = {**engine["environment"], "STANDIN_FAULTS": str(folder / "none.json")}
    (folder / "none.json").write_text("[]")
    settings["engines"] |= {"bad": {**engine, "environment": bad}, "pool": pool}
    asked = settings["experiments"]["pneumonia"]
    settings["experiments"] |= {
        "pneumonia": {**asked, "pilot": {"notes": 4}},
        "pooled": {**asked, "engine": "pool", "results_table": "pooled"},
        "failing": {**asked, "engine": "bad", "results_table": "failing", "max_failed_share": 0.1},
    }
    gold = folder / "gold.csv"
    gold.write_text(
        "patientvisitid,accession,response\n"
        + "".join(f"{words['id']}{n},A{n},(1) Likely\n" for n in range(NOTES))
    )
    settings["evaluations"] = {
        "gold": {"cohort": "visits", "file": str(gold), "fields": ["response"]}
        | {"experiments": ["pneumonia"]}
    }
    return settings


def _server(project: Project, folder: Path) -> subprocess.Popen[str]:
    arguments = ["serve", "pool", "--host", "127.0.0.1", "--hours", "1"]
    arguments += ["--token-file", str(folder / "endpoint-token"), "--configfile", "config.yaml"]
    return subprocess.Popen(
        [sys.executable, "-m", "notemill", *arguments],
        cwd=project.folder,
        env={**project.environment, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _run(project: Project) -> str:
    """The workflow; one job's Python is killed in the middle, and one experiment fails."""
    run = subprocess.Popen(
        project.command(*site_arguments(), "--retries", "1", profile="slurm"),
        cwd=project.folder,
        preexec_fn=_cores_of_any_size,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    crashed = False
    while run.poll() is None and not crashed:
        time.sleep(0.1)
        crashed = _answered(project, 3) and _crash_one_and_kill_the_others(project)
    output, _ = run.communicate(timeout=1500)
    assert crashed
    return output


def _crash_one_and_kill_the_others(project: Project) -> bool:
    """Each answer job's Python and the shell above it: SIGSEGV, which may leave a core, twice, and
    SIGKILL. False while no such job is there."""
    how = [signal.SIGSEGV, signal.SIGSEGV]
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = " ".join(process.info["cmdline"] or [])
        if process.info["cwd"] == str(project.folder) and command.endswith(".answer.py"):
            with suppress(psutil.NoSuchProcess):  # the shell ends with its Python
                process.send_signal(how[-1] if how else signal.SIGKILL)
                how = how[:-1]
    return len(how) < 2


def _cores_of_any_size() -> None:
    """As a user whose shell says `ulimit -c unlimited`; Slurm hands it on to the jobs."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def _answered(project: Project, texts: int) -> bool:
    """Whether a shard's journal of the experiment that is killed has so many answers."""
    journals = (project.results / "answers").glob("visits/pneumonia-*/*/*.journal.jsonl")
    return any(path.read_bytes().count(b'"text"') >= texts for path in journals)


def _command(project: Project, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "notemill", *words, "--configfile", "config.yaml"],
        cwd=project.folder,
        env={**project.environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr
