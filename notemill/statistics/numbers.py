"""Numbers against right numbers: how far off they are, and how many are near enough."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from notemill.statistics.figure import Figure


class NumbersCounted(BaseModel):
    """Shares under one way to count notes without an answer. within: the tolerance."""

    model_config = ConfigDict(frozen=True)

    within: Figure
    exact: Figure


class MeasuredNumbers(BaseModel):
    """Figures of a number.

    n: notes; clusters: patients or texts, 0 where each note was taken as independent; coverage:
    the share with an answer. absolute_error, bias (answer - right value): means over the notes
    whose answer and right value are both numbers, with intervals.
    """

    model_config = ConfigDict(frozen=True)

    n: int
    clusters: int
    tolerance: float
    coverage: Figure
    absolute_error: Figure
    bias: Figure
    answered: NumbersCounted
    all: NumbersCounted
