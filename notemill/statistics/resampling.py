"""Seeded draws: of clusters, taken again and again, and of tables of independent notes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from notemill.statistics.figure import DRAWS

_CELLS_AT_ONCE = 4_000_000


def resampled(counts: np.ndarray, seed: int, draws: int = DRAWS) -> np.ndarray:
    """Sums over clusters that are drawn with replacement, as many as there are.

    counts: (clusters, ...), what each adds. Returns (draws, ...). In whatever order the clusters
    come, the same seed gives the same draws.
    """
    return np.concatenate(list(resamplings(counts, seed, draws)))


def resamplings(counts: np.ndarray, seed: int, draws: int = DRAWS) -> Iterator[np.ndarray]:
    """`resampled`, some draws at a time: (of the draws, ...).

    Clusters that add the same are drawn together: 4,000 patients with a note each are a few kinds.
    """
    rng = np.random.default_rng(seed)
    clusters = len(counts)
    kinds, times = np.unique(counts.reshape(clusters, -1).astype(float), axis=0, return_counts=True)
    at_once = max(1, _CELLS_AT_ONCE // max(*kinds.shape, 1))
    for done in range(0, draws, at_once):
        drawn = rng.multinomial(clusters, times / clusters, size=min(at_once, draws - done))
        yield (drawn @ kinds).reshape(-1, *counts.shape[1:])


def redrawn(
    table: np.ndarray, seed: int, draws: int = DRAWS, *, prior: np.ndarray | None = None
) -> np.ndarray:
    """Tables of shares that could have given this one of independent notes.

    Draws from a Dirichlet distribution, so that a cell with nothing in it is not taken to be
    impossible. prior: notes added to each cell; without, one note in all cells together.
    Returns (draws, *table.shape).
    """
    rng = np.random.default_rng(seed)
    added = np.full(table.shape, 1 / table.size) if prior is None else prior
    return rng.dirichlet((table + added).reshape(-1), size=draws).reshape(draws, *table.shape)
