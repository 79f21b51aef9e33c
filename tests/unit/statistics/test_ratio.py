"""Ratios between 0 and 1 near their ends."""

import numpy as np

from notemill.statistics.ratio import Ratio
from tests.unit.statistics.tables import held


def test_an_overlap_near_one_is_held_where_a_symmetric_interval_is_not():
    """60 texts of 3 items, 99 of 100 of which both have."""
    rng = np.random.default_rng(1)
    intervals, symmetric = [], []
    for _ in range(600):
        ratio = Ratio()
        ratio.add(rng.binomial(3, 0.99, size=60), np.full(60, 3))
        figure = ratio.between_0_and_1(180, why="")
        plain = ratio.figure(180, why="")
        intervals.append((figure.low, figure.high))
        symmetric.append((plain.low, plain.high) if plain.low is not None else (1.0, 1.0))
    assert held(np.array(intervals), 0.99)[0] >= 0.93
    assert held(np.array(symmetric), 0.99)[0] < 0.9
