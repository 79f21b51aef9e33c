"""Two experiments on the same notes."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

from notemill.statistics.clustering import worth
from notemill.statistics.figure import Figure, from_draws, undefined, widest
from notemill.statistics.resampling import redrawn, resampled


def mcnemar(only_first: int, only_second: int) -> float | None:
    """Exact two-sided p of McNemar's test, by the notes that one of the two alone has right.

    None where there is no such note, and so nothing to test. Notes are taken as independent: of
    notes of which some are one patient's, or one text's, p is too small.
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

    clusters: (patients, 4), the four counts of each, which add up to these. The interval holds
    that of independent notes, that of patients resampled, and that of as many independent notes as
    these are worth (`clustering.worth`).
    """
    counts = np.array([both, only_first, only_second, neither], float)
    n = float(counts.sum())
    if not n:
        return undefined("no note in common")
    value = (only_second - only_first) / n
    figures = [from_draws(value, _of(redrawn(counts, seed)), n)]
    if clusters is not None and len(clusters):
        variance = (only_first + only_second) / n - value**2
        tells = worth(clusters[:, 2] - clusters[:, 1], clusters.sum(-1), variance)
        figures += [
            from_draws(value, _of(redrawn(counts * (tells / n), seed)), n),
            from_draws(value, _of(resampled(clusters, seed)), n),
        ]
    return widest(figures)


def _of(draws: np.ndarray) -> np.ndarray:
    result: np.ndarray = (draws[:, 2] - draws[:, 1]) / draws.sum(-1)
    return result
