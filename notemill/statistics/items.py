"""Items of lists against the right items."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from notemill.statistics.figure import Figure


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
