"""What a pilot measured. Numbers, hashes and reasons; never a word of a note or an answer."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from notemill.answers.sweep import Sweep
from notemill.files import Record, read_json

GPUS_VARIABLE = "NOTEMILL_GPUS"
"""In a job's environment: GPUs that snakemake takes at once, empty if it was not told."""


class AskedText(BaseModel):
    """A text that the pilot asked, and how it ended (notemill.answers.outcome).

    characters: that are sent of the text; seconds: of all its attempts, waiting for a slot
    included; slots: that the engine had meanwhile, 0 if an earlier job asked it. drawn: whether it
    is one of the shard's first, a random sample; the others are its longest and shortest.
    """

    model_config = ConfigDict(frozen=True)

    text_sha256: str
    characters: int
    drawn: bool
    status: str
    detail: str
    attempts: int
    changes: str
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    slots: int


class ShardTexts(BaseModel):
    """The texts of the shard that the pilot took its own from: a random part of the cohort's.

    characters, squared_characters: sums over all its texts. beyond_context: texts whose prompt, by
    the measured tokens a character, leaves less than num_predict tokens of num_ctx; longest_prompt:
    tokens, by the same measure.
    """

    model_config = ConfigDict(frozen=True)

    texts: int
    characters: int
    squared_characters: int
    beyond_context: int
    longest_prompt: int


class ClassTexts(BaseModel):
    """A class of length as a job on the pilot's shard has it (notemill.answers.classes).

    context: tokens of each slot; texts, characters: of the shard, that are to be asked in it.
    """

    model_config = ConfigDict(frozen=True)

    context: int
    slots: int
    texts: int
    characters: int


class PilotRecord(Record):
    """What a pilot measured of one experiment over one cohort.

    gpu: its name, `CPU` without one; gpu_memory_mib: None where it can't be told. gpus: what the
    profile allows at once, None if it says nothing. slots: of the class that most texts are in:
    what answered most within `sweep`, or as configured. servers: of the job, each with so many;
    what was measured is all of them. classes: with texts, ascending; empty in records of before.
    num_ctx: the experiment's. ready_s: from an engine's start to its first note. journal_bytes: of
    a line in the journal, on average. asked_before: texts of the shard that the journal had
    already. askings: of all tasks of a job, for each of this one's: 1 where it is asked alone.
    settled: texts of the shard that the task's gate settled, which are not among shard_texts; gate:
    of each of its rules the texts of the shard that it settled, cut and let through; None without a
    gate.
    """

    experiment: str
    cohort: str
    model: str
    model_digest: str
    engine: str
    host: str
    gpu: str
    gpu_memory_mib: int | None
    gpus: int | None
    slots: int
    servers: int = 1
    sweep: Sweep
    ready_s: float
    shard: str
    shard_texts: ShardTexts
    asked_before: int
    asked: list[AskedText]
    classes: list[ClassTexts] = Field(default_factory=list)
    num_ctx: int | None = None
    askings: float = Field(1.0, ge=1)
    settled: int = 0
    gate: dict[str, dict[str, int]] | None = None
    journal_bytes: float
    notemill: str
    made_at: str
    seconds: float

    def slots_of(self, configured: int) -> int:
        """Slots with the sweep's context, where so many are configured: of num_ctx each."""
        context = self.sweep.context
        return configured * self.num_ctx // context if context and self.num_ctx else configured

    def configured_for(self, slots: int) -> int:
        """What to configure for so many slots with the sweep's context."""
        context = self.sweep.context
        return -(-slots * context // self.num_ctx) if context and self.num_ctx else slots


def settled_share(record: PilotRecord) -> float:
    """The share of the shard's texts that the gate settled, as it may be of all texts."""
    texts = record.settled + record.shard_texts.texts
    return record.settled / texts if texts else 0.0


def read_pilot(path: Path) -> PilotRecord:
    """Read a pilot's record. Raises NotemillError if it is not one."""
    return read_json(
        PilotRecord,
        path,
        problem="this is no pilot's record",
        remedy="delete it and run `snakemake pilot` with your profile: no answered note is asked "
        "again",
    )
