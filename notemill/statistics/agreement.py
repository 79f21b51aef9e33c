"""Two answers to the same notes, none of which is known to be the right one.

Notes of one text have one answer, so texts are resampled. Of millions of texts there are few kinds,
by their cell of the cross table and the number of their notes: how many of each kind a resampling
takes is one multinomial draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.sparse import csr_array

from notemill.statistics.clustering import worth
from notemill.statistics.confusion import ratio
from notemill.statistics.figure import DRAWS, Figure, from_draws, undefined, widest
from notemill.statistics.pairs import mcnemar
from notemill.statistics.proportion import clustered_share

_CELLS_AT_ONCE = 20_000_000


class Agreement(BaseModel):
    """kappa is Cohen's, ac1 Gwet's."""

    model_config = ConfigDict(frozen=True)

    agreement: Figure
    kappa: Figure
    ac1: Figure


class ClassDifference(BaseModel):
    """How often each says a class, over all notes; one without an answer is of no class.

    first, second: shares of notes; difference: second less first. only_first, only_second: texts
    of which one of the two alone says it; p: exact McNemar over these, None without any.
    """

    model_config = ConfigDict(frozen=True)

    label: str
    first: Figure
    second: Figure
    difference: Figure
    only_first: int
    only_second: int
    p: float | None


@dataclass(frozen=True)
class CrossTable:
    """Texts by their cell of a square table, rows the first's answer and columns the second's.

    classes: of the table, the last one for no answer. Kinds of texts: cells, row * classes +
    column; sizes, notes of each text; texts, how many there are.
    """

    classes: int
    cells: np.ndarray
    sizes: np.ndarray
    texts: np.ndarray

    def of_notes(self) -> np.ndarray:
        """(classes, classes), counts of notes."""
        return self._table(self.sizes * self.texts)

    def of_texts(self) -> np.ndarray:
        """(classes, classes), counts of texts."""
        return self._table(self.texts)

    def resampled(self, seed: int) -> Iterator[np.ndarray]:
        """Tables of notes from texts drawn with replacement, some at a time."""
        rng = np.random.default_rng(seed)
        kinds, texts = len(self.cells), int(self.texts.sum())
        size = (kinds, self.classes**2)
        notes = csr_array((self.sizes.astype(float), (np.arange(kinds), self.cells)), shape=size)
        for draws in _at_once(max(size)):
            taken = rng.multinomial(texts, self.texts / texts, size=draws)
            yield (taken @ notes).reshape(draws, self.classes, self.classes)

    def redrawn(self, seed: int, notes: float) -> Iterator[np.ndarray]:
        """Tables of shares that could have given this one of so many independent notes.

        As `notemill.statistics.resampling.redrawn`, over the classes that there are, some at a
        time.
        """
        rng = np.random.default_rng(seed)
        table = self.of_notes()
        table = table * (notes / table.sum())
        there = np.flatnonzero(table.sum(0) + table.sum(1))
        part = table[np.ix_(there, there)].reshape(-1).astype(float)
        for draws in _at_once(table.size):
            drawn = rng.dirichlet(part + 1 / part.size, size=draws)
            whole = np.zeros((draws, *table.shape))
            whole[:, there[:, None], there] = drawn.reshape(draws, len(there), len(there))
            yield whole

    @property
    def worth(self) -> float:
        """How many independent notes tell as much of how often both say the same."""
        rows, columns = np.divmod(self.cells, self.classes)
        same = np.where(rows == columns, self.sizes, 0)
        p = float((same * self.texts).sum() / (self.sizes * self.texts).sum())
        return worth(same, self.sizes, p * (1 - p), alike=self.texts)

    def share(self, counts: np.ndarray, of: np.ndarray, draws: np.ndarray, why: str) -> Figure:
        """Notes of some kinds among those of others. counts, of: (kinds,), which; draws: the same
        share in each of `resampled`."""
        there = counts & of
        if not of.any():
            return undefined(why)
        return clustered_share(
            np.where(there, self.sizes, 0)[of],
            self.sizes[of],
            draws,
            alike=self.texts[of],
            why=why,
        )

    def _table(self, counts: np.ndarray) -> np.ndarray:
        flat = np.bincount(self.cells, counts, minlength=self.classes**2)
        table: np.ndarray = np.rint(flat).astype(int).reshape(self.classes, self.classes)
        return table


@dataclass(frozen=True)
class Paired:
    """What a cross table comes to.

    answered: of notes that both answered. all: of all notes; on one that either has no answer to
    they don't agree, and that both have none is no agreement.
    """

    answered: Agreement
    all: Agreement
    classes: list[ClassDifference]


def paired(table: CrossTable, labels: Sequence[str], *, seed: int = 1) -> Paired:
    """Agreement and how often each class is said. labels: of all classes but no answer."""
    notes = table.of_notes()
    if not notes.sum():
        nothing = undefined("there is no note")
        none = Agreement(agreement=nothing, kappa=nothing, ac1=nothing)
        no = [_class(label, 0, 0, nothing, nothing, nothing) for label in labels]
        return Paired(none, none, no)
    draws = _Draws(table, seed)
    rows, columns = np.divmod(table.cells, table.classes)
    both = (rows < len(labels)) & (columns < len(labels))
    answered = draws.agreement(_of_answered, notes, both)
    failed = notes[-1].any() or notes[:, -1].any()
    every = draws.agreement(_of_all, notes, np.ones(len(both), bool)) if failed else answered
    return Paired(answered, every, draws.classes(labels))


class _Draws:
    """Scores of a table's resamplings, each taken once."""

    def __init__(self, table: CrossTable, seed: int) -> None:
        self._table = table
        self._rows, self._columns = np.divmod(table.cells, table.classes)
        notes = float(table.of_notes().sum())
        # Of texts as they are, of notes as if all were independent, and of as many notes as the
        # texts are worth: the interval holds all three, as that of a share does.
        ways = table.resampled(seed), table.redrawn(seed, notes), table.redrawn(seed, table.worth)
        self._scores = [_joined([_scores(some) for some in way]) for way in ways]

    def agreement(
        self, counted: Callable[[np.ndarray], np.ndarray], notes: np.ndarray, of: np.ndarray
    ) -> Agreement:
        """of: (kinds,), which count."""
        table = counted(notes)
        n = int(table.sum())
        none = "no note has an answer from both"
        if not n:
            nothing = undefined(none)
            return Agreement(agreement=nothing, kappa=nothing, ac1=nothing)

        def score(measure: Callable[[np.ndarray], np.ndarray], why: str) -> Figure:
            value = float(measure(table))
            if not np.isfinite(value):
                return undefined(why, n)
            key = counted.__name__ + measure.__name__
            return widest([from_draws(value, scores[key], n) for scores in self._scores])

        draws = self._scores[0][counted.__name__ + _agreement.__name__]
        same = (self._rows == self._columns) & (self._rows < self._table.classes - 1)
        return Agreement(
            agreement=self._table.share(same, of, draws, none),
            kappa=score(_kappa, "both say one class of every note"),
            ac1=score(_ac1, "there is one class"),
        )

    def classes(self, labels: Sequence[str]) -> list[ClassDifference]:
        """How often each class is said."""
        table = self._table
        texts, n = table.of_texts(), float(table.of_notes().sum())
        of_texts, every = self._scores[0], np.ones(len(table.cells), bool)
        result = []
        for which, label in enumerate(labels):
            first, second = (
                table.share(said == which, every, of_texts[side][:, which], "there is no note")
                for side, said in (("first", self._rows), ("second", self._columns))
            )
            value = (second.value or 0.0) - (first.value or 0.0)
            apart = [each["second"][:, which] - each["first"][:, which] for each in self._scores]
            difference = widest([from_draws(value, each, n) for each in apart])
            hits = int(texts[which, which])
            alone = int(texts[which].sum()) - hits, int(texts[:, which].sum()) - hits
            result.append(_class(label, *alone, first, second, difference))
        return result


