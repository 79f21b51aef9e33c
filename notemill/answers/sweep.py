"""What was measured by numbers of slots on a kind of GPU (notemill.answers.measuring)."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from notemill.files import Record, read_json

EVENED_FROM = 8
"""Texts of a step from which it is compared with others (notemill.answers.measuring)."""


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


class Sweep(Record):
    """All steps on one kind of GPU, in their order, and why there was no further one.

    best: slots that answered most, None when nothing could be told.
    """

    gpu: str
    steps: list[Step]
    best: int | None
    ended: str
    measured_at: str


def read_sweep(path: Path) -> Sweep:
    """Read a sweep. Raises NotemillError if it is not one."""
    return read_json(
        Sweep,
        path,
        problem="this is no sweep over numbers of slots",
        remedy="delete it and run again: it is measured anew while texts are answered",
    )
