"""What an evaluation came to: results/evaluations/NAME.json. No id, no note, no free text."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from notemill.evaluation.fields import FieldKind
from notemill.files import Record, read_json
from notemill.statistics.items import MeasuredItems
from notemill.statistics.measures import Measured
from notemill.statistics.numbers import MeasuredNumbers

__all__ = [
    "EarlierUse",
    "EvaluationRecord",
    "ExperimentEvaluated",
    "FieldEvaluated",
    "FieldKind",
    "GoldUsed",
    "PartEvaluated",
    "PartName",
    "PilotUse",
    "read_evaluation",
]

PartName = Literal["headline", "development", "without_pilot", "subgroup"]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class GoldUsed(_Told):
    """The gold as it was read.

    source: the file's path as configured, or the query. sha256: of the file's bytes; of a query,
    of its rows' values in an order of their own. rows: with an id; not_in_cohort: of them left
    out; notes: the others; texts, patients: how many distinct ones these have (patients: None
    where no column names them). blank: notes with nothing to ask about, which count as without an
    answer. split: notes by `development` and `test`, empty without a split.
    shared_with_development: test notes whose patient or text is among the development notes too,
    and so not unseen.
    """

    kind: Literal["file", "query"]
    source: str
    sha256: str
    rows: int
    not_in_cohort: int
    notes: int
    texts: int
    patients: int | None
    blank: int
    split: dict[str, int]
    shared_with_development: int = 0


class PartEvaluated(_Told):
    """A field's figures over a part of the gold's notes; one of choices, numbers, items is there.

    part: `headline` are the test notes where there is a split, else all; `without_pilot` the
    headline without notes whose text a pilot asked; `subgroup` the headline's notes whose
    `column` has this `value` (empty: no value). notes: with a label; blank: of them blank; settled:
    by the task's gate.
    """

    part: PartName
    column: str = ""
    value: str = ""
    notes: int
    texts: int
    blank: int
    settled: int = 0
    choices: Measured | None = None
    numbers: MeasuredNumbers | None = None
    items: MeasuredItems | None = None


class FieldEvaluated(_Told):
    """A field of the answer. column: of the gold; unlabelled: notes whose cell is empty, which are
    left out; parts: the headline first (development, where the test is held back). settled_as: what
    notes that the task's gate settled are taken for in figures of all notes; None: they have no
    answer there."""

    field: str
    column: str
    kind: FieldKind
    unlabelled: int
    settled_as: str | None = None
    parts: list[PartEvaluated]


class PilotUse(_Told):
    """What pilots of experiments of this name asked, this one's and earlier prompts'.

    pilots: how many there were; notes: of the gold's headline whose text one asked.
    """

    pilots: int
    notes: int


class EarlierUse(_Told):
    """An experiment that was held against these labels before. at: first, UTC."""

    experiment: str
    at: str


class ExperimentEvaluated(_Told):
    """An experiment's figures.

    experiment: its id; name: in the configuration. earlier: others of the same name, so earlier
    prompts, models or options, whose figures on these headline labels were seen before this one's
    were first; earlier_others: of other names. The labels did not stay unseen while the prompt
    changed where `earlier` is not empty.
    """

    experiment: str
    name: str
    first_evaluated_at: str
    pilot: PilotUse
    earlier: list[EarlierUse]
    earlier_others: list[EarlierUse]
    fields: list[FieldEvaluated]


class EvaluationRecord(Record):
    """results/evaluations/NAME.json.

    clustered_by: what notes are resampled by: patients where a column names them, else texts.
    headline: the notes that the first figures are of. level: of intervals; draws, seed: that they
    were taken from where they have no formula.
    """

    name: str
    cohort: str
    gold: GoldUsed
    headline: Literal["all", "test", "development"]
    clustered_by: Literal["patient", "text"]
    level: float
    draws: int
    seed: int
    evaluations_table: str | None
    evaluated_at: str
    seconds: float
    notemill: str
    experiments: list[ExperimentEvaluated]


def read_evaluation(path: Path) -> EvaluationRecord:
    """Read an evaluation's record. Raises NotemillError if it is not one."""
    return read_json(
        EvaluationRecord,
        path,
        problem="this is no evaluation's record",
        remedy="delete it and run snakemake with your profile: it is computed anew",
    )
