"""Two experiments on the same notes."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

from notemill.statistics.figure import Figure, from_draws, undefined, widest
from notemill.statistics.resampling import redrawn, resampled


def mcnemar(only_first: int, only_second: int) -> float | None:
    """Exact two-sided p of McNemar's test, by the notes that one of the two alone has right.

    None where there is no such note, and so nothing to test.
    """
    n = only_first + only_second
    return float(binomtest(only_first, n, 0.5).pvalue) if n else None


def difference(
    both: int,
    only_first: int,
    only_second: int,
    neither: int,
    *,
    clusters: np.ndarray | None = None,
    seed: int = 1,
) -> Figure:
    """How much larger the second's share is than the first's, of the same notes.

    clusters: (patients, 4), the four counts of each, which add up to these.
    """
    counts = np.array([both, only_first, only_second, neither])
    if not counts.sum():
        return undefined("no note in common")
    value = (only_second - only_first) / counts.sum()
    figures = [from_draws(value, _of(redrawn(counts, seed)), float(counts.sum()))]
    if clusters is not None:
        figures.append(from_draws(value, _of(resampled(clusters, seed)), float(counts.sum())))
    return widest(figures)


def _of(draws: np.ndarray) -> np.ndarray:
    result: np.ndarray = (draws[:, 2] - draws[:, 1]) / draws.sum(-1)
    return result
