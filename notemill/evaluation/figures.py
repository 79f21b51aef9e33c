"""The figures of one field over some notes: labels beside answers, and whose note each is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from notemill.evaluation.cells import UNLABELLED, answer_of
from notemill.evaluation.fields import Shape
from notemill.evaluation.parts import Part
from notemill.evaluation.record import PartEvaluated
from notemill.statistics.items import MeasuredItems, measured_items
from notemill.statistics.measures import Measured, measured
from notemill.statistics.numbers import MeasuredNumbers, measured_numbers


@dataclass(frozen=True)
class Notes:
    """The gold's notes. texts: a number for each text; whose: one for each cluster of notes that
    are not independent; blank: nothing to ask about."""

    texts: np.ndarray
    whose: np.ndarray
    blank: np.ndarray


@dataclass(frozen=True)
class Compared:
    """A field's labels beside the answers, a note a place. labels: UNLABELLED where there is none;
    values: as their column holds them, None without an answer. settled: by the task's gate, and so
    without an answer; settled_as: the value that such a note is taken for where all notes count,
    None: it counts as any other without an answer does."""

    shape: Shape
    labels: list[Any]
    answered: np.ndarray
    values: list[Any]
    tolerance: float = 0.0
    settled: np.ndarray | None = None
    settled_as: Any = None

    @property
    def labelled(self) -> np.ndarray:
        return np.array([label is not UNLABELLED for label in self.labels], bool)


def evaluated_parts(
    compared: Compared, notes: Notes, parts: list[Part], seed: int
) -> Iterator[PartEvaluated]:
    """The figures of each part, the first always, the others where a note of theirs has a label."""
    labelled = compared.labelled
    for number, part in enumerate(parts):
        which = np.flatnonzero(part.mask & labelled)
        if number and not len(which):
            continue
        clusters = clusters_of(notes.whose[which])
        figures = _figures(compared, which, clusters, seed)
        yield PartEvaluated(
            part=part.part,
            column=part.column,
            value=part.value,
            notes=len(which),
            texts=len(np.unique(notes.texts[which])),
            blank=int(notes.blank[which].sum()),
            settled=0 if compared.settled is None else int(compared.settled[which].sum()),
            choices=figures if isinstance(figures, Measured) else None,
            numbers=figures if isinstance(figures, MeasuredNumbers) else None,
            items=figures if isinstance(figures, MeasuredItems) else None,
        )


def clusters_of(whose: np.ndarray) -> np.ndarray | None:
    """Clusters counted from 0; None where each has one note, so that all are independent."""
    values, places = np.unique(whose, return_inverse=True)
    return places if len(values) < len(whose) else None


def _figures(
    compared: Compared, which: np.ndarray, clusters: np.ndarray | None, seed: int
) -> Measured | MeasuredNumbers | MeasuredItems:
    shape = compared.shape
    labels = [compared.labels[place] for place in which]
    answered = compared.answered[which]
    said = [
        answer_of(compared.values[place], shape) if there else None
        for place, there in zip(which, answered, strict=True)
    ]
    match shape.kind:
        case "choices":
            measured_ones = _choices(shape, labels, said, answered, clusters, seed)
            if compared.settled is None or compared.settled_as is None:
                return measured_ones
            settled = compared.settled[which]
            taken_for = answer_of(compared.settled_as, shape)
            taken = [taken_for if so else each for each, so in zip(said, settled, strict=True)]
            every = _choices(shape, labels, taken, answered | settled, clusters, seed)
            return measured_ones.model_copy(update={"all": every.all})
        case "number":
            return measured_numbers(
                np.array(labels, float),
                np.array(said, float),
                answered,
                tolerance=compared.tolerance,
                clusters=clusters,
                seed=seed,
            )
        case "items":
            return measured_items(
                _item_counts(labels, said), answered, clusters=clusters, seed=seed
            )


def _choices(
    shape: Shape,
    labels: list[int],
    said: list[int | None],
    answered: np.ndarray,
    clusters: np.ndarray | None,
    seed: int,
) -> Measured:
    size = (len(shape.choices), len(shape.choices) + 1)
    none = len(shape.choices)
    columns = [none if not there else place for place, there in zip(said, answered, strict=True)]
    where = np.array(labels, int), np.array(columns, int)
    table = np.zeros(size)
    np.add.at(table, where, 1)
    if clusters is None:
        return measured(table, shape.labels, seed=seed)
    by_cluster = np.zeros((int(clusters.max()) + 1, *size))
    np.add.at(by_cluster, (clusters, *where), 1)
    return measured(table, shape.labels, clusters=by_cluster, seed=seed)


def _item_counts(labels: list[frozenset[str]], said: list[frozenset[str] | None]) -> np.ndarray:
    """(notes, 3): items that are right, that were answered, and both."""
    rows = [
        (len(right), len(answer or ()), len(right & (answer or frozenset())))
        for right, answer in zip(labels, said, strict=True)
    ]
    return np.array(rows, float).reshape(len(rows), 3)
