"""What a repeat comes to. Numbers and choices of the schema; never a word of a note."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from notemill.comparison.record import FieldKind
from notemill.comparison.repeat_settings import REMEDY, RepeatSettings
from notemill.files import Record, read_json
from notemill.statistics.figure import Figure


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


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


def read_repeat(path: Path) -> RepeatRecord:
    """Read a repeat's record. Raises NotemillError if it is not one."""
    return read_json(
        RepeatRecord,
        path,
        problem="this is no repeat's record",
        remedy=REMEDY,
    )
