"""Texts by what they are and how many notes they have, and shares of their notes.

Of millions of texts there are few kinds, which is all that is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from notemill.statistics.agreement import CrossTable
from notemill.statistics.figure import Figure, undefined


class Counted:
    """Texts counted by their cell, a number, and by how many notes have them."""

    def __init__(self) -> None:
        self._texts: Counter[tuple[int, int]] = Counter()

    def add(self, cells: np.ndarray, sizes: np.ndarray) -> None:
        """Count texts in. cells, sizes: (texts,)."""
        pairs, texts = np.unique(np.stack([cells, sizes]), axis=1, return_counts=True)
        for cell, size, count in zip(*pairs.tolist(), texts.tolist(), strict=True):
            self._texts[cell, size] += count

    def kinds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cells, sizes, and how many texts have both, in an order of their own."""
        kinds = sorted(self._texts)
        cells, sizes = np.array(kinds, dtype=np.int64).reshape(-1, 2).T
        return cells, sizes, np.array([self._texts[kind] for kind in kinds], dtype=np.int64)

    def share(self, cell: int, among: Sequence[int], seed: int, *, why: str) -> Figure:
        """The share of notes in a cell of those in some, which it is one of.

        Notes of one text end alike, so texts are resampled. why: told where there is none.
        """
        cells, sizes, texts = self.kinds()
        having = np.isin(cells, among)
        if not having.any():
            return undefined(why)
        cells, classes = cells[having], max(among) + 1
        table = CrossTable(classes, cells * classes + cells, sizes[having], texts[having])
        diagonals = np.concatenate(
            [np.diagonal(drawn, axis1=-2, axis2=-1) for drawn in table.resampled(seed)]
        )
        draws = diagonals[:, cell] / diagonals.sum(-1)
        return table.share(cells == cell, np.ones(len(cells), bool), draws, why)
