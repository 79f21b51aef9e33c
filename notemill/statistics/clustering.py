"""How much notes tell of which some are one patient's, or have the same text."""

from __future__ import annotations

import numpy as np
from scipy.stats import t

from notemill.statistics.figure import LEVEL


def worth(
    totals: np.ndarray, sizes: np.ndarray, variance: float, *, alike: np.ndarray | None = None
) -> float:
    """How many independent notes would tell as much of a mean; never more than there are.

    totals, sizes: (clusters,), what is averaged and the notes of each; variance: of one note, were
    all independent; alike: (clusters,), how many each stands for, one by default. That is
    n / design effect, which is how much larger the variance between clusters makes the mean's, and
    less where few clusters tell it (Korn and Graubard, Survey Methodology 1998;24:193-201; clusters
    of unlike sizes count as (sum m)^2 / sum m^2). Where notes don't vary, nothing tells the design
    effect: notes of a cluster count as one.
    """
    sizes = sizes.astype(float)
    times = np.ones(len(sizes)) if alike is None else alike.astype(float)
    n = (times * sizes).sum()
    there = int(times[sizes > 0].sum())
    clusters = n**2 / (times * sizes**2).sum()
    if variance <= 0:
        return float(clusters)
    if there == n:
        return float(n)
    if there < 2:
        return 0.0
    rest = totals - (times * totals).sum() / n * sizes
    between = there / (there - 1) * (times * rest**2).sum() / n**2
    effect = max(1.0, between * (n - 1) / variance)
    upper = (1 + LEVEL) / 2
    few = (t.ppf(upper, n - 1) / t.ppf(upper, max(clusters - 1, 0.1))) ** 2
    return float(n / effect * few)
