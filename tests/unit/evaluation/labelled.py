"""A clinic whose notes are answered as a test chooses, and gold labels of them in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from notemill.config import Config, read_config
from notemill.evaluation.evaluate import evaluate
from notemill.evaluation.record import (
    EvaluationRecord,
    ExperimentEvaluated,
    FieldEvaluated,
    PartEvaluated,
)
from notemill.paths import Layout
from tests.unit.conftest import Clinic, write_task
from tests.unit.loads import ID, Loads

SCHEMA = """
from typing import Annotated, Literal

from pydantic import BaseModel, Field


class Answer(BaseModel):
    response: Literal["yes", "no"] | None
    seen: bool
    age: Annotated[int, Field(ge=0, le=120)] | None
    findings: list[str]
    day: Annotated[str, Field(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None
    reason: str
"""
ANSWER = {
    "response": "yes",
    "seen": True,
    "age": 40,
    "findings": ["cough"],
    "day": "2024-03-31",
    "reason": "because",
}


class Labelled:
    """A cohort `chest` with id column `visit`, its answers, and evaluations of them.

    notes: text by id; answers: what differs from ANSWER by text, or a status that is a failure.
    """

    def __init__(
        self,
        clinic: Clinic,
        notes: Mapping[Any, str | None],
        answers: Mapping[str, dict[str, Any] | str] | None = None,
        *,
        shards: int = 2,
    ) -> None:
        self.clinic = clinic
        self.shards = shards
        clinic.fill(*notes.items())
        clinic.extract(shards=shards)
        self.task = write_task(clinic.folder / "tasks", SCHEMA)
        self.answered(answers or {})

    def answered(
        self, answers: Mapping[str, dict[str, Any] | str], *, experiment: str = ID
    ) -> None:
        """Write the result shards of an experiment."""

        def answer_to(text: str, _: str) -> dict[str, Any]:
            told = answers.get(text, {})
            return ANSWER | (told if isinstance(told, dict) else {})

        failed = {text: status for text, status in answers.items() if isinstance(status, str)}
        self.loads = Loads(self.clinic, self.task, answer_to)
        self.loads.answer(failed, experiment=experiment)

    def gold(self, text: str | bytes, name: str = "gold.csv") -> Path:
        """Write a gold file."""
        path = self.clinic.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def config(self, **evaluation: Any) -> Config:
        """A configuration with one evaluation, `gold`."""
        values = {"cohort": "chest", "fields": ["response"], **evaluation}
        if "query" not in values:
            values.setdefault("file", str(self.clinic.folder / "gold.csv"))
        cohort = {
            "query": "SELECT visit, note FROM notes",
            "id_columns": ["visit"],
            "text_column": "note",
            "shards": self.shards,
        }
        experiment = {"task": "cough", "engine": "e", "model": "m:1", "results_table": "answers"}
        return read_config(
            {
                "results": str(self.clinic.layout.results),
                "tasks": str(self.clinic.folder / "tasks"),
                "database": {"url": self.clinic.database.url},
                "cohorts": {"chest": cohort},
                "engines": {"e": {"kind": "openai", "address": "https://models.example/v1"}},
                "experiments": {"cough": experiment},
                "evaluations": {"gold": values},
            }
        )

    def evaluate(
        self, *, experiments: Sequence[str] = (ID,), **evaluation: Any
    ) -> EvaluationRecord:
        """Evaluate experiments by their ids, and write the record where the rule does."""
        runs = [self.loads.work(experiment=each).run for each in experiments]
        record = evaluate(self.config(**evaluation), "gold", runs)
        record.write(Layout(self.clinic.layout.results).evaluation("gold"))
        return record

    def field(self, *, experiments: Sequence[str] = (ID,), **evaluation: Any) -> FieldEvaluated:
        """The only field of the only experiment."""
        (experiment,) = self.evaluate(experiments=experiments, **evaluation).experiments
        (field,) = experiment.fields
        return field


def headline(field: FieldEvaluated) -> PartEvaluated:
    return field.parts[0]


def part(field: FieldEvaluated, name: str, column: str = "", value: str = "") -> PartEvaluated:
    """The one part of this name."""
    (found,) = [p for p in field.parts if (p.part, p.column, p.value) == (name, column, value)]
    return found


def of(record: EvaluationRecord, experiment: str = ID) -> ExperimentEvaluated:
    (found,) = [each for each in record.experiments if each.experiment == experiment]
    return found


def csv_of(header: str, rows: Sequence[Sequence[Any]]) -> str:
    """A CSV of plain cells."""
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"