def _class(
    label: str, only_first: int, only_second: int, first: Figure, second: Figure, apart: Figure
) -> ClassDifference:
    return ClassDifference(
        label=label,
        first=first,
        second=second,
        difference=apart,
        only_first=only_first,
        only_second=only_second,
        p=mcnemar(only_first, only_second),
    )


def _scores(tables: np.ndarray) -> dict[str, np.ndarray]:
    """What is told of each of some tables."""
    total = tables.sum((-1, -2))[:, None]
    scores = {"first": tables.sum(-1) / total, "second": tables.sum(-2) / total}
    for counted in (_of_answered, _of_all):
        each = counted(tables)
        for measure in (_agreement, _kappa, _ac1):
            scores[counted.__name__ + measure.__name__] = measure(each)
    return scores


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _of_answered(tables: np.ndarray) -> np.ndarray:
    """Tables of the notes that both answered."""
    there = np.array(tables, float)
    there[..., -1, :] = there[..., :, -1] = 0
    return there


def _of_all(tables: np.ndarray) -> np.ndarray:
    """Tables of all notes."""
    return tables


def _agreement(tables: np.ndarray) -> np.ndarray:
    """The share of notes that both say the same class of."""
    same = np.diagonal(tables, axis1=-2, axis2=-1)[..., :-1].sum(-1)
    return ratio(same, tables.sum((-1, -2)))


def _kappa(tables: np.ndarray) -> np.ndarray:
    """Cohen's; the first's failures and the second's are two categories of their own."""
    rows, columns = tables.sum(-1)[..., :-1], tables.sum(-2)[..., :-1]
    expected = ratio((rows * columns).sum(-1), tables.sum((-1, -2)) ** 2)
    return ratio(_agreement(tables) - expected, 1 - expected)


def _ac1(tables: np.ndarray) -> np.ndarray:
    """Gwet's; what chance agrees on is told by each one's own answers (see `confusion.ac1`)."""
    rows, columns = tables.sum(-1)[..., :-1], tables.sum(-2)[..., :-1]
    first, second = (ratio(each, each.sum(-1)[..., None]) for each in (rows, columns))
    mean = np.where(
        np.isnan(first), second, np.where(np.isnan(second), first, (first + second) / 2)
    )
    expected = ratio((mean * (1 - mean)).sum(-1), np.asarray(tables.shape[-1] - 2))
    return ratio(_agreement(tables) - expected, 1 - expected)


def _at_once(cells: int) -> Iterator[int]:
    some = max(1, _CELLS_AT_ONCE // cells)
    for done in range(0, DRAWS, some):
        yield min(some, DRAWS - done)
