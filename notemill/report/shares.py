"""Single figures, as far as they may be told, and tables of which all may be."""

from __future__ import annotations

import math
from collections.abc import Sequence

from notemill.report.cells import is_small
from notemill.report.count import exactly
from notemill.report.quality import Table
from notemill.statistics.figure import Figure, undefined

UNTOLD = "a small count is not told"


def share_told(figure: Figure, smallest: int) -> Figure:
    """A share, unless those that count, or those that don't, are few: then between what it lies."""
    if figure.value is None or not figure.n:
        return figure
    n = round(figure.n)
    k = round(figure.value * n)
    if is_small(n, smallest):
        return undefined(UNTOLD)
    if is_small(k, smallest):
        return undefined(f"between {1 / n:.2f} and {(smallest - 1) / n:.2f}: {UNTOLD}", n)
    if is_small(n - k, smallest):
        return undefined(f"between {1 - (smallest - 1) / n:.2f} and {1 - 1 / n:.2f}: {UNTOLD}", n)
    return figure


def at_least(figure: Figure) -> Figure:
    """A share of which is told alone what it is not below, in steps of 5 %."""
    if figure.value is None:
        return figure
    return undefined(f"at least {math.floor(figure.value * 20) / 20:.0%}: {UNTOLD}")


def rough(figure: Figure) -> Figure:
    """A figure to the hundredth, its interval not narrower, and not over how many."""
    if figure.value is None:
        return figure
    told = {"value": round(figure.value, 2), "n": 0, "why": figure.why}
    if figure.low is not None and figure.high is not None:
        told |= {
            "low": math.floor(figure.low * 100) / 100,
            "high": math.ceil(figure.high * 100) / 100,
        }
    return Figure.model_validate(told)


def of_many(figure: Figure, smallest: int) -> Figure:
    """A mean, unless it is of few."""
    return undefined(UNTOLD) if is_small(round(figure.n), smallest) else figure


def table_told(labels: Sequence[str], table: Sequence[Sequence[int]]) -> Table:
    """A table without a small cell."""
    cells = [[exactly(count) for count in row] for row in table]
    return Table(rows=list(labels), columns=list(labels), cells=cells)
