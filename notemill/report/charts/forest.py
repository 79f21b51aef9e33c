"""Tables of figures with their intervals drawn beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from notemill.report import tables
from notemill.report.charts.marks import axis, forest_scale, points
from notemill.report.tables import Cell, Column, Table
from notemill.statistics.figure import Figure

TWICE = ("answered notes", "all notes, no answer is wrong")
"""How figures are told twice."""


@dataclass(frozen=True)
class Row:
    """heads: what it is of, a cell each. figures: drawn and told, in the order of the columns;
    None where there is none to tell. more: cells after them."""

    heads: Sequence[str]
    figures: Sequence[Figure]
    more: Sequence[Cell] = ()


@dataclass(frozen=True)
class Forest:
    """heads, names, more: headings of the rows' heads, figures and further cells.

    share: figures are from 0 to 1; signed: they are differences, and 0 is none. n: whether it is
    told what each figure was counted over.
    """

    caption: str
    heads: Sequence[str]
    names: Sequence[str]
    rows: Sequence[Row]
    more: Sequence[Column] = ()
    share: bool = True
    signed: bool = False
    n: bool = True


class Forests:
    """Makes the tables of one page, in which each grid of lines has a name of its own.

    most: rows that a table may have. details: experiments that may have tables of their own.
    """

    def __init__(self, most: int, details: int) -> None:
        self.most = most
        self.details = details
        self._names = count(1)

    def table(self, of: Forest) -> Table:
        """The table: heads, plot, then each figure with what it was counted over."""
        kept = list(of.rows)[: self.most]
        on = forest_scale([each for row in kept for each in row.figures], share=of.share)
        grid = f"g{next(self._names)}"
        columns = [Column(name, number=False) for name in of.heads]
        columns.append(Column("plot", plots=True, axis=axis(on, grid, zero=of.signed)))
        for name in of.names:
            columns.append(Column(name, copied=tables.interval(name)))
            columns += [Column("n")] * of.n
        rows = [
            [
                *map(tables.text, row.heads),
                tables.plot(points(on, row.figures, grid)),
                *(cell for each in row.figures for cell in self._cells(each, of)[: 1 + of.n]),
                *[Cell()] * ((1 + of.n) * (len(of.names) - len(row.figures))),
                *row.more,
            ]
            for row in kept
        ]
        left = len(of.rows) - len(kept)
        left_out = f"{left:,} more rows are in report.json" if left else ""
        return Table(of.caption, [*columns, *of.more], rows, left_out)

    @staticmethod
    def _cells(told: Figure, of: Forest) -> list[Cell]:
        """The figure, and what it was counted over."""
        n = tables.number(told.n) if told.n else Cell()
        return [tables.figure(told, signed=of.signed), n]
