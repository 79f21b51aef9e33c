"""Shares: of notes that are independent, and of notes of which some are one patient's."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

from notemill.statistics.figure import LEVEL, Figure, from_draws, undefined, widest


def share(k: float, n: float, *, why: str = "nothing to count") -> Figure:
    """k of n with Wilson's interval. why: told where n is 0."""
    if n == 0:
        return undefined(why)
    interval = binomtest(round(k), round(n)).proportion_ci(LEVEL, method="wilson")
    return Figure(value=k / n, low=float(interval.low), high=float(interval.high), n=n)


def clustered_share(
    k: float, n: float, draws: np.ndarray, clusters: int, *, why: str = "nothing to count"
) -> Figure:
    """k of n where notes of one cluster, a patient, are alike.

    draws: the share in each resampling of the clusters; clusters: that have any of the n. The
    interval is never narrower than of independent notes; where all or none count, so that every
    resampling is the same, it is Wilson's over the clusters.
    """
    alone = share(k, n, why=why)
    if n == 0:
        return alone
    if k in (0, n):
        of_clusters = share(clusters if k else 0, clusters)
        return Figure(value=k / n, low=of_clusters.low, high=of_clusters.high, n=n)
    return widest([alone, from_draws(k / n, draws, n)])
