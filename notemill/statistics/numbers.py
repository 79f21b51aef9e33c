"""Numbers against right numbers: how far off they are, and how many are near enough."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from notemill.statistics.figure import Figure
from notemill.statistics.grouped import Grouped


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


def near(off: np.ndarray, tolerance: float) -> np.ndarray:
    """Which differences are within a tolerance: 0.3 is within 0.1 of 0.2, whatever floats say."""
    within: np.ndarray = np.abs(off) <= tolerance + 1e-9 * max(1.0, tolerance)
    return within


def measured_numbers(
    right: np.ndarray,
    said: np.ndarray,
    answered: np.ndarray,
    *,
    tolerance: float = 0.0,
    clusters: np.ndarray | None = None,
    seed: int = 1,
) -> MeasuredNumbers:
    """The figures of numbers, a note a place in each array.

    right, said: NaN for "no number", which is right where both say so; answered: whether there is
    an answer at all. clusters: whose note it is, as whole numbers; None where all notes are
    independent.
    """
    both = answered & np.isfinite(right) & np.isfinite(said)
    neither = answered & np.isnan(right) & np.isnan(said)
    off = np.where(both, said, 0.0) - np.where(both, right, 0.0)
    sums = Grouped(
        clusters,
        {
            "notes": np.ones(len(right)),
            "answered": answered,
            "both": both,
            "error": np.abs(off),
            "off": off,
            "within": neither | (both & near(off, tolerance)),
            "exact": neither | (both & (off == 0)),
        },
        seed,
    )

    def counted(of: str, why: str) -> NumbersCounted:
        return NumbersCounted(
            within=sums.share("within", of, why), exact=sums.share("exact", of, why)
        )

    no_pair = "no note has a number as its label and as its answer"
    return MeasuredNumbers(
        n=len(right),
        clusters=sums.clusters,
        tolerance=tolerance,
        coverage=sums.share("answered", "notes", "no note has a label"),
        absolute_error=sums.mean("error", "both", no_pair, positive=True),
        bias=sums.mean("off", "both", no_pair),
        answered=counted("answered", "no answer"),
        all=counted("notes", "no note has a label"),
    )
