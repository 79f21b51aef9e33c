"""What an audit came to, as the report shows it: its design, agreement, and the cohort's figures.

Counts, names and figures; no word of a note, no answer of a single text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from notemill.files import Record, read_json
from notemill.statistics.figure import DRAWS, LEVEL, Figure
from notemill.statistics.strata import CohortFigures


class StratumDrawn(BaseModel):
    """A part of the cohort whose notes ended alike, and how many of its texts are read.

    answer: the model's, None where it gave none. settled: by the task's gate and not asked; answer
    is then what such notes are taken for in `all`, None: for notes without an answer. evidence:
    whether its quote was found in the note, None where the task has no evidence. notes, texts: of
    the whole stratum. drawn: texts that are read; certain: of them, those that so many notes have
    that they were taken for certain; shared: of them, read by all readers.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    answer: str | None
    evidence: Literal["found", "not_found"] | None
    notes: int
    texts: int
    drawn: int
    certain: int
    shared: int
    settled: bool = False


class AuditDesign(Record):
    """What was drawn, of which run, and how.

    choices: what a reader can say, in the schema's order, before `cannot_tell`. texts, notes: that
    were asked or settled by a gate; blank: notes that have no text and so are never drawn. read_by:
    texts that each reader gets. allocation: how the sizes came about, in words. notes_digest: of
    the cohort's manifest; answers_digest: sha256 over all texts and what the model said of each.
    """

    name: str
    cohort: str
    experiment: str
    field: str
    choices: list[str]
    cannot_tell: str
    readers: list[str]
    read_by: dict[str, int]
    seed: int
    allocation: str
    shared: float
    notes: int
    texts: int
    blank: int
    strata: list[StratumDrawn]
    notes_digest: str
    answers_digest: str
    drawn_at: str
    notemill: str


class BetweenReaders(BaseModel):
    """Two readers on the texts that both read, as they were drawn: not weighted.

    table: texts, a row each of `labels` by the first reader, a column each by the second.
    """

    model_config = ConfigDict(frozen=True)

    readers: tuple[str, str]
    labels: list[str]
    table: list[list[int]]
    agreement: Figure
    kappa: Figure
    ac1: Figure


class WithModel(BaseModel):
    """One reader and the model, before anything is settled: notes of the cohort, weighted.

    agreement: answered notes of which both say the same. texts: read; cannot_tell: of them.
    """

    model_config = ConfigDict(frozen=True)

    reader: str
    texts: int
    cannot_tell: int
    agreement: Figure


class StratumRead(StratumDrawn):
    """A stratum and what was found in it. truths: texts by their settled value, and cannot_tell."""

    truths: dict[str, int]
    cannot_tell: int


class Estimated(BaseModel):
    """The cohort's notes, weighted: each figure is of the notes that readers can tell."""

    model_config = ConfigDict(frozen=True)

    accuracy: Figure
    classes: list[CohortFigures]


class AuditEstimate(Record):
    """What the readings say of the whole cohort.

    adjudicated: texts that a third look settled. cannot_tell: the share of the cohort's notes that
    stay untold and are in no figure. answered: of answered notes; all: every note without an
    answer counts as wrong. accuracy_if_untold_wrong: as in `all`, were every untold note wrong too.
    draws: of each interval. remarks: what a reader of the figures must know besides.
    """

    design: AuditDesign
    strata: list[StratumRead]
    between_readers: list[BetweenReaders]
    with_model: list[WithModel]
    adjudicated: int
    cannot_tell: Figure
    answered: Estimated
    all: Estimated
    accuracy_if_untold_wrong: Figure
    draws: int = DRAWS
    level: float = LEVEL
    remarks: list[str]
    estimated_at: str
    notemill: str


ESTIMATE = "estimate.json"
"""In an audit's folder, once all is settled."""


def read_estimate(path: Path) -> AuditEstimate:
    """Read an audit's estimate. Raises NotemillError if it is not one."""
    return read_json(
        AuditEstimate,
        path,
        problem="this is no estimate of an audit",
        remedy="delete it and run `notemill audit read` again, which makes it anew",
    )
