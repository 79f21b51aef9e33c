"""A count as the report shows it, and the base of everything in report.json."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, model_validator


class Part(BaseModel):
    """A part of report.json: made once, never changed."""

    model_config = ConfigDict(frozen=True)


class Count(Part):
    """How many notes, or texts. Where low < high, the true count is one of low to high.

    A cell that is small (1 to smallest_cell - 1) is told as just that range. Another is told as a
    range where the exact one, with a total, would give a small one away (docs/report.md).
    """

    low: int
    high: int

    @model_validator(mode="after")
    def _in_order(self) -> Count:
        if not 0 <= self.low <= self.high:
            raise ValueError("a count from low to high")
        return self

    @property
    def exact(self) -> bool:
        """Whether the count itself is told."""
        return self.low == self.high

    @property
    def middle(self) -> float:
        """What a plot draws."""
        return (self.low + self.high) / 2


class Named(Part):
    """A name with its count, such as a class of a choice field with the notes that have it."""

    name: str
    count: Count


def exactly(count: int) -> Count:
    """A count that is told as it is."""
    return Count(low=count, high=count)


def added(counts: Sequence[Count]) -> Count:
    """Counts of notes that have nothing in common."""
    return Count(low=sum(each.low for each in counts), high=sum(each.high for each in counts))
