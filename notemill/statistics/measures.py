"""All figures of one table of right values against answers, each with its interval.

Shares (accuracy, coverage, sensitivity, specificity, PPV, NPV) have Wilson's; F1, a function of the
share of hits among hits, misses and alarms, has it of that share. Kappa, AC1 and macro F1 have the
quantiles of tables drawn from a Dirichlet distribution (`resampling.redrawn`): kappa and AC1 with a
prior of one note in all cells together; macro F1, a mean in which a class with two notes weighs as
much as one with a thousand, with half a note in each class's hits and one in all errors together.
With the prior of the others it held 73 % of simulated truths (8 classes, 50 notes, one of a rare
class) where this one held 94 %. Where patients are named, the interval also holds that of patients
resampled and that of as many independent notes as theirs are worth (`clustering.worth`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from notemill.statistics import confusion
from notemill.statistics.clustering import worth
from notemill.statistics.confusion import Counting, against_rest, counted, hits_and_others
from notemill.statistics.figure import DRAWS, Figure, from_draws, undefined, widest
from notemill.statistics.proportion import clustered_share, share
from notemill.statistics.resampling import redrawn, resamplings


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
    a column an answer, the last one for notes without. clusters: patients, 0 where each note was
    taken as independent. coverage: the share with an answer.
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
    independent of the others. Raises ValueError where they don't add up.
    """
    if table.shape != (len(labels), len(labels) + 1):
        raise ValueError(f"a table of {len(labels)} labels is not of shape {table.shape}")
    if clusters is not None:
        if not np.array_equal(clusters.sum(0), table):
            raise ValueError("the clusters don't add up to the table")
        clusters = clusters[clusters.any((-1, -2))]
    sums = _resampled(table, clusters, seed)
    by_counting = {each: _Counting(table, clusters, sums, each, seed) for each in Counting}
    return Measured(
        labels=list(labels),
        table=table.astype(int).tolist(),
        clusters=0 if clusters is None else len(clusters),
        coverage=by_counting[Counting.ALL].coverage(),
        answered=by_counting[Counting.ANSWERED].figures(labels),
        all=by_counting[Counting.ALL].figures(labels),
    )


_WHOLE = 3
_COVERAGE, _ACCURACY, _CLASSES = 0, 1, 2
"""Where shares lie; from `_CLASSES` on five measures, a share a class each."""


