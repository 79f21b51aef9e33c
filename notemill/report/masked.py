"""Figures of right values against answers, as far as they may be told.

Each row of a table, the notes of one right value, is told as the parts of a total that others may
know (cells.py). A figure of a table with a small cell is told by nothing but what the cells say:
the least and the greatest value that it has over all tables that would be told the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from notemill.report.cells import Parts, is_small, partition
from notemill.report.count import Count
from notemill.report.quality import ChoicesMeasured, Table
from notemill.statistics import confusion
from notemill.statistics.confusion import Counting, against_rest, counted
from notemill.statistics.figure import Figure, undefined
from notemill.statistics.measures import ClassFigures, Counted, Measured

NO_ANSWER = "(no answer)"
MOST_TABLES = 5000
"""That would be told the same, of which figures are taken; of more none is told."""


def measured_told(of: Measured, smallest: int) -> ChoicesMeasured:
    """A table and its figures."""
    table = np.array(of.table)
    if not has_small(table, smallest):
        parts = [partition([int(cell) for cell in row], smallest) for row in table]
        return ChoicesMeasured(
            table=_table(of.labels, parts),
            clusters=of.clusters,
            coverage=of.coverage,
            answered=of.answered,
            all=of.all,
        )
    parts = [_row(row, which, smallest) for which, row in enumerate(table)]
    tables = same_told(table, parts, smallest)
    with np.errstate(divide="ignore", invalid="ignore"):
        covered = None
        if tables is not None:
            covered = tables[..., :-1].sum((-1, -2)) / tables.sum((-1, -2))
        return ChoicesMeasured(
            table=_table(of.labels, parts),
            clusters=of.clusters,
            coverage=told_between(covered),
            answered=_counted(of.labels, tables, Counting.ANSWERED),
            all=_counted(of.labels, tables, Counting.ALL),
        )


def has_small(table: np.ndarray, smallest: int) -> bool:
    """Whether a table has a cell that is not told."""
    return any(is_small(int(cell), smallest) for cell in table.flat)


def told_between(values: np.ndarray | None) -> Figure:
    """A figure of which no more is told than between what it lies."""
    known = values[np.isfinite(values)] if values is not None else np.empty(0)
    if values is None or not len(known):
        return undefined("a small count is not told")
    low, high = float(known.min()), float(known.max())
    return undefined(f"between {low:.2f} and {high:.2f}: a small count is not told")


def _row(row: np.ndarray, hit: int, smallest: int) -> Parts:
    """The cells of one right value; told as a range is, if it can be, the hits."""
    order = [hit, *(column for column in range(len(row)) if column != hit)]
    told = partition([int(row[column]) for column in order], smallest)
    counts = [told.counts[order.index(column)] for column in range(len(row))]
    return Parts(counts, told.hidden)


def same_told(table: np.ndarray, parts: Sequence[Parts], smallest: int) -> np.ndarray | None:
    """All tables whose cells would be told like these, (tables, rows, columns); None if too many
    are, or a row is not told at all."""
    rows = [_rows_told(row, told, smallest) for row, told in zip(table, parts, strict=True)]
    if any(row is None for row in rows):
        return None
    known = [row for row in rows if row is not None]
    if np.prod([len(row) for row in known], dtype=float) > MOST_TABLES:
        return None
    return np.stack([np.stack(choice) for choice in product(*known)])


def _rows_told(row: np.ndarray, told: Parts, smallest: int) -> list[np.ndarray] | None:
    small = [column for column, cell in enumerate(row) if is_small(int(cell), smallest)]
    if not small:
        return [row]
    ranged = [c for c, count in enumerate(told.counts) if not count.exact and c not in small]
    if len(ranged) != 1 or len(small) > 5:
        return None
    rows = []
    for values in product(range(1, smallest), repeat=len(small)):
        other = row.copy()
        other[small] = values
        other[ranged[0]] += row[small].sum() - sum(values)
        rows.append(other)
    return rows


def _table(labels: Sequence[str], parts: Sequence[Parts]) -> Table:
    return Table(
        rows=list(labels),
        columns=[*labels, NO_ANSWER],
        cells=[list(told.counts) for told in parts],
    )


def _counted(labels: Sequence[str], tables: np.ndarray | None, counting: Counting) -> Counted:
    tables = None if tables is None else counted(tables, counting)

    two = None if tables is None else against_rest(tables)
    f1 = None if tables is None else confusion.f1(tables)

    def of(score: Callable[[np.ndarray], np.ndarray], which: int | None = None) -> Figure:
        if tables is None or two is None:
            return told_between(None)
        return told_between(score(tables if which is None else two[:, which]))

    return Counted(
        accuracy=of(confusion.agreement),
        kappa=of(confusion.kappa),
        ac1=of(confusion.ac1),
        macro_f1=of(confusion.macro_f1),
        classes=[
            ClassFigures(
                label=label,
                sensitivity=of(confusion.sensitivity, which),
                specificity=of(confusion.specificity, which),
                ppv=of(confusion.ppv, which),
                npv=of(confusion.npv, which),
                f1=told_between(None if f1 is None else f1[:, which]),
            )
            for which, label in enumerate(labels)
        ],
    )


def wrong_told(wrong: Sequence[int], n: Sequence[int], smallest: int) -> list[Figure]:
    """Accuracies of parts of some notes, by the wrong answers in each, where a table of one part
    would say what another's leaves out."""
    told = partition(list(wrong), smallest)
    figures = []
    for count, of in zip(told.counts, n, strict=True):
        low, high = 1 - min(count.high, of) / of, 1 - count.low / of
        figures.append(
            Figure(value=high, n=of, why="the interval is not told with it")
            if count.exact
            else undefined(f"between {low:.2f} and {high:.2f}: a small count is not told")
        )
    return figures


def untold_cells(rows: int, columns: int, high: int) -> list[list[Count]]:
    """A table of which nothing is told."""
    return [[Count(low=0, high=high) for _ in range(columns)] for _ in range(rows)]
