"""Grids of right values against answers, or of one's answers against another's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from markupsafe import Markup

from notemill.look.words import printed
from notemill.report import quality, tables
from notemill.report.blocks import Block, Drawing, Shown
from notemill.report.count import Count, added
from notemill.report.tables import Cell, Column, Table

MOST_CLASSES = 10
"""With more a grid is drawn without its numbers, which a list of its cells has."""
_LEVELS = 9


@dataclass(frozen=True)
class Grid:
    """table: its counts. heads: what its rows and its columns are."""

    table: quality.Table
    heads: tuple[str, str]
    unit: str = "notes"

    @property
    def small(self) -> bool:
        """Whether it can be shown with its numbers."""
        return max(len(self.table.rows), len(self.table.columns)) <= MOST_CLASSES + 1


def blocks(caption: str, of: Grid, most: int) -> Iterator[Block]:
    """The grid with its numbers, or as a picture with a list of its cells, at most so many."""
    if of.small:
        yield Shown(grid(caption, of))
        return
    if most < len(of.table.rows):
        yield Shown(pairs(caption, of, most))
        return
    yield Drawing(
        f"{caption}: rows are {of.heads[0]}, columns {of.heads[1]}, by the numbers of the list; "
        "darker is a larger share of the row",
        heat(caption, of),
    )
    yield Shown(pairs(caption, of, most))


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
        *(Column(printed(name)) for name in of.table.columns),
    ]
    return Table(caption, headings, [_row(of, place) for place in range(len(of.table.rows))])


def _row(of: Grid, place: int) -> list[Cell]:
    table, counts = of.table, of.table.cells[place]
    total = sum(count.middle for count in counts)
    cells = [tables.counted(count) for count in counts]
    shaded = [
        replace(cell, level=level(count, total), strong=table.rows[place] == table.columns[column])
        for column, (cell, count) in enumerate(zip(cells, counts, strict=True))
    ]
    return [tables.text(table.rows[place]), *shaded]


def heat(name: str, of: Grid) -> Markup:
    """The grid as a picture, its classes by number; `pairs` has them. name: what it shows."""
    rows, columns = len(of.table.rows), len(of.table.columns)
    squares: dict[int, list[str]] = defaultdict(list)
    for y, row in enumerate(of.table.cells):
        total = sum(count.middle for count in row)
        for x, count in enumerate(row):
            if dark := level(count, total):
                squares[dark].append(f"M{x} {y}h1v1h-1z")
    cells = [
        Markup('<path class="l{}" d="{}"/>').format(dark, "".join(paths))
        for dark, paths in sorted(squares.items())
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
    totals = [added(counts) for counts in of.table.cells]
    found = [
        (row, column, count)
        for row, counts in enumerate(of.table.cells)
        for column, count in enumerate(counts)
        if count.high
    ]
    found.sort(key=lambda each: -each[2].middle)
    cells = [
        [
            tables.text(f"{row + 1} {of.table.rows[row]}"),
            tables.text(f"{column + 1} {of.table.columns[column]}"),
            tables.counted(count),
            tables.counted_share(count, totals[row]),
        ]
        for row, column, count in found[:most]
    ]
    left = len(found) - len(cells)
    left_out = f"{left:,} more cells are in report.json" if left else ""
    headings = [
        Column(of.heads[0], number=False),
        Column(of.heads[1], number=False),
        Column(of.unit),
        Column("share of the row"),
    ]
    return Table(caption, headings, cells, left_out)
