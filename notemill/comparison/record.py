"""What a comparison and a repeat come to. Numbers, choices of the schema, and what was asked.

Never a word of a note, nor an answer that is no choice of its schema. A comparison's notes that
flip stand beside it, in a file of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from notemill.answers.experiment_record import Asked
from notemill.comparison.repeat_settings import REMEDY, RepeatSettings
from notemill.files import Record, read_json
from notemill.statistics.agreement import Agreement, ClassDifference
from notemill.statistics.figure import Figure

FieldKind = Literal["choices", "number", "items", "text"]
"""text: free text and whatever else; of it is told alone whether it is the same."""
NO_ANSWER = "(no answer)"
"""The row and the column of notes without a valid answer, in every cross table the last."""
ANOTHER = "(another)"
"""An answer that is none of the choices that are known: of a schema that is not known any more."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Cost(_Part):
    """What an experiment's answers over the cohort took, all jobs and repeated ones together.

    jobs: that its shards took; job_seconds: their wall time added up, each holds a GPU where there
    is one; tokens: of prompts and answers in all attempts; asked: texts, again after a failure too.
    notes_per_s: notes of all texts asked in a second of a job; coverage: notes with a valid answer
    of those with a text. gpus: kinds that are known, of the pilot; slots: that the last jobs had.
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
    only_first, only_second, neither: notes that are right. p: exact McNemar over notes, None where
    there is nothing to test.
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


class Change(_Part):
    """Texts that were answered one way and now another; was and now are equal where they stayed."""

    was: str
    now: str
    texts: int


class FieldRepeat(_Part):
    """One field, over all rounds: a text stays the same where every round gave its value again.

    same: of texts that were answered and are answered in every round; same_all: of texts that were
    answered, no answer being another one. changes: of choices alone, an asking each; the classes
    and NO_ANSWER.
    """

    field: str
    kind: FieldKind
    same: Figure
    same_all: Figure
    changes: list[Change]


class Round(_Part):
    """One asking of all texts, by an engine that was started for it. same: share of answered texts
    whose whole answer came again; tokens: of all attempts; seconds: wall time, the start too."""

    seed: int
    same: Figure
    answered: int
    failed: dict[str, int]
    engine: str
    tokens: int
    seconds: float
    began_at: str


class RepeatRecord(Record):
    """Some texts of a cohort asked again, when all were answered. The unit is the text.

    texts: that were asked again; of_texts: that the cohort has. same: texts whose whole answer
    came again in every round, of those that were answered and are answered in every round;
    same_all: of those that were answered. kept_status: of all texts, those that ended as before in
    every round. statuses: how texts ended before and in each asking. slots: now; slots_before:
    that the last jobs of the shards had. temperature: of the first attempt.
    """

    experiment: str
    cohort: str
    settings: RepeatSettings
    texts: int
    of_texts: int
    answered_before: int
    same: Figure
    same_all: Figure
    kept_status: Figure
    fields: list[FieldRepeat]
    statuses: list[Change]
    rounds: list[Round]
    temperature: float
    slots: int
    slots_before: list[int]
    gpu: str
    host: str
    model: str
    model_digest: str
    engines_before: list[str]
    notemill: str
    made_at: str
    seconds: float


def read_comparison(path: Path) -> ComparisonRecord:
    """Read a comparison's record. Raises NotemillError if it is not one."""
    return read_json(
        ComparisonRecord,
        path,
        problem="this is no comparison's record",
        remedy="delete it and run snakemake again with your profile",
    )


def read_repeat(path: Path) -> RepeatRecord:
    """Read a repeat's record. Raises NotemillError if it is not one."""
    return read_json(
        RepeatRecord,
        path,
        problem="this is no repeat's record",
        remedy=REMEDY,
    )
