"""Hours of shards squeezed: the real workflow against a server that answers at once.

    python -m benchmarks.soak [--notes 1000000] [--shards 2000] [--jobs 2]

A million notes in SQLite, each its own text, asked in 2,000 jobs on this machine. Every two seconds
the memory and the open files of the driver, of the jobs and of the server are taken. In the end:
they were as large in the last quarter as in the second one, nothing is left in the temporary folder
or half written among the results, status and report say what there is, and the table has one row a
note, each with the answer to that note. Prints figures; ends with 1 where one of these is not so.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.performance.clients import MODEL
from tests.workflow.project import REPOSITORY, Project

_EVERY_S = 2.0
_GROWN = 1.25
"""Memory of the last quarter over that of the second one, at which it is no longer flat."""
_CONNECTIONS = 32
"""Open files that come and go with the requests in flight, of all jobs at once."""
_BATCH = 10_000


@dataclass
class Sampled:
    """Of each kind of process, by the quarter of the shards that were done: the largest memory
    (bytes) and number of open files of one process."""

    memory: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    files: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    def take(self, process: psutil.Process, kind: str, quarter: int) -> None:
        """One process, now."""
        with suppress(psutil.Error):
            for kept, value in (
                (self.memory, process.memory_info().rss),
                (self.files, process.num_fds()),
            ):
                kept[kind][quarter] = max(kept[kind].get(quarter, 0), value)

    def grown(self) -> list[str]:
        """What grew from the second quarter to the last."""
        return [
            f"{what} of {kind}: {quarters[1]} to {quarters[3]}"
            for what, kinds, aside in (
                ("memory", self.memory, 0),
                ("open files", self.files, _CONNECTIONS),
            )
            for kind, quarters in kinds.items()
            if {1, 3} <= quarters.keys() and quarters[3] > _GROWN * quarters[1] + aside
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--notes", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="notemill-soak-") as folder, _server() as server:
        place = Path(folder)
        (place / "tmp").mkdir()
        project = _project(place, server.port, options.notes, options.shards)
        began = time.monotonic()
        sampled = _run(project, options.jobs, options.shards, server.pid)
        seconds = time.monotonic() - began
        wrong = [*sampled.grown(), *_wrong(project, place, options.notes, options.shards)]
        _print(sampled, options.notes, options.shards, seconds)
    for each in wrong:
        print(f"WRONG: {each}")
    return 1 if wrong else 0


@dataclass
class _Server:
    port: int
    pid: int


@contextmanager
def _server() -> Iterator[_Server]:
    """The model of a server, a million times as fast as a GPU."""
    command = ["-m", "benchmarks.performance.service", "--gpu", "H100", "--slots", "16"]
    process = subprocess.Popen(
        [sys.executable, *command, "--scale", "1e6"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        (port,) = json.loads(process.stdout.readline())
        yield _Server(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def _project(place: Path, port: int, notes: int, shards: int) -> Project:
    with closing(sqlite3.connect(place / "notes.sqlite")) as database:
        database.execute("CREATE TABLE notes (id INTEGER, note TEXT)")
        for first in range(0, notes, _BATCH):
            rows = (
                (number, f"Note {number}: cough for {number % 9} days, lungs clear.")
                for number in range(first, min(first + _BATCH, notes))
            )
            with database:
                database.executemany("INSERT INTO notes VALUES (?, ?)", rows)
    config: dict[str, Any] = {
        "tasks": str(REPOSITORY / "config" / "tasks"),
        "database": {"url": f"sqlite:///{place}/notes.sqlite"},
        "cohorts": {
            "all": {
                "query": "SELECT id, note FROM notes",
                "id_columns": ["id"],
                "text_column": "note",
                "shards": shards,
            }
        },
        "engines": {
            "engine": {"kind": "openai", "address": f"http://127.0.0.1:{port}/v1", "slots": 8}
            | {"gpu": "off"}
        },
        "experiments": {
            "pneumonia": {
                "task": "pneumonia",
                "engine": "engine",
                "model": MODEL,
                "options": {"num_ctx": 4096, "num_predict": 200},
                "pilot": {"notes": 0},
                "max_failed_share": 1,
                "results_table": "results",
            }
        },
    }
    environment = {**os.environ, "TMPDIR": str(place / "tmp"), "PYTHONPATH": str(REPOSITORY)}
    return Project(place / "project", config, environment)


def _run(project: Project, jobs: int, shards: int, server: int) -> Sampled:
    sampled = Sampled()
    command = [*project.command(), "--jobs", str(jobs), "--cores", str(jobs)]
    command += ["--scheduler-subsample", "50"]  # choosing among 2,000 takes as long as a job here
    with (project.folder / "output").open("w") as output:
        driver = subprocess.Popen(
            command,
            cwd=project.folder,
            env=project.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        while driver.poll() is None:
            done = sum(1 for _ in (project.results / "answers").glob("*/*/*/*.parquet"))
            _sample(sampled, driver.pid, server, min(4 * done // shards, 3))
            time.sleep(_EVERY_S)
    if driver.returncode:
        print((project.folder / "output").read_text()[-3000:])
    return sampled


def _sample(sampled: Sampled, driver: int, server: int, quarter: int) -> None:
    with suppress(psutil.Error):
        sampled.take(psutil.Process(server), "server", quarter)
        main_process = psutil.Process(driver)
        sampled.take(main_process, "driver", quarter)
        for child in main_process.children(recursive=True):
            with suppress(psutil.Error):
                command = " ".join(child.cmdline())
                kind = next((k for k in ("answer.py", "load.py") if command.endswith(k)), None)
                if kind:
                    sampled.take(child, kind, quarter)


def _wrong(project: Project, place: Path, notes: int, shards: int) -> Iterator[str]:
    """What is not as it must be in the end."""
    with closing(sqlite3.connect(place / "notes.sqlite")) as database:
        query = (
            "SELECT count(*), count(DISTINCT r.id), sum(r.llm_explanation = substr(n.note, 1, 40)) "
            "FROM results r LEFT JOIN notes n ON n.id = r.id"  # what the server quotes of a note
        )
        try:
            rows = database.execute(query).fetchone()
        except sqlite3.OperationalError as error:
            rows = str(error)
        if rows != (notes, notes, notes):
            yield f"rows, distinct ids, rows with their note's answer: {rows}, not {notes} each"
    if left := [path for path in (place / "tmp").rglob("*") if path.is_file()]:
        yield f"{len(left)} temporary files are left: {left[:3]}"
    halves = [p for p in project.results.rglob("*") if p.name.endswith((".partial", ".lock.lock"))]
    if halves:
        yield f"{len(halves)} files are half written: {halves[:3]}"
    told = json.loads(_command(project, "status", "--json") or "{}")
    (status,) = told.get("experiments", [None])
    if not status or not status["loaded"] or status["answered"] != notes:
        yield f"status says {status}"
    _command(project, "report")
    report = project.results / "report" / "report.json"
    told = json.loads(report.read_text())["cohorts"] if report.exists() else []
    if [cohort["notes"] for cohort in told] != [{"low": notes, "high": notes}]:
        yield f"the report says {[cohort['notes'] for cohort in told]}"


def _command(project: Project, *words: str) -> str:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "notemill", *words, "--configfile", "config.yaml"],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    print(f"notemill {' '.join(words)}: {time.monotonic() - began:.1f} s")
    return done.stdout


def _print(sampled: Sampled, notes: int, shards: int, seconds: float) -> None:
    print(f"{notes} notes, {shards} shards: {seconds:.0f} s, {seconds / shards:.2f} s a shard")
    for kind, quarters in sampled.memory.items():
        mib = ", ".join(f"{quarters[q] / 2**20:.0f}" for q in sorted(quarters))
        files = ", ".join(str(sampled.files[kind].get(q)) for q in sorted(quarters))
        print(f"  {kind:10} memory by quarter {mib} MiB; open files {files}")


if __name__ == "__main__":
    sys.exit(main())
