"""What a comparison comes to. Numbers, choices of the schema, and what was asked.

Never a word of a note, nor an answer that is no choice of its schema. A comparison's notes that
flip stand beside it, in a file of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from notemill.answers.experiment_record import Asked
from notemill.files import Record, read_json
from notemill.statistics.agreement import Agreement, ClassDifference
from notemill.statistics.figure import Figure

FieldKind = Literal["choices", "number", "items", "text"]
"""text: free text, choices too many for a table, and whatever else; of these is told alone whether
they are the same."""
NO_ANSWER = "(no answer)"
"""The row and the column of notes without a valid answer, in every cross table the last."""
ANOTHER = "(another)"
"""An answer that is none of the choices that are known: of a schema that is not known any more."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Cost(_Part):
    """What an experiment's answers over the cohort took, all jobs and repeated ones together.

    job_seconds: wall time added up, each holds a GPU where there is one; tokens: of prompts and
    answers in all attempts; asked: texts, again after a failure too. notes_per_s: notes in a second
    of a job; coverage: notes with an answer. gpus: the pilot's; slots: that the last jobs had.
    """

    jobs: int
    job_seconds: float
    asked: int
    tokens: int
    tokens_per_note: float | None
    notes_per_s: float | None
    coverage: Figure
    gpus: list[str]
    slots: list[int]


class Side(_Part):
    """One of the two. asked: None where an older version of notemill did not keep it.

    name: of the experiment; engines: that answered, with their versions; failed: notes by status.
    """

    experiment: str
    name: str
    model: str
    model_digest: str
    engines: list[str]
    first_answer_at: str
    last_answer_at: str
    asked: Asked | None
    answered: int
    failed: dict[str, int]
    cost: Cost


class Difference(_Part):
    """What was asked otherwise. part: `system prompt`, `user prompt`, `schema`, `JSON schema`,
    `options` or `model`.

    diff: unified, as difflib writes it, the first experiment before the second; empty where equal.
    known: False where an older record says nothing of it.
    """

    part: str
    known: bool
    diff: str


class Flip(_Part):
    """Notes, and their distinct texts, that the first says one thing of and the second another."""

    first: str
    second: str
    notes: int
    texts: int


class Correctness(_Part):
    """Which of the two is right, on the notes that the gold has a value for.

    counting: `answered`, notes that both answered, or `all`, where no answer is wrong. first,
    second: accuracy; difference: second less first, patients (or texts) resampled. both,
    only_first, only_second, neither: notes that are right. p: exact McNemar over notes; where
    some are one patient's or text's, over these (`pairs.mcnemar_clustered`); None where there is
    nothing to test.
    """

    counting: Literal["answered", "all"]
    notes: int
    both: int
    only_first: int
    only_second: int
    neither: int
    first: Figure
    second: Figure
    difference: Figure
    p: float | None


class Gold(_Part):
    """By which right values. split: `test` where the gold has one, else empty.

    clusters: what is resampled, `patients` or `texts`, and how many there are.
    pilot_notes: notes among them whose text the pilot of either experiment showed.
    """

    evaluation: str
    split: str
    notes: int
    clusters_of: Literal["patients", "texts"]
    clusters: int
    pilot_notes: int


class ChoiceComparison(_Part):
    """Of a field with choices. labels: rows (the first) and columns (the second) of both tables,
    NO_ANSWER the last; table: notes; texts: distinct texts.

    answered: of notes that both answered; all: with every note that one of them has no answer to
    counted as one on which they do not agree.
    """

    labels: list[str]
    table: list[list[int]]
    texts: list[list[int]]
    answered: Agreement
    all: Agreement
    classes: list[ClassDifference]
    flips: list[Flip]


class NumberComparison(_Part):
    """Of a number, on notes that have one from both. difference: mean of second less first;
    absolute: mean without its sign; within: share that differ by no more than `tolerance`."""

    tolerance: float
    difference: Figure
    absolute: Figure
    within: Figure


class ItemsComparison(_Part):
    """Of a list. overlap: items that both have of all that either has, over all notes."""

    overlap: Figure


class FieldComparison(_Part):
    """One field of the answer. kind says which of choices, numbers and items is there.

    same: share of notes with the very same value (lists: in any order) of those that both
    answered; same_all: of those with a text, where a note that one has no answer to is not the
    same. correctness: only with an evaluation that has the field.
    """

    field: str
    kind: FieldKind
    same: Figure
    same_all: Figure
    choices: ChoiceComparison | None = None
    numbers: NumberComparison | None = None
    items: ItemsComparison | None = None
    correctness: list[Correctness] = []


class NotCompared(_Part):
    """A field that is left out, and why."""

    field: str
    why: str


class ComparisonRecord(Record):
    """Two experiments over one cohort. notes: with a text, which all figures are of; texts: of
    them distinct, which are resampled for the intervals.

    flips: the private file with the ids of notes whose answers differ, beside this one, and
    flipped: how many notes are in it. seed, draws: of the intervals. gold: None without.
    remarks: what a reader has to know.
    """

    name: str
    cohort: str
    cut: str
    notes: int
    texts: int
    first: Side
    second: Side
    differences: list[Difference]
    both_answered: int
    only_first_answered: int
    only_second_answered: int
    neither_answered: int
    fields: list[FieldComparison]
    not_compared: list[NotCompared]
    gold: Gold | None
    flips: str
    flipped: int
    remarks: list[str]
    seed: int
    draws: int
    notemill: str
    made_at: str


def read_comparison(path: Path) -> ComparisonRecord:
    """Read a comparison's record. Raises NotemillError if it is not one."""
    return read_json(
        ComparisonRecord,
        path,
        problem="this is no comparison's record",
        remedy="delete it and run snakemake again with your profile",
    )
