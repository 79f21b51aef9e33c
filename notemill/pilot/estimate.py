"""What a cohort will cost, from what a pilot measured: GPU hours and wall time, with a range.

A job keeps all slots of its engine busy, so its time is its texts times the seconds that the engine
needs for one: `text_s`, the inverse of texts a second. The pilot gives them for its own texts
(notemill.pilot.rate), a random sample of one shard; the range says what another sample could have
given. Added for each job: the engine's start, Snakemake's own, and the slots that are not yet or no
longer busy at its ends.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from notemill.answers.verdict import Status
from notemill.pilot.rate import Rate, rate_at
from notemill.pilot.record import PilotRecord

SNAKEMAKE_S = 5.0
"""Of each job: three interpreters start and end around the script."""


class ShardCount(NamedTuple):
    """A shard's distinct texts, and how many of them need not be asked any more."""

    name: str
    texts: int
    answered: int = 0

    @property
    def left(self) -> int:
        return max(self.texts - self.answered, 0)


class Range(NamedTuple):
    """An expected value, and the 95 % range around it."""

    expected: float
    low: float
    high: float


@dataclass(frozen=True)
class CantTell:
    """Why there is no estimate."""

    why: str


@dataclass(frozen=True)
class Estimate:
    """What asking a cohort takes.

    slots: for which it holds; rate: seconds that an engine with them needs for a text, and their
    range. whole_hours, left_hours: of all jobs together, over the whole cohort and over what is
    left of it, for each of their gpus_a_job; of jobs that ask several tasks this one's part.
    wall_s: with `gpus` jobs at once, waiting in a queue left out; rounds: of jobs, one after the
    other on the GPU that has most. shard_minutes: of each shard's job, by its name, of those that
    have texts left. start_s: of each job, what is not asking. askings: of all tasks of a job, for
    each text of this one. remarks: what makes it less certain.
    """

    slots: int
    rate: Rate
    texts: int
    texts_left: int
    whole_hours: Range
    left_hours: Range
    gpus: int
    gpus_a_job: int
    jobs: int
    rounds: int
    wall_s: Range
    shard_minutes: dict[str, float]
    start_s: float
    askings: float
    remarks: tuple[str, ...]

    @property
    def longest_minutes(self) -> float:
        """Of the longest shard's job, 0 if nothing is left."""
        return max(self.shard_minutes.values(), default=0.0)


def estimate(
    record: PilotRecord,
    shards: Sequence[ShardCount],
    *,
    gpus: int | None = None,
    slots: int | None = None,
) -> Estimate | CantTell:
    """What the cohort's shards take.

    gpus: that are had at once, by default what the pilot's profile allows, or 1. slots: that the
    jobs will have, by default what the pilot says.
    """
    if not any(shard.texts for shard in shards):
        return CantTell("the cohort has no text to ask about")
    if why := _nothing_measured(record):
        return CantTell(why)
    cohort_texts = sum(shard.texts for shard in shards)
    rate = rate_at(record, slots or record.slots, cohort_texts)
    if isinstance(rate, str):
        return CantTell(rate)
    starts_s = record.ready_s * max(len(record.classes), 1)  # an engine for each class
    askings = record.askings
    start_s = starts_s + SNAKEMAKE_S + rate.waited_s * askings
    left = [(shard.name, shard.left) for shard in shards if shard.left]
    a_job = record.servers if record.gpu not in ("CPU", "address") else 1
    at_once = max((gpus or record.gpus or 1) // a_job, 1)

    def over(texts: Sequence[int]) -> list[list[float]]:
        """Seconds of jobs with so many texts: expected, low, high."""
        return [[count * askings * text_s + start_s for count in texts] for text_s in rate.text_s]

    every = over([shard.texts for shard in shards if shard.texts])
    jobs = over([count for _, count in left])
    schedules = [_schedule(seconds, at_once) for seconds in jobs]
    return Estimate(
        slots=rate.slots,
        rate=rate,
        texts=cohort_texts,
        texts_left=sum(count for _, count in left),
        whole_hours=Range(*(a_job * math.fsum(seconds) / askings / 3600 for seconds in every)),
        left_hours=Range(*(a_job * math.fsum(seconds) / askings / 3600 for seconds in jobs)),
        gpus=at_once,
        gpus_a_job=a_job,
        jobs=len(left),
        rounds=schedules[0].rounds,
        wall_s=Range(*(schedule.seconds for schedule in schedules)),
        shard_minutes={
            name: seconds / 60 for (name, _), seconds in zip(left, jobs[0], strict=True)
        },
        start_s=start_s,
        askings=askings,
        remarks=(*rate.remarks, *_shared(record)),
    )


def _shared(record: PilotRecord) -> Iterator[str]:
    if record.askings > 1:
        yield (
            f"its jobs ask other tasks too: the hours are this task's {1 / record.askings:.0%} of "
            "theirs, and add up over the tasks; wall time and run time are of the whole jobs"
        )


class _Schedule(NamedTuple):
    seconds: float
    rounds: int


def _schedule(jobs: Sequence[float], gpus: int) -> _Schedule:
    """Whole jobs in their order, each on the GPU that is free first."""
    free = [(0.0, 0)] * min(gpus, len(jobs))
    for seconds in jobs:
        at, number = free[0]
        heapq.heapreplace(free, (at + seconds, number + 1))
    return _Schedule(
        max((at for at, _ in free), default=0.0), max((number for _, number in free), default=0)
    )


def _nothing_measured(record: PilotRecord) -> str:
    """Why the pilot's texts say nothing of the cohort's, empty if they do."""
    if not record.asked:
        if record.asked_before:
            return (
                f"the pilot found {record.asked_before} texts of its shard answered already and "
                "had none left to ask"
            )
        return "the pilot asked nothing"
    if not any(text.status == Status.ANSWERED for text in record.asked):
        return (
            f"none of the {len(record.asked)} texts that the pilot asked has a valid answer: mend "
            "that first"
        )
    return ""
