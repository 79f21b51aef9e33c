"""Means and ratios over notes, of which those of one text are alike: sums that are taken once.

The interval is that of a ratio of two sums over clusters, its variance by linearisation, with
Student's t over the clusters (Cochran, Sampling Techniques, 1977, 6.3 and 11.7): what a resampling
comes to for many clusters, at the price of six sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from notemill.statistics.figure import LEVEL, Figure, undefined
from notemill.statistics.proportion import share


@dataclass
class Ratio:
    """Sums over clusters, each with what it adds above (over) and below (under) the line."""

    clusters: int = 0
    over: float = 0.0
    under: float = 0.0
    over_squared: float = 0.0
    under_squared: float = 0.0
    products: float = 0.0

    def add(self, over: np.ndarray, under: np.ndarray) -> None:
        """Count clusters in; those that add nothing below the line are left out."""
        there = under != 0
        over, under = over[there].astype(float), under[there].astype(float)
        self.clusters += len(under)
        self.over += float(over.sum())
        self.under += float(under.sum())
        self.over_squared += float((over**2).sum())
        self.under_squared += float((under**2).sum())
        self.products += float((over * under).sum())

    def figure(self, n: float, *, why: str) -> Figure:
        """over / under with its interval. n: told with it; why: told where under is 0."""
        if not self.under:
            return undefined(why)
        value = self.over / self.under
        if self.clusters < 2:
            return Figure(value=value, n=n, why="one text has no interval")
        squares = self.over_squared - 2 * value * self.products + value**2 * self.under_squared
        if squares <= 1e-12 * max(self.over_squared, 1e-300):
            return Figure(value=value, n=n, why="it is the same of every text")
        variance = self.clusters / (self.clusters - 1) * squares / self.under**2
        half = float(t.ppf((1 + LEVEL) / 2, self.clusters - 1)) * math.sqrt(variance)
        return Figure(value=value, low=value - half, high=value + half, n=n)

    def between_0_and_1(self, n: float, *, why: str) -> Figure:
        """The same of a ratio between 0 and 1; where it is one of them, Wilson's over clusters."""
        figure = self.figure(n, why=why)
        if figure.value is None:
            return figure
        if figure.value in (0.0, 1.0) or figure.low is None or figure.high is None:
            alone = share(round(figure.value * self.clusters), self.clusters)
            return Figure(value=figure.value, low=alone.low, high=alone.high, n=n)
        return Figure(value=figure.value, low=max(figure.low, 0.0), high=min(figure.high, 1.0), n=n)
