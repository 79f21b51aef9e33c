"""notemill's own way: from notes shards to result shards, a job a server, as on a cluster."""

from __future__ import annotations

import logging
import multiprocessing
import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.performance.clients import MODEL
from notemill.answers.job import answer_shards
from notemill.answers.recut import JournaledAnswers
from notemill.answers.shard_job import ShardJob
from notemill.config import Config, OpenAiEngine, read_config
from notemill.engines.kinds import record_model
from notemill.logs import log
from notemill.notes.extract import extract
from notemill.paths import Layout, cut_name, shard_names
from notemill.plan.runs import plan_runs
from tests.workflow.project import REPOSITORY

COHORT = "all"


@dataclass(frozen=True)
class Asked:
    """texts: answered; seconds: from the proven engine until every answer is in the journal;
    outside: of the job before and after, less the engine's start."""

    texts: int
    failed: int
    seconds: float
    outside: float

    @property
    def rate(self) -> float:
        """Texts a second."""
        return self.texts / self.seconds


class Prepared:
    """A cohort cut into a shard for each server, which is asked as often as one likes."""

    def __init__(self, folder: Path, texts: Sequence[str], shards: int, context: int) -> None:
        self._folder = folder
        self._shards = shards
        file = folder / "notes.sqlite"
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("CREATE TABLE notes (id INTEGER, note TEXT)")
            database.executemany("INSERT INTO notes VALUES (?, ?)", enumerate(texts))
        self.config = _config(file, folder / "results", shards, context)
        layout = Layout(self.config.results)
        extract(
            self.config.database,
            COHORT,
            self.config.cohorts[COHORT],
            layout,
            JournaledAnswers(layout, COHORT),
        )
        (self.run,) = plan_runs(self.config)

    def ask(self, ports: Sequence[int], slots: int) -> list[Asked]:
        """Ask all texts afresh, one job a server, side by side."""
        engines = [
            OpenAiEngine(
                kind="openai", address=f"http://127.0.0.1:{port}/v1", slots=slots, gpu="off"
            )
            for port in ports
        ]
        return self._ask(engines)

    def ask_from_one_job(self, command: Sequence[str], servers: int, slots: int) -> Asked:
        """Ask all texts afresh, one job with so many servers that it starts by the command."""
        values: dict[str, Any] = {"command": [*command], "servers": servers, "slots": slots}
        (asked,) = self._ask([OpenAiEngine(kind="openai", gpu="off", **values)])
        return asked

    def _ask(self, engines: Sequence[OpenAiEngine]) -> list[Asked]:
        layout = Layout(self._folder / f"run-{time.monotonic_ns()}")
        layout.results.mkdir(parents=True)
        (layout.results / "cohorts").symlink_to(self.config.results / "cohorts")
        jobs = []
        for engine, shard in zip(engines, shard_names(self._shards), strict=True):
            run = replace(self.run, engine=engine)
            log_file = self._folder / f"{shard}.engine.log"
            job = ShardJob(run, layout, COHORT, cut_name(self._shards), shard, log_file, 1)
            jobs.append(job)
        record_model(jobs[0].run.engine, MODEL, self._folder / "log").write(
            layout.model(self.run.model_id)
        )
        if len(jobs) == 1:
            return [_asked(jobs[0])]
        with multiprocessing.get_context("fork").Pool(len(jobs)) as pool:
            return pool.map(_asked, jobs, chunksize=1)


class _Ready(logging.Handler):
    """When the engine was ready, and when all texts had ended, from the job's log."""

    at = 0.0
    took = 0.0
    asked = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        told = record.getMessage()
        if ready := re.search(r"is ready after ([\d.]+) s", told):
            if not self.at:  # the first of several servers
                self.at, self.took = time.monotonic(), float(ready[1])
        elif "texts" in told:
            self.asked = time.monotonic()


def _asked(job: ShardJob) -> Asked:
    ready = _Ready()
    log.addHandler(ready)
    log.setLevel(logging.INFO)
    log.propagate = False
    began = time.monotonic()
    try:
        (origin,) = answer_shards([job])
    finally:
        log.removeHandler(ready)
    ended = time.monotonic()
    assert 0 < ready.at < ready.asked
    texts, asking = origin.texts - origin.failed, ready.asked - ready.at
    return Asked(texts, origin.failed, asking, ended - began - asking - ready.took)


def _config(file: Path, results: Path, shards: int, context: int) -> Config:
    values: dict[str, Any] = {
        "results": str(results),
        "tasks": str(REPOSITORY / "config" / "tasks"),
        "database": {"url": f"sqlite:///{file}"},
        "cohorts": {
            COHORT: {
                "query": "SELECT id, note FROM notes",
                "id_columns": ["id"],
                "text_column": "note",
                "shards": shards,
            }
        },
        "engines": {
            "engine": {"kind": "openai", "address": "http://127.0.0.1:1/v1", "slots": 1}
            | {"gpu": "off"}
        },
        "experiments": {
            "pneumonia": {
                "task": "pneumonia",
                "engine": "engine",
                "model": MODEL,
                "options": {"num_ctx": context, "num_predict": 200},
                "pilot": {"notes": 0},
                "max_failed_share": 1,
                "results_table": "results",
            }
        },
    }
    return read_config(values)
