"""Sums over notes, of which some are one patient's, and shares and means of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

import numpy as np
from scipy.stats import t

from notemill.statistics.figure import LEVEL, Figure, from_draws, undefined, widest
from notemill.statistics.proportion import clustered_share, share
from notemill.statistics.resampling import resampled


class Grouped:
    """Columns of numbers, one a note, that are summed by cluster and resampled by it.

    clusters: whose note it is, as whole numbers; None where all notes are independent.
    """

    def __init__(
        self, clusters: np.ndarray | None, columns: Mapping[str, np.ndarray], seed: int
    ) -> None:
        values = [np.asarray(column, float) for column in columns.values()]
        self._places = {name: place for place, name in enumerate(columns)}
        self._seed = seed
        self._clustered = clusters is not None
        if clusters is None:
            self._sums = np.stack(values, axis=-1)
        else:
            which = np.unique(clusters, return_inverse=True)[1]
            self._sums = np.stack([np.bincount(which, weights=each) for each in values], axis=-1)

    @property
    def clusters(self) -> int:
        """Clusters, 0 where all notes are independent."""
        return len(self._sums) if self._clustered else 0

    @cached_property
    def _draws(self) -> np.ndarray:
        return resampled(self._sums, self._seed)

    def share(self, k: str, n: str, why: str) -> Figure:
        """The sum of k in that of n, of which it is a part. why: told where n is 0."""
        over, under = self._sums[:, self._places[k]], self._sums[:, self._places[n]]
        if not self._clustered or not under.any():
            return share(over.sum(), under.sum(), why=why)
        having = int((under > 0).sum())
        return clustered_share(over.sum(), under.sum(), self._drawn(k, n), having, why=why)

    def mean(self, value: str, n: str, why: str, *, least: float = -math.inf) -> Figure:
        """The sum of a value in the number n, with an interval that is no narrower than Student's.

        least: that it can't be below. why: told where n is 0.
        """
        values, counts = self._sums[:, self._places[value]], self._sums[:, self._places[n]]
        total, clusters = float(counts.sum()), int((counts > 0).sum())
        if not total:
            return undefined(why)
        mean = float(values.sum() / total)
        residuals = values - mean * counts
        if clusters < 2 or np.allclose(residuals, 0, atol=1e-12):
            alike = "all are alike" if clusters > 1 else "too few notes for an interval"
            return Figure(value=mean, n=total, why=alike)
        error = math.sqrt(clusters / (clusters - 1) * float((residuals**2).sum())) / total
        half = float(t.ppf((1 + LEVEL) / 2, clusters - 1)) * error
        students = Figure(value=mean, low=max(least, mean - half), high=mean + half, n=total)
        return widest([students, from_draws(mean, self._drawn(value, n), total)])

    def _drawn(self, over: str, under: str) -> np.ndarray:
        n = self._draws[:, self._places[under]]
        ratio: np.ndarray = np.divide(
            self._draws[:, self._places[over]], n, out=np.full(n.shape, np.nan), where=n != 0
        )
        return ratio
