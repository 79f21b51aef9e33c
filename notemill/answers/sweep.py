"""What was measured by numbers of slots on a kind of GPU (notemill.answers.measuring)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from notemill.files import Record, read_json

EVENED_FROM = 8
"""Texts of a step from which it is compared with others (notemill.answers.measuring)."""
AS_GOOD = 0.97
"""Of the fastest step: fewer slots that do so much are taken, they need less memory."""

_MOST_PER_S, _HALF_OF_ALL = 8.0, 8
"""Texts a second of a fast GPU, and slots with which it does half of that: an 8B model on a model
of an L40S with short answers (benchmarks.classes)."""


class Step(BaseModel):
    """One number of slots, and what an engine with so many did.

    texts, seconds: ended in its steady part, and how long that was; tokens: of prompts and answers
    in it. even_per_s: texts a second, if its texts had been the sweep's average ones. ready_s: from
    the engine's start to its first note. watts: mean draw of the GPU, None where it can't be told.
    why_not: why so many slots could not be had, empty if they could.
    """

    model_config = ConfigDict(frozen=True)

    slots: int
    texts: int = 0
    tokens: int = 0
    seconds: float = 0.0
    even_per_s: float = 0.0
    ready_s: float = 0.0
    watts: float | None = None
    why_not: str = ""

    @property
    def texts_per_s(self) -> float:
        """Texts ended a second, 0 if none were."""
        return self.texts / self.seconds if self.seconds else 0.0

    @property
    def rate(self) -> float:
        """Texts a second to compare it by: at the average text, 0 if it could not be had."""
        return 0.0 if self.why_not else self.even_per_s or self.texts_per_s


def compared(steps: Iterable[Step]) -> list[Step]:
    """The steps that could be had and have enough texts to be compared."""
    return [step for step in steps if step.texts >= EVENED_FROM and step.rate]


def fewest_of_fastest(steps: Iterable[Step]) -> Step | None:
    """Of the steps that are compared the one to take, None if there are none."""
    told = compared(steps)
    fastest = max((step.rate for step in told), default=0.0)
    good = (step for step in told if step.rate >= AS_GOOD * fastest)
    return min(good, key=lambda step: step.slots, default=None)


class TokensOfBytes(BaseModel):
    """What a text's prompt takes: tokens around any text, and tokens a byte (UTF-8) of it."""

    model_config = ConfigDict(frozen=True)

    around: float
    per_byte: float

    def needed(self, size: float, num_predict: int) -> float:
        """Tokens of context that a text of so many bytes needs with its answer."""
        return self.around + self.per_byte * size + num_predict


def unmeasured_rate(slots: int) -> float:
    """Average texts a second, as far as one knows without a measure: of a fast GPU."""
    return _MOST_PER_S * slots / (slots + _HALF_OF_ALL)


class Sweep(Record):
    """All steps on one kind of GPU, in their order, and why there was no further one.

    best: slots that answered most, None when nothing could be told. context: tokens of each slot,
    None for the experiment's num_ctx. tokens: of the texts that it asked, None for too few.
    """

    gpu: str
    steps: list[Step]
    best: int | None
    ended: str
    measured_at: str
    context: int | None = None
    tokens: TokensOfBytes | None = None

    def slots_at(self, context: int, num_ctx: int) -> int | None:
        """The best number that is sure to be had with this context.

        None where nothing could be told. Memory holds what the largest step had.
        """
        if self.best is None:
            return None
        had = max([self.best, *(step.slots for step in self.steps if not step.why_not)])
        return max(min(self.best, had * (self.context or num_ctx) // context), 1)

    @property
    def held_by_memory(self) -> bool:
        """Whether more slots were tried and could not be had."""
        return any(step.why_not for step in self.steps)

    def rate(self, slots: int) -> float:
        """Texts a second with so many slots: between two steps by their logarithms."""
        told = sorted((step.slots, step.rate) for step in compared(self.steps))
        if not told:
            return unmeasured_rate(slots)
        if slots < told[0][0]:
            return told[0][1] * unmeasured_rate(slots) / unmeasured_rate(told[0][0])
        below = max(step for step in told if step[0] <= slots)
        above = min((step for step in told if step[0] >= slots), default=below)
        if above[0] == below[0]:  # measured, or beyond what was
            return below[1]
        share = math.log(slots / below[0]) / math.log(above[0] / below[0])
        return float(below[1] ** (1 - share) * above[1] ** share)


def read_sweep(path: Path) -> Sweep:
    """Read a sweep. Raises NotemillError if it is not one."""
    return read_json(
        Sweep,
        path,
        problem="this is no sweep over numbers of slots",
        remedy="delete it and run again: it is measured anew while texts are answered",
    )
