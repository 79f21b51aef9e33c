"""Which counts may be told. The one place that decides it (docs/report.md).

A count from 1 to `smallest` - 1 is small and told as just that: 1 to smallest - 1. Who knows a
total and all its other parts could subtract; so one of the others is told as a range, as wide as if
each small one could be any of its values. Then every one of them still can: each choice of their
values has a value of that part which makes the total right. Which part it is says nothing either:
it is the first that would be taken whatever the small ones are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from notemill.report.count import Count, exactly


def is_small(count: int, smallest: int) -> bool:
    """Whether a count is not to be told; none is where `smallest` is 0 or 1."""
    return 0 < count < smallest


class Parts(NamedTuple):
    """The parts of a total as they are told.

    hidden: small counts that the total leaves free, for parts of the one that is told as a range.
    """

    counts: list[Count]
    hidden: tuple[int, ...]

    def below(self, which: int) -> tuple[int, ...]:
        """What is hidden in a part when it is told in parts of its own: all, if it is a range."""
        return () if self.counts[which].exact else self.hidden


def partition(parts: Sequence[int], smallest: int, hidden: Sequence[int] = ()) -> Parts:
    """How the parts of a total are told. Those to be told as a range first come first.

    hidden: small counts that are told elsewhere, and would make the total exact together with
    these parts: the total is a part of another one, told as a range for their sake. Where no part
    is large enough to be told as a range, none is told at all.
    """
    free = (*hidden, *(count for count in parts if is_small(count, smallest)))
    if not free:
        return Parts([exactly(count) for count in parts], ())
    told = [alone(count, smallest) for count in parts]
    whole = sum(parts) + sum(hidden)
    # Of half the parts' mean, so that one is seldom just about large enough.
    enough = max(smallest + len(free) * (smallest - 2), whole // (2 * len(parts)))
    for which, count in enumerate(parts):
        if count < enough:
            continue
        # Both ends follow from the total and the other parts, so they are the same for each choice
        # of values that the small ones may have.
        reach = count + sum(free)
        low, high = reach - len(free) * (smallest - 1), reach - len(free)
        if low < enough:
            break
        told[which] = Count(low=low, high=high)
        return Parts(told, free)
    untold = Count(low=0, high=max(whole, smallest - 1))
    return Parts([untold for _ in parts], free)


def total(counts: Sequence[Count]) -> Count:
    """The sum of what is told."""
    return Count(low=sum(each.low for each in counts), high=sum(each.high for each in counts))


def alone(count: int, smallest: int) -> Count:
    """A count that is no part of any total."""
    return Count(low=1, high=smallest - 1) if is_small(count, smallest) else exactly(count)


def merged_columns(cells: np.ndarray, smallest: int) -> list[slice]:
    """Which neighbouring columns of a table are told as one, so that no cell of it is small.

    cells: (rows, columns), or one row. One slice of everything where nothing less will do.
    """
    table = np.atleast_2d(cells)
    slices: list[slice] = []
    start = 0
    for end in range(1, table.shape[1] + 1):
        if not _any_small(table[:, start:end], smallest):
            slices.append(slice(start, end))
            start = end
    if start < table.shape[1]:
        rest = start
        while slices and _any_small(table[:, rest:], smallest):
            rest = slices.pop().start
        slices.append(slice(rest, table.shape[1]))
    return slices


def _any_small(columns: np.ndarray, smallest: int) -> bool:
    sums = columns.sum(-1)
    return bool(((sums > 0) & (sums < smallest)).any())
