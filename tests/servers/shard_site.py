"""One shard's job without Snakemake: notes in SQLite, extracted, and answered by some engine."""

from __future__ import annotations

import json
import sqlite3
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from notemill.answers.job import answer_shards
from notemill.answers.recut import JournaledAnswers
from notemill.answers.shard_job import ShardJob
from notemill.config import Cohort, Config, read_config
from notemill.engines.kinds import record_model
from notemill.notes.extract import extract
from notemill.paths import Layout
from notemill.plan.runs import plan_runs
from tests.servers.standin import store
from tests.workflow.project import REPOSITORY

STANDIN = [sys.executable, str(REPOSITORY / "tests" / "servers" / "standin" / "ollama")]
LIKELY, UNLIKELY = "(1) Likely", "(2) Unlikely"
SICK = "Findings of pneumonia in the right lung."
WELL = "Clear lungs."


@dataclass
class ShardSite:
    """A cohort of one shard in `folder`. notes: texts, whose ids are 1, 2, ….

    engine and experiment replace parts of the configuration; era and faults are the stand-in's.
    """

    folder: Path
    notes: list[str]
    engine: dict[str, Any] = field(default_factory=dict)
    experiment: dict[str, Any] = field(default_factory=dict)
    era: str = "middle"
    faults: list[dict[str, Any]] = field(default_factory=list)
    tasks: Path = REPOSITORY / "config" / "tasks"

    def __post_init__(self) -> None:
        self.layout = Layout(self.folder / "results")
        store.make_model(self.folder / "store")
        with sqlite3.connect(self.folder / "notes.sqlite") as connection:
            connection.execute("CREATE TABLE notes (id INTEGER, note_text TEXT)")
            connection.executemany("INSERT INTO notes VALUES (?, ?)", enumerate(self.notes, 1))
        connection.close()
        answers = JournaledAnswers(self.layout, "cohort")
        extract(self.config.database, "cohort", self._cohort, self.layout, answers)

    @property
    def _cohort(self) -> Cohort:
        return self.config.cohorts["cohort"]

    @property
    def config(self) -> Config:
        """The configuration as the fields say now."""
        (self.folder / "faults.json").write_text(json.dumps(self.faults))
        standin = {
            "kind": "ollama",
            "command": STANDIN,
            "models": str(self.folder / "store"),
            "slots": 3,
            "gpu": "off",
            "answer_timeout_s": 60,
            "environment": {
                "STANDIN_ERA": self.era,
                "STANDIN_FAULTS": str(self.folder / "faults.json"),
                "STANDIN_JOURNAL": str(self.folder / "asked.jsonl"),
            },
        }
        experiment = {
            "task": "pneumonia",
            "engine": "engine",
            "model": "standin",
            "options": {"num_ctx": 1024, "num_predict": 128},
            "max_failed_share": 1,
            "results_table": "results",
        }
        return read_config(
            {
                "results": str(self.layout.results),
                "tasks": str(self.tasks),
                "database": {"url": f"sqlite:///{self.folder}/notes.sqlite"},
                "cohorts": {
                    "cohort": {
                        "query": "SELECT id, note_text FROM notes",
                        "id_columns": ["id"],
                        "text_column": "note_text",
                        "shards": 1,
                    }
                },
                "engines": {
                    "engine": self.engine if "kind" in self.engine else standin | self.engine
                },
                "experiments": {"pneumonia": experiment | self.experiment},
            }
        )

    def job(self) -> ShardJob:
        """The job of the one shard, its model recorded first if it is not yet."""
        run = plan_runs(self.config)[0]
        record = self.layout.model(run.model_id)
        if not record.exists():
            record_model(run.engine, run.experiment.model, self.folder / "pull.log").write(record)
        return ShardJob(
            run=run,
            layout=self.layout,
            cohort="cohort",
            cut="cut-0001",
            shard="0000",
            engine_log=self.folder / "engine.log",
            threads=1,
        )

    def answer(self) -> list[dict[str, Any]]:
        """Run the job; returns the result shard's rows by id."""
        job = self.job()
        answer_shards([job])
        rows: list[dict[str, Any]] = pq.read_table(job.output).to_pylist()
        return sorted(rows, key=lambda row: int(row["id"]))

    def asked(self) -> list[dict[str, Any]]:
        """The chat requests that the stand-in received, probes too."""
        lines = (self.folder / "asked.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


def one(site: ShardSite) -> dict[str, Any]:
    """The only row of a site's only note."""
    rows = site.answer()
    assert len(rows) == 1
    return rows[0]
