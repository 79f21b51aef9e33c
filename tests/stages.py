"""A whole small run, stage by stage, as the workflow's scripts and the commands make it.

Everything is real but the engine, which answers in this process.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import yaml

from notemill.__main__ import main
from notemill.answers import engines
from notemill.answers.job import answer_shards
from notemill.answers.recut import JournaledAnswers
from notemill.answers.shard_job import ShardJob
from notemill.comparison.compare import compare
from notemill.comparison.planned import planned_comparisons
from notemill.config import Config, read_config
from notemill.engines.protocol import Question, Reply, Start
from notemill.engines.record import ModelRecord
from notemill.errors import NotemillError
from notemill.evaluation.evaluate import evaluate
from notemill.load.work import load_of
from notemill.notes.extract import extract
from notemill.notes.manifest import read_manifest
from notemill.outputs.deliver import deliver, prepare
from notemill.pilot.job import run_pilots
from notemill.plan.evaluations import evaluated_runs
from notemill.plan.runs import plan_runs
from notemill.standing import last_one_kept
from notemill.tasks.run import Run
from tests.unit.audit.auditing import fill
from tests.unit.conftest import Clinic, SmallEngine, answer_text, config_values, write_task

NOTES = [f"note {number} of {'many' * (number % 5)} words" for number in range(20)]
"""Texts; the even ones are `yes`."""
RESPONSES = {text: "no" if number % 2 else "yes" for number, text in enumerate(NOTES)}


class _Engine(SmallEngine):
    """Answers by the note, and counts whom it was asked about."""

    def __init__(self, start: Start, asked: Counter[tuple[str, str]]) -> None:
        super().__init__(lambda text: answer_text(response=RESPONSES.get(text, "no")))
        self.number, self.context = start.server, start.options.num_ctx
        self._asked = asked

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        reply = await super().ask(question, timeout_s)
        if (text := question.user.rpartition("\n")[2]) in RESPONSES:
            self._asked[question.system, text] += 1
        return reply


class Stages:
    """Two experiments over one cohort, with files, labels, a comparison and an audit.

    asked: how often each text was, by the experiment's system prompt.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self.clinic, self.asked = Clinic(folder), Counter[tuple[str, str]]()
        self.layout = self.clinic.layout
        self.results = self.layout.results
        self.clinic.fill(*enumerate(NOTES), (99, None))
        write_task(folder / "tasks", name="cough")
        write_task(folder / "tasks", name="fever", system="Look for fever.")
        with (folder / "gold.csv").open("w") as file:
            rows = [("visit", "response"), *enumerate(RESPONSES.values())]
            csv.writer(file).writerows(rows)
        self.file = folder / "my.yaml"
        self.file.write_text(yaml.safe_dump(self._values(folder)))
        patch.chdir(folder)

        @asynccontextmanager
        async def proven(_: object, start: Start) -> AsyncIterator[_Engine]:
            yield _Engine(start, self.asked)

        self._engines = lambda: patch.setattr(engines, "proven_engine", proven)
        self._steps: dict[str, Callable[[], object]] = {
            "extract": self._extract,
            "model": self._model,
            "tables": self._tables,
            "pilot": self._pilot,
            "answer": self._answer,
            "load": self._load,
            "evaluate": self._evaluate,
            "compare": self._compare,
            "look": lambda: self.command("look", "chest", "cough"),
            "report": lambda: self.command("report"),
            "picture": lambda: self.command("status", "--svg", str(self.results / "run.svg")),
            "audit draw": lambda: self._audit("draw", "--readers", "ana", "--seed", "7"),
            "audit read": lambda: self._audit("read"),
            "purge": lambda: self.command("purge", "chest", "--yes"),
        }

    def _values(self, folder: Path) -> dict[str, object]:
        results = folder / "results"
        experiment = {
            "engine": "local",
            "model": "m:1",
            "max_failed_share": 0,
            "pilot": {"notes": 4, "sweep_minutes": 0},
        }
        outputs = [
            str(results / "outputs" / f"answers.{form}") for form in ("csv", "jsonl", "parquet")
        ]
        return config_values(
            results=str(results),
            tasks=str(folder / "tasks"),
            database={"url": f"sqlite:///{self.clinic.file}"},
            cohorts={
                "chest": {
                    "query": "SELECT visit, note FROM notes",
                    "id_columns": ["visit"],
                    "text_column": "note",
                    "shards": 2,
                }
            },
            engines={"local": {"kind": "ollama", "models": "/models", "slots": 2, "gpu": "off"}},
            experiments={
                "cough": experiment | {"task": "cough", "results_table": "r", "outputs": outputs},
                "fever": experiment | {"task": "fever", "results_table": "fever"},
            },
            evaluations={
                "gold": {
                    "cohort": "chest",
                    "file": str(folder / "gold.csv"),
                    "fields": ["response"],
                }
            },
            comparisons={"both": {"experiments": ["cough", "fever"]}},
        )

    def steps(self) -> dict[str, Callable[[], object]]:
        """The stages by name, in their order; each may be called again."""
        self._engines()
        return self._steps

    def through(self, last: str) -> Stages:
        """Run the stages until this one has run."""
        for name, step in self.steps().items():
            step()
            if name == last:
                break
        return self

    @property
    def config(self) -> Config:
        return read_config(yaml.safe_load(self.file.read_text()))

    @property
    def runs(self) -> list[Run]:
        return plan_runs(self.config)

    def command(self, *words: str) -> str:
        """What a command prints. Raises its one message as a NotemillError."""
        told = StringIO()
        with redirect_stdout(told), redirect_stderr(told):
            status = main([*words, "--configfile", str(self.file)])
        if status:
            what, where, remedy = re.split(r"\n  (?:where|what to do): ", told.getvalue())
            raise NotemillError(what, where=where, remedy=remedy)
        return told.getvalue()

    def rows(self) -> list[object]:
        """What the run came to: tables, files, and how often each text was asked."""
        columns = "visit, experiment, llm_response, llm_reason, status"
        tables = [
            self.clinic.rows("SELECT visit, experiment, llm_response, llm_reason FROM " + table)
            for table in ("r", "fever")
        ]
        failures = self.clinic.rows("SELECT visit, status FROM r_failures")
        of_file = json.loads(self.layout.report.with_name("report.json").read_text())
        answered = [each["answered"] for each in of_file["answers"]]
        files = []
        for line in (self.results / "outputs" / "answers.jsonl").read_text().splitlines():
            row = json.loads(line)
            files.append([row["visit"], row["llm_response"], row["status"]])
        return [columns, *map(sorted, tables), failures, answered, sorted(files)]

    def _work(self, run: Run, *, shards: bool) -> object:
        manifest = self.layout.manifest("chest", "cut-0002")
        names = [entry.name for entry in read_manifest(manifest).shards] if shards else []
        answers = [
            self.layout.answers("chest", run.experiment_id, "cut-0002", name) for name in names
        ]
        return load_of(run, self.config.experiments_table, "chest", manifest, shards=answers)

    def _extract(self) -> None:
        config, answers = self.config, JournaledAnswers(self.layout, "chest")
        extract(config.database, "chest", config.cohorts["chest"], self.layout, answers)

    def _model(self) -> None:
        values = {"digest": "d", "weights_sha256": "w", "recorded_at": "today"}
        record = ModelRecord(engine="ollama", model="m:1", **values)
        record.write(self.layout.model(self.runs[0].model_id))

    def _tables(self) -> None:
        for run in self.runs:
            done = prepare(self.config.database, self._work(run, shards=False))
            done.write(self.layout.tables("chest", run.experiment_id))

    def _pilot(self) -> None:
        for run in self.runs:
            run_pilots([self._job(run, "0000")])

    def _answer(self) -> None:
        for job in self.jobs():
            if not job.output.exists():
                answer_shards([job])

    def jobs(self) -> list[ShardJob]:
        """The jobs of all shards."""
        return [self._job(run, shard) for run in self.runs for shard in ("0000", "0001")]

    def _job(self, run: Run, shard: str) -> ShardJob:
        log = self.layout.log("answer", "chest", run.experiment_id, f"{shard}.engine")
        return ShardJob(run, self.layout, "chest", "cut-0002", shard, log, 1)

    def _load(self) -> None:
        config = self.config
        for run in self.runs:
            work = self._work(run, shards=True)
            done = deliver(config.database, work, self.layout, config.cohorts["chest"])
            done.write(self.layout.load("chest", run.experiment_id))

    def _evaluate(self) -> None:
        output = self.layout.evaluation("gold")
        runs = evaluated_runs(self.config, self.runs)["gold"]
        with last_one_kept(output):
            evaluate(self.config, "gold", runs).write(output)

    def _compare(self) -> None:
        output = self.layout.comparison("both")
        planned = planned_comparisons(self.config, self.runs)["both"]
        with last_one_kept(output, self.layout.flips("both")):
            compare(self.config, planned, {run.experiment_id: run for run in self.runs}).write(
                output
            )

    def _audit(self, step: str, *words: str) -> None:
        if step == "read":
            (sheet,) = self.results.rglob("sheets/ana.xlsx")
            filled = shutil.copy(sheet, self.file.with_name("ana.xlsx"))
            fill(Path(filled), RESPONSES.__getitem__)
            words = (filled,)
        self.command("audit", step, "chest", "cough", *map(str, words))