def _shares(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What counts, and of how many, of counted tables: each (..., 2 + 5 * classes)."""
    total = table.sum((-1, -2))[..., None]
    two = against_rest(table)
    hits, missed, alarms, passed = (two[..., row, said] for row, said in np.ndindex(2, 2))
    of_f1, others = hits_and_others(table)
    answered = total - table[..., -1].sum(-1)[..., None]
    k = [answered, confusion.right(table)[..., None], hits, passed, hits, passed, of_f1]
    rest = [missed, alarms, alarms, missed, others]
    n = [total, total, *(each + other for each, other in zip(k[2:], rest, strict=True))]
    return np.concatenate(k, axis=-1), np.concatenate(n, axis=-1)


def _whole(table: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(..., 3): kappa, AC1, and macro F1 of the classes seen."""
    return np.stack(
        [confusion.kappa(table), confusion.ac1(table), confusion.macro_f1(table, seen)], axis=-1
    )


def _seen(table: np.ndarray) -> np.ndarray:
    """(classes,): which have a right value or an answer."""
    seen: np.ndarray = table.sum(-1) + table.sum(-2)[:-1] > 0
    return seen


def _resampled(
    table: np.ndarray, clusters: np.ndarray | None, seed: int
) -> dict[Counting, np.ndarray] | None:
    """(draws, shares and then whole scores) of resampled patients, by counting."""
    if clusters is None or not len(clusters):
        return None
    parts: dict[Counting, list[np.ndarray]] = {each: [] for each in Counting}
    for sums in resamplings(clusters, seed):
        for counting, scores in parts.items():
            tables = counted(sums, counting)
            whole = _whole(tables, _seen(counted(table, counting)))
            scores.append(np.concatenate([confusion.ratio(*_shares(tables)), whole], axis=-1))
    return {counting: np.concatenate(scores) for counting, scores in parts.items()}


class _Counting:
    """One way of counting a table, its clusters and their resamplings."""

    def __init__(
        self,
        table: np.ndarray,
        clusters: np.ndarray | None,
        sums: dict[Counting, np.ndarray] | None,
        counting: Counting,
        seed: int,
    ) -> None:
        self._table = counted(table, counting)
        self._shares = _shares(self._table)
        self._sums = None if sums is None else sums[counting]
        self._of_clusters = None
        if clusters is not None and len(clusters):
            self._of_clusters = _shares(counted(clusters, counting))
        self._seed = seed

    def figures(self, labels: Sequence[str]) -> Counted:
        kappa, ac1, macro_f1 = self._scores()
        return Counted(
            accuracy=self._share(_ACCURACY, "no answer"),
            kappa=kappa,
            ac1=ac1,
            macro_f1=macro_f1,
            classes=[self._class(which, label) for which, label in enumerate(labels)],
        )

    def coverage(self) -> Figure:
        return self._share(_COVERAGE, "no note has a label")

    def _share(self, which: int, why: str) -> Figure:
        k, n = self._shares
        if self._of_clusters is None or self._sums is None:
            return share(float(k[which]), float(n[which]), why=why)
        hits, sizes = (each[:, which] for each in self._of_clusters)
        return clustered_share(hits, sizes, self._sums[:, which], why=why)

    def _class(self, which: int, label: str) -> ClassFigures:
        places = range(_CLASSES + which, len(self._shares[0]), len(self._table))
        whys = [
            f"no note is {label}",
            f"every note is {label}",
            f"no answer is {label}",
            f"every answer is {label}",
            f"no note and no answer is {label}",
        ]
        sensitivity, specificity, ppv, npv, hits = map(self._share, places, whys)
        return ClassFigures(
            label=label,
            sensitivity=sensitivity,
            specificity=specificity,
            ppv=ppv,
            npv=npv,
            f1=f1_of_hits(hits),
        )

    def _scores(self) -> list[Figure]:
        """Kappa, AC1 and macro F1, which are no shares."""
        n = float(self._table.sum())
        if n == 0:
            return [undefined("no answer")] * _WHOLE
        draws = [self._redrawn(n)]
        if self._of_clusters is not None and self._sums is not None:
            right, sizes = (each[:, _ACCURACY] for each in self._of_clusters)
            accuracy = float(right.sum() / n)
            draws.append(self._redrawn(worth(right, sizes, accuracy * (1 - accuracy))))
            draws.append(self._sums[:, -_WHOLE:])
        whys = ["all notes and answers are of one class", "there is one class", "no class is seen"]
        return [
            widest([from_draws(float(value), each[:, which], n) for each in draws])
            if np.isfinite(value)
            else undefined(why, n)
            for which, (value, why) in enumerate(
                zip(_whole(self._table, _seen(self._table)), whys, strict=True)
            )
        ]

    def _redrawn(self, notes: float) -> np.ndarray:
        """(draws, 3): the scores of tables that could have given this one of so many notes."""
        cells = np.ones(self._table.shape, bool)
        cells[:, -1] = self._table[:, -1].any()
        classes = np.eye(len(cells), len(cells) + 1) > 0
        plain = np.where(cells, 1 / cells.sum(), 0)
        macro = np.where(classes, 0.5, np.where(cells, 1 / max(cells.sum() - len(cells), 1), 0))
        scores, of_macro = (
            _whole(self._drawn(notes, prior, cells), _seen(self._table)) for prior in (plain, macro)
        )
        scores[:, -1] = of_macro[:, -1]
        return scores

    def _drawn(self, notes: float, prior: np.ndarray, cells: np.ndarray) -> np.ndarray:
        scaled = self._table * (notes / self._table.sum())
        tables = np.zeros((DRAWS, *cells.shape))
        tables[:, cells] = redrawn(scaled[cells], self._seed, prior=prior[cells])
        return tables


def f1_of_hits(hits: Figure) -> Figure:
    """F1 of the share of hits among hits, misses and alarms: it rises with it, so its interval."""
    if hits.value is None or hits.low is None or hits.high is None:
        return hits
    value, low, high = (2 * x / (1 + x) for x in (hits.value, hits.low, hits.high))
    return Figure(value=value, low=low, high=high, n=hits.n)
