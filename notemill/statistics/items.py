"""Items of lists against the right items."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from notemill.statistics.figure import Figure
from notemill.statistics.grouped import Grouped
from notemill.statistics.measures import f1_of_hits


class ItemsCounted(BaseModel):
    """Figures under one way to count notes without an answer, whose right items are all missed.

    precision, recall, f1: of the items of all notes together; exact: the share of notes whose
    answer has the right items, all of them and no other.
    """

    model_config = ConfigDict(frozen=True)

    precision: Figure
    recall: Figure
    f1: Figure
    exact: Figure


class MeasuredItems(BaseModel):
    """Figures of lists. n: notes; clusters: patients or texts, 0 where each note was independent;
    coverage: the share of notes with an answer."""

    model_config = ConfigDict(frozen=True)

    n: int
    clusters: int
    coverage: Figure
    answered: ItemsCounted
    all: ItemsCounted


def measured_items(
    counts: np.ndarray,
    answered: np.ndarray,
    *,
    clusters: np.ndarray | None = None,
    seed: int = 1,
) -> MeasuredItems:
    """The figures of lists.

    counts: (notes, 3), items that are right, items that were answered, and those that are both;
    answered: whether there is an answer at all, without which none was answered. clusters: whose
    note it is, as whole numbers; None where all notes are independent.
    """
    right, said, hits = counts.T
    exact = answered & (right == hits) & (said == hits)
    ones = np.ones(len(counts))
    # Items of one note are no more independent than notes of one patient.
    whose = np.arange(len(counts)) if clusters is None else clusters
    items = Grouped(
        whose,
        {
            "right": right,
            "of answered": np.where(answered, right, 0),
            "said": said,
            "hits": hits,
            "any": right + said - hits,
            "any of answered": np.where(answered, right + said - hits, 0),
        },
        seed,
    )
    notes = Grouped(clusters, {"notes": ones, "answered": answered, "exact": exact}, seed)

    def counted(of: str, any_of: str, notes_of: str, why: str) -> ItemsCounted:
        return ItemsCounted(
            precision=items.share("hits", "said", "no item was answered"),
            recall=items.share("hits", of, "no note has a right item"),
            f1=f1_of_hits(items.share("hits", any_of, "no item is right and none was answered")),
            exact=notes.share("exact", notes_of, why),
        )

    return MeasuredItems(
        n=len(counts),
        clusters=notes.clusters,
        coverage=notes.share("answered", "notes", "no note has a label"),
        answered=counted("of answered", "any of answered", "answered", "no answer"),
        all=counted("right", "any", "notes", "no note has a label"),
    )
