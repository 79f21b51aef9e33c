"""Result shards over a clinic's cohort, written without an engine, and their load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.columns import answer_columns
from notemill.answers.grades import graded_by
from notemill.answers.outcome import Outcome
from notemill.answers.shard import ShardOrigin, write_answers
from notemill.clock import now
from notemill.config import Experiment, OpenAiEngine
from notemill.load.loader import load
from notemill.load.proof import Prover
from notemill.load.report import LoadReport
from notemill.load.work import Load
from notemill.notes.manifest import read_manifest
from notemill.notes.shard import Note, read_notes
from notemill.tasks.gate import Gated
from notemill.tasks.run import Run
from notemill.tasks.task import Task, read_task

from .conftest import Clinic

NAME, ID = "cough", "cough-0123456789ab"


def outcome(status: str, values: dict[str, Any]) -> Outcome:
    answer = values if status == "answered" else None
    detail = "" if answer else "response: missing"
    return Outcome(status, answer, detail, 1, "", 20, 10, 0.5, "small 1", now())


class Loads:
    """An experiment whose answers a test chooses, by the note's text.

    answer_to: the answer's fields for a text and the reason that `answer` was given.
    """

    def __init__(
        self,
        clinic: Clinic,
        task: Task,
        answer_to: Callable[[str, str], dict[str, Any]] = lambda text, reason: {
            "response": "yes",
            "reason": reason or f"of {text}",
        },
    ) -> None:
        self.clinic = clinic
        self.task = task
        self.answer_to = answer_to

    def answer(
        self, failed: dict[str, str] | None = None, *, reason: str = "", **changes: Any
    ) -> None:
        """Write all result shards: every text answered but those in `failed`, text to status."""
        cohort = changes.pop("cohort", "chest")
        manifest = read_manifest(self.clinic.manifest(cohort))
        columns = answer_columns(self.task, "llm_", manifest.id_columns)
        for entry in manifest.shards:
            path = self.clinic.layout.notes(cohort, self.clinic.cut(cohort), entry.name)
            notes = list(read_notes(path, manifest.id_columns, with_text=True))
            origin = ShardOrigin(
                **{
                    "cohort": cohort,
                    "shard": entry.name,
                    "experiment": ID,
                    "notes_digest": entry.digest,
                    "model_digest": "m" * 64,
                    "weights_sha256": "w" * 64,
                    "notemill": "0",
                    "notes": entry.notes,
                    "texts": entry.texts,
                    "failed": 0,
                    "asked": entry.texts,
                    "tokens": 30 * entry.texts,
                    "seconds": 2.0,
                    "jobs": 1,
                    "evidence": graded_by(self.task),
                    **changes,
                }
            )
            outcomes = {
                note.text_sha256.hex(): outcome(
                    (failed or {}).get(note.text or "", "answered"),
                    self.answer_to(note.text or "", reason),
                )
                for note in notes
            }
            out = self.shard(entry.name, cohort, origin.experiment)
            ids, evidence = manifest.id_columns, self.task.evidence
            gate = self.task.gate
            texts = {note.text_sha256.hex(): note.text or "" for note in notes}
            gated = {sha: gate.gated(text) for sha, text in texts.items()} if gate else {}
            outcomes = {sha: end for sha, end in outcomes.items() if not _settled(gated, sha)}
            write_answers(out, iter(notes), outcomes, ids, columns, origin, evidence, gate, gated)

    def notes(self, cohort: str = "chest") -> list[Note]:
        """All notes of the cohort, with their texts."""
        layout, cut = self.clinic.layout, self.clinic.cut(cohort)
        manifest = read_manifest(self.clinic.manifest(cohort))
        return [
            note
            for entry in manifest.shards
            for note in read_notes(
                layout.notes(cohort, cut, entry.name), manifest.id_columns, with_text=True
            )
        ]

    def shard(self, name: str, cohort: str = "chest", experiment: str = ID) -> Path:
        return self.clinic.layout.answers(cohort, experiment, self.clinic.cut(cohort), name)

    def work(self, cohort: str = "chest", experiment: str = ID, **changes: Any) -> Load:
        manifest = read_manifest(self.clinic.manifest(cohort))
        values = {"task": "cough", "engine": "e", "model": "m:1", "results_table": "answers"}
        name, _, fingerprint = experiment.rpartition("-")
        run = Run(
            name=name,
            experiment=Experiment.model_validate(values | changes),
            engine=OpenAiEngine(kind="openai", address="https://models.example/v1"),
            task=self.task,
            fingerprint=fingerprint,
            cohorts=[cohort],
        )
        return Load(
            run=run,
            experiments_table="experiments",
            manifest=manifest,
            shards=[self.shard(entry.name, cohort, experiment) for entry in manifest.shards],
        )

    def load(self, cohort: str = "chest", experiment: str = ID, **changes: Any) -> LoadReport:
        return load(self.clinic.database, self.work(cohort, experiment, **changes))


def _settled(gated: dict[str, Gated], sha: str) -> bool:
    return sha in gated and gated[sha].settled


def reopened(folder: Path) -> Loads:
    """The loads of a clinic that another process has set up."""
    return Loads(Clinic(folder), read_task(folder / "tasks", "cough"))


def compared_by_value(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables that are compared value by value from now on."""
    compared: list[str] = []
    whole = Prover._compare_values

    def watched(prover: Prover, table: Any, rows: Any, **options: Any) -> None:
        compared.append(table.name)
        whole(prover, table, rows, **options)

    monkeypatch.setattr(Prover, "_compare_values", watched)
    return compared
