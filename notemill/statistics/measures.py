"""All figures of one table of right values against answers, each with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from notemill.statistics import confusion
from notemill.statistics.confusion import Counting, counted, one_against_rest
from notemill.statistics.figure import Figure, from_draws, undefined, widest
from notemill.statistics.proportion import clustered_share, share
from notemill.statistics.resampling import redrawn, resampled


class ClassFigures(BaseModel):
    """One class against all others."""

    model_config = ConfigDict(frozen=True)

    label: str
    sensitivity: Figure
    specificity: Figure
    ppv: Figure
    npv: Figure
    f1: Figure


class Counted(BaseModel):
    """The figures under one way to count notes without an answer."""

    model_config = ConfigDict(frozen=True)

    accuracy: Figure
    kappa: Figure
    ac1: Figure
    macro_f1: Figure
    classes: list[ClassFigures]


class Measured(BaseModel):
    """A table and its figures.

    labels: classes, in the order of rows and columns. table: counts of notes, a row a right value,
    a column an answer, the last one for notes without. coverage: the share with an answer.
    clusters: patients, 0 where each note was taken as independent.
    """

    model_config = ConfigDict(frozen=True)

    labels: list[str]
    table: list[list[int]]
    clusters: int
    coverage: Figure
    answered: Counted
    all: Counted

    @property
    def n(self) -> int:
        """Notes in the table."""
        return sum(map(sum, self.table))


def measured(
    table: np.ndarray, labels: Sequence[str], *, clusters: np.ndarray | None = None, seed: int = 1
) -> Measured:
    """The figures of a table (classes, classes + 1), as `Measured` has it.

    clusters: (patients, classes, classes + 1), which add up to the table; None where every note is
    independent of the others.
    """
    patients = 0 if clusters is None else len(clusters)
    sums = resampled(clusters, seed) if clusters is not None and patients else None
    failed = table[:, -1].sum()
    answered_of = None if sums is None else sums[..., :-1].sum((-1, -2)) / sums.sum((-1, -2))
    n = int(table.sum())
    return Measured(
        labels=list(labels),
        table=table.astype(int).tolist(),
        clusters=patients,
        coverage=_share(n - failed, n, answered_of, patients, "no note has a label"),
        answered=_Counting(table, clusters, sums, Counting.ANSWERED, seed).figures(labels),
        all=_Counting(table, clusters, sums, Counting.ALL, seed).figures(labels),
    )


def _share(k: float, n: float, draws: np.ndarray | None, clusters: int | None, why: str) -> Figure:
    if draws is None:
        return share(k, n, why=why)
    return clustered_share(k, n, draws, clusters or 0, why=why)


class _Counting:
    """One way of counting a table and its resamplings."""

    def __init__(
        self,
        table: np.ndarray,
        clusters: np.ndarray | None,
        sums: np.ndarray | None,
        counting: Counting,
        seed: int,
    ) -> None:
        self._table = counted(table, counting)
        self._sums = None if sums is None else counted(sums, counting)
        self._clusters = None if clusters is None else counted(clusters, counting)
        there = self._table if self._table[:, -1].any() else self._table[:, :-1]
        draws = redrawn(there, seed)
        empty = np.zeros((*draws.shape[:2], self._table.shape[1] - there.shape[1]))
        self._draws = np.concatenate([draws, empty], axis=-1)

    def figures(self, labels: Sequence[str]) -> Counted:
        return Counted(
            accuracy=self._accuracy(),
            kappa=self._score(confusion.kappa, "all notes are of one class"),
            ac1=self._score(confusion.ac1, "there is one class"),
            macro_f1=self._score(confusion.macro_f1, "no class is hit"),
            classes=[self._class(which, label) for which, label in enumerate(labels)],
        )

    def _accuracy(self) -> Figure:
        right, n = np.trace(self._table[:, :-1]), self._table.sum()
        draws = None if self._sums is None else confusion.agreement(self._sums)
        having = None
        if self._clusters is not None:
            having = int((self._clusters.sum((-1, -2)) > 0).sum())
        return _share(right, n, draws, having, "no answer")

    def _score(self, score: Callable[[np.ndarray], np.ndarray], why: str) -> Figure:
        """A score of the whole table, which is no share."""
        n, value = float(self._table.sum()), float(score(self._table))
        if n == 0:
            return undefined("no answer")
        if not np.isfinite(value):
            return undefined(why, n)
        figures = [from_draws(value, score(self._draws), n)]
        if self._sums is not None:
            figures.append(from_draws(value, score(self._sums), n))
        return widest(figures)

    def _class(self, which: int, label: str) -> ClassFigures:
        two = one_against_rest(self._table, which)
        sums = None if self._sums is None else one_against_rest(self._sums, which)
        clusters = None if self._clusters is None else one_against_rest(self._clusters, which)

        def of(
            score: Callable[[np.ndarray], np.ndarray],
            k: tuple[int, int],
            others: tuple[int, int],
            why: str,
        ) -> Figure:
            draws = None if sums is None else score(sums)
            having = (
                None if clusters is None else (clusters[:, *k] + clusters[:, *others] > 0).sum()
            )
            return _share(two[k], two[k] + two[others], draws, having, why)

        positive, negative = f"no note is {label}", f"every note is {label}"
        said, unsaid = f"no answer is {label}", f"every answer is {label}"
        return ClassFigures(
            label=label,
            sensitivity=of(confusion.sensitivity, (0, 0), (0, 1), positive),
            specificity=of(confusion.specificity, (1, 1), (1, 0), negative),
            ppv=of(confusion.ppv, (0, 0), (1, 0), said),
            npv=of(confusion.npv, (1, 1), (0, 1), unsaid),
            f1=self._f1(two, sums, clusters, f"no note and no answer is {label}"),
        )

    def _f1(
        self, two: np.ndarray, sums: np.ndarray | None, clusters: np.ndarray | None, why: str
    ) -> Figure:
        """F1 rises with the share of hits among hits, misses and alarms; so does its interval."""
        k, n = two[0, 0], two[0].sum() + two[1, 0]
        draws = None if sums is None else _hits(confusion.f1(sums))
        having = _with_any(clusters, [(0, 0), (0, 1), (1, 0)])
        hits = _share(k, n, draws, having, why)
        if hits.value is None or hits.low is None or hits.high is None:
            return hits
        value, low, high = (2 * x / (1 + x) for x in (hits.value, hits.low, hits.high))
        return Figure(value=value, low=low, high=high, n=n)


def _with_any(clusters: np.ndarray | None, cells: list[tuple[int, int]]) -> int | None:
    """Clusters with a note in any of these cells."""
    if clusters is None:
        return None
    return int(np.any([clusters[:, row, column] > 0 for row, column in cells], axis=0).sum())


def _hits(scores: np.ndarray) -> np.ndarray:
    """The share of hits of which an F1 is."""
    hits: np.ndarray = scores / (2 - scores)
    return hits
