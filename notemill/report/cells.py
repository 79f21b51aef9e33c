"""Which counts may be told. The one place that decides it (docs/report.md).

A cell is a count of notes by what they say or by who they are. From 1 to `smallest` - 1 it is small
and told as just that. Who knows a total and all its other parts could subtract; so the next
smallest part is told as a range then, as wide as if each small one could be any of its values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

from notemill.report.count import Count
from notemill.report.quality import Table
from notemill.statistics.figure import Figure, undefined

Some = TypeVar("Some", bound=BaseModel)


def is_small(count: int, smallest: int) -> bool:
    """Whether a cell is not to be told; none is where `smallest` is 0 or 1."""
    return 0 < count < smallest


def partition(parts: Sequence[int], smallest: int) -> list[Count]:
    """The parts of a total that is told."""
    cells = np.array(parts, np.int64)
    low, high = _alone(cells, smallest)
    while _cover(cells, low, high, smallest):
        pass
    return _counts(low, high)


def matrix(cells: Sequence[Sequence[int]] | np.ndarray, smallest: int) -> list[list[Count]]:
    """A table's cells, of which the sum of each row, of each column and of all may be known."""
    table = np.ascontiguousarray(cells, np.int64)
    low, high = _alone(table, smallest)
    lines: list[Any] = [*range(len(table)), *((slice(None), at) for at in range(table.shape[-1]))]
    flat = (table.reshape(-1), low.reshape(-1), high.reshape(-1))
    again = True
    while again:
        covered = [_cover(table[at], low[at], high[at], smallest) for at in lines]
        again = any([*covered, _cover(*flat, smallest)])
    return [_counts(*row) for row in zip(low, high, strict=True)]


def table(
    rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[int]], smallest: int
) -> Table:
    """A table of notes by two things."""
    return Table(rows=list(rows), columns=list(columns), cells=matrix(cells, smallest))


def _alone(cells: np.ndarray, smallest: int) -> tuple[np.ndarray, np.ndarray]:
    small = (cells > 0) & (cells < smallest)
    return np.where(small, 1, cells), np.where(small, smallest - 1, cells)


def _counts(low: np.ndarray, high: np.ndarray) -> list[Count]:
    return [Count(low=int(a), high=int(b)) for a, b in zip(low, high, strict=True)]


def _cover(cells: np.ndarray, low: np.ndarray, high: np.ndarray, smallest: int) -> bool:
    """Tell one more of these cells as a range, in place, if their sum gives one away; whether so.

    low, high: between what each is told to lie.
    """
    loose = low < high
    total, there = int(cells.sum()), cells > 0
    if not loose.any() or there.sum() < 2:  # the only one is its total
        return False
    least = np.maximum(low, total - (high.sum() - high))
    most = np.minimum(high, total - (low.sum() - low))
    if (least < most)[loose].all():
        return False
    for at in np.argsort(cells, kind="stable"):
        reach = int(cells[at] + cells[loose].sum())
        if there[at] and not loose[at] and reach - high[loose].sum() >= max(smallest, 1):
            low[at], high[at] = reach - high[loose].sum(), reach - low[loose].sum()
            return True
    # None is large enough: of these is told alone that there are no more than all.
    wider = np.maximum(high, max(total, smallest - 1))
    changed = bool((low[there] > 0).any() or (high < wider)[there].any())
    low[there], high[there] = 0, wider[there]
    return changed


def alone(count: int, smallest: int) -> Count:
    """A cell that is no part of any total."""
    return partition([count], smallest)[0]


def merged_columns(cells: np.ndarray, smallest: int) -> list[slice]:
    """Which neighbouring columns of a table are told as one, so that no cell of it is small.

    cells: (rows, columns), or one row. One slice of everything where nothing less will do.
    """
    of = np.atleast_2d(cells)
    slices: list[slice] = []
    start = 0
    for end in range(1, of.shape[1] + 1):
        if not _any_small(of[:, start:end], smallest):
            slices.append(slice(start, end))
            start = end
    if start < of.shape[1]:
        rest = start
        while slices and _any_small(of[:, rest:], smallest):
            rest = slices.pop().start
        slices.append(slice(rest, of.shape[1]))
    return slices


def _any_small(columns: np.ndarray, smallest: int) -> bool:
    sums = columns.sum(-1)
    return bool(((sums > 0) & (sums < smallest)).any())


def of_many(part: Some, smallest: int) -> Some:
    """The same without figures of fewer than `smallest` notes, whose n would be a small cell."""

    def told(figure: Figure) -> Figure:
        if 0 < figure.n < smallest:
            return undefined(f"it rests on fewer than {smallest:,}")
        return figure

    return _figures(part, told)


def without_n(part: Some) -> Some:
    """The same, its figures not saying over how many notes."""
    return _figures(part, lambda figure: figure.model_copy(update={"n": 0}))


def _figures(part: Some, told: Callable[[Figure], Figure]) -> Some:
    def walked(of: Any) -> Any:
        if isinstance(of, dict):
            if of.keys() == Figure.model_fields.keys():
                return told(Figure.model_validate(of)).model_dump()
            return {name: walked(value) for name, value in of.items()}
        return [walked(each) for each in of] if isinstance(of, list | tuple) else of

    return type(part).model_validate(walked(part.model_dump()))
