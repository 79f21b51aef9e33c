"""A figure as it is published: a value, its 95 % interval, and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

LEVEL = 0.95
"""Of every interval."""
DRAWS = 4_000
"""From which the quantiles of an interval are taken where it has no formula."""


class Figure(BaseModel):
    """A measured value. low, high: its 95 % interval; n: what it was counted over.

    why: why value or interval can't be told, empty where they can.
    """

    model_config = ConfigDict(frozen=True)

    value: float | None
    low: float | None = None
    high: float | None = None
    n: float = 0
    why: str = ""

    @model_validator(mode="after")
    def _what_is_not_told_has_a_reason(self) -> Figure:
        told = (self.value, self.low, self.high)
        if None in told and not self.why:
            raise ValueError("a figure that is not told says why")
        if any(number is not None and not math.isfinite(number) for number in told):
            raise ValueError("a figure is a finite number")
        return self


def undefined(why: str, n: float = 0) -> Figure:
    """A figure that can't be told, such as a sensitivity where nothing is positive."""
    return Figure(value=None, n=n, why=why)


def from_draws(value: float, draws: np.ndarray, n: float) -> Figure:
    """A figure whose interval are the quantiles of draws, widened to hold the value itself.

    Draws that are not defined (NaN) are left out; the interval is left out where half of them are.
    """
    known = draws[np.isfinite(draws)]
    if len(known) * 2 < len(draws):
        return Figure(value=value, n=n, why="too few notes for an interval")
    low, high = quantiles(known)
    return Figure(value=value, low=min(low, value), high=max(high, value), n=n)


def quantiles(draws: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of draws."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def widest(figures: Sequence[Figure]) -> Figure:
    """The first figure with the interval that holds all of theirs."""
    first = figures[0]
    intervals = [(f.low, f.high) for f in figures if f.low is not None and f.high is not None]
    if first.value is None or not intervals:
        return first
    low, high = min(low for low, _ in intervals), max(high for _, high in intervals)
    return Figure(value=first.value, low=low, high=high, n=first.n)
