"""Seeded draws: of clusters, taken again and again, and of tables of independent notes."""

from __future__ import annotations

import numpy as np

from notemill.statistics.figure import DRAWS

_CELLS_AT_ONCE = 20_000_000


def resampled(counts: np.ndarray, seed: int, draws: int = DRAWS) -> np.ndarray:
    """Sums over clusters that are drawn with replacement, as many as there are.

    counts: (clusters, ...), what each adds. Returns (draws, ...).
    """
    rng = np.random.default_rng(seed)
    clusters = len(counts)
    flat = counts.reshape(clusters, -1).astype(float)
    at_once = max(1, _CELLS_AT_ONCE // max(clusters, 1))
    shares = np.full(clusters, 1 / clusters)
    sums = [
        rng.multinomial(clusters, shares, size=min(at_once, draws - done)) @ flat
        for done in range(0, draws, at_once)
    ]
    return np.concatenate(sums).reshape(draws, *counts.shape[1:])


def redrawn(table: np.ndarray, seed: int, draws: int = DRAWS) -> np.ndarray:
    """Tables of shares that could have given this one of independent notes.

    Draws from a Dirichlet distribution whose prior weighs one note in all cells together, so that
    a cell with nothing in it is not taken to be impossible. Returns (draws, *table.shape).
    """
    rng = np.random.default_rng(seed)
    flat = table.reshape(-1).astype(float)
    return rng.dirichlet(flat + 1 / flat.size, size=draws).reshape(draws, *table.shape)
