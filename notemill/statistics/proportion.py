"""Shares: of notes that are independent, and of notes of which some are one patient's."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm

from notemill.statistics.clustering import worth
from notemill.statistics.figure import LEVEL, Figure, from_draws, undefined, widest


def share(k: float, n: float, *, why: str = "nothing to count") -> Figure:
    """k of n with Wilson's interval. why: told where n is 0."""
    return _share(k, n, n, why)


def clustered_share(
    hits: np.ndarray,
    sizes: np.ndarray,
    draws: np.ndarray,
    *,
    alike: np.ndarray | None = None,
    why: str = "nothing to count",
) -> Figure:
    """A share where notes of one cluster, a patient, are alike.

    hits, sizes: (clusters,), what counts and of how many in each; alike: how many clusters each
    stands for, one by default; draws: the share in each resampling of the clusters.
    The interval holds three: Wilson's of independent notes, so that
    naming patients never makes a figure look surer; the resamplings' quantiles; and Wilson's of as
    many independent notes as these are worth (`clustering.worth`), which holds where patients are
    few or no note differs and the resamplings tell too little. It is wide rather than narrow.
    """
    times = np.ones(len(hits)) if alike is None else alike
    k, n = float((times * hits).sum()), float((times * sizes).sum())
    if n == 0:
        return undefined(why)
    p = k / n
    of_clusters = _share(k, n, worth(hits, sizes, p * (1 - p), alike=alike), why)
    return widest([share(k, n), of_clusters, from_draws(p, draws, n)])


def _share(k: float, n: float, tells: float, why: str) -> Figure:
    """k of n with the interval of k / n in `tells` independent notes, not necessarily whole ones.

    Wilson, J Am Stat Assoc 1927;22:209-212.
    """
    if n == 0:
        return undefined(why)
    z = norm.ppf((1 + LEVEL) / 2)
    p = k / n
    middle = (tells * p + z**2 / 2) / (tells + z**2)
    half = z / (tells + z**2) * math.sqrt(tells * p * (1 - p) + z**2 / 4)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Figure(value=p, low=min(low, p), high=max(high, p), n=n)
