"""Grids of right values against answers, or of one's answers against another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from notemill.look.words import printed
from notemill.report import tables
from notemill.report.count import Count
from notemill.report.tables import Cell, Column, Table

MOST_CLASSES = 10
"""With more a grid is drawn without its numbers, which a list of its cells has."""
_LEVELS = 9


@dataclass(frozen=True)
class Grid:
    """labels: of its rows, and of as many columns; last: of a column after theirs, if there is one.

    heads: what its rows and its columns are. counts: a row a label.
    """

    labels: Sequence[str]
    last: str
    heads: tuple[str, str]
    counts: Sequence[Sequence[Count]]

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        wide = bool(self.counts) and len(self.counts[0]) > len(self.labels)
        return [*self.labels, *([self.last] if wide else [])]

    @property
    def small(self) -> bool:
        """Whether it can be shown with its numbers."""
        return len(self.labels) <= MOST_CLASSES


def level(count: Count, total: float) -> int | None:
    """How dark a cell is: by its share of the row, from 1; None where nothing is in it."""
    if not count.high or not total:
        return None
    return min(_LEVELS, 1 + int(count.middle / total * _LEVELS))


def grid(caption: str, of: Grid) -> Table:
    """The grid as a table; the cells in which both are the same stand out."""
    rows, columns = of.heads
    headings = [
        Column(f"{rows} \u2193 {columns} \u2192", number=False),
        *(Column(printed(name)) for name in of.names),
    ]
    return Table(caption, headings, [_row(of, place) for place in range(len(of.counts))])


def _row(of: Grid, place: int) -> list[Cell]:
    counts = of.counts[place]
    total = sum(count.middle for count in counts)
    cells = [tables.counted(count) for count in counts]
    shaded = [
        replace(cell, level=level(count, total), strong=column == place)
        for column, (cell, count) in enumerate(zip(cells, counts, strict=True))
    ]
    return [tables.text(of.labels[place]), *shaded]


def heat(name: str, of: Grid) -> Markup:
    """The grid as a picture, its classes by number; `pairs` has them. name: what it shows."""
    rows, columns = len(of.counts), len(of.names)
    cells = [
        Markup('<rect class="l{}" x="{}" y="{}"/>').format(dark, x, y)
        for y, row in enumerate(of.counts)
        for total in [sum(count.middle for count in row)]
        for x, count in enumerate(row)
        for dark in [level(count, total)]
        if dark
    ]
    every = 1 if rows <= 20 else 5
    ticks = [
        Markup('<text x="{}" y="-.4">{}</text><text x="-.4" y="{}" class="row">{}</text>').format(
            place + 0.5, place + 1, place + 0.8, place + 1
        )
        for place in range(rows)
        if every == 1 or place == 0 or (place + 1) % every == 0
    ]
    return Markup(
        '<svg class="heat" role="img" viewBox="-2 -2 {} {}"><title>{}</title>'
        '<rect class="frame" width="{}" height="{}"/>{}{}</svg>'
    ).format(
        columns + 3, rows + 3, name, columns, rows, Markup("").join(cells), Markup("").join(ticks)
    )


def pairs(caption: str, of: Grid, most: int) -> Table:
    """The cells of a grid in which something is, a row each, the largest first; at most so many."""
    found = [
        (row, column, count, _together(counts))
        for row, counts in enumerate(of.counts)
        for column, count in enumerate(counts)
        if count.high
    ]
    found.sort(key=lambda each: -each[2].middle)
    cells = [
        [
            tables.text(f"{row + 1} {of.labels[row]}"),
            tables.text(f"{column + 1} {of.names[column]}"),
            tables.counted(count),
            tables.counted_share(count, total),
        ]
        for row, column, count, total in found
    ]
    kept, left_out = tables.first(cells, most, "cells")
    headings = [
        Column(of.heads[0], number=False),
        Column(of.heads[1], number=False),
        Column("notes"),
        Column("share of the row"),
    ]
    return Table(caption, headings, kept, left_out)


def _together(counts: Sequence[Count]) -> Count:
    return Count(low=sum(each.low for each in counts), high=sum(each.high for each in counts))
