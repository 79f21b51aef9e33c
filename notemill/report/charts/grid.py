"""Grids of right values against answers, or of one's answers against another's."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from notemill.report import tables
from notemill.report.numbers import percent
from notemill.report.tables import Cell, Column, Table

MOST_CLASSES = 10
"""With more a grid is drawn without its numbers, which a list of its cells has."""
_LEVELS = 9
Count = int | None
"""Of a cell; None where it is too small to be told."""


def level(count: Count, total: float) -> int | None:
    """How dark a cell is: by its share of the row, from 1; None where nothing is in it."""
    if not count or not total:
        return None
    return min(_LEVELS, 1 + int(count / total * _LEVELS))


def grid(
    caption: str, labels: Sequence[str], last: str, counts: Sequence[Sequence[Count]], small: str
) -> Table:
    """The grid as a table. labels: of its rows; last: of the column after theirs, if there is one.

    counts: a row a label; small: what is printed for a count that is too small to be told.
    """
    names = [*labels, *([last] if counts and len(counts[0]) > len(labels) else [])]
    columns = [Column("", number=False), *(Column(name) for name in names), Column("all")]
    rows = []
    for label, row in zip(labels, counts, strict=False):
        known = sum(filter(None, row))
        cells = [
            _cell(count, known, place == len(rows), small) for place, count in enumerate(row)
        ]
        rows.append([tables.text(label), *cells, _total(row, small)])
    return Table(caption, columns, rows)


def _cell(count: Count, total: float, same: bool, small: str) -> Cell:
    if count is None:
        return Cell(small, (small,), strong=same)
    return Cell(f"{count:,}", (count,), level=level(count, total), strong=same)


def _total(row: Sequence[Count], small: str) -> Cell:
    if None in row:
        return Cell("", ("",))
    return tables.number(sum(filter(None, row)))


def heat(name: str, labels: Sequence[str], counts: Sequence[Sequence[Count]]) -> Markup:
    """The grid as a picture, its classes by number; `pairs` has them. name: what it shows."""
    rows, columns = len(counts), len(counts[0])
    cells = []
    for y, row in enumerate(counts):
        total = sum(filter(None, row))
        for x, count in enumerate(row):
            dark = level(count, total) if count is not None else 1
            if dark:
                cells.append(Markup('<rect class="l{}" x="{}" y="{}"/>').format(dark, x, y))
    step = 1 if rows <= 20 else 5
    ticks = [
        Markup('<text x="{}" y="-.4">{}</text><text x="-.4" y="{}" class="row">{}</text>').format(
            each + 0.5, each + 1, each + 0.8, each + 1
        )
        for each in range(rows)
        if step == 1 or each == 0 or (each + 1) % step == 0
    ]
    return Markup(
        '<svg class="heat" role="img" viewBox="-2 -2 {} {}"><title>{}</title>'
        '<rect class="frame" width="{}" height="{}"/>{}{}</svg>'
    ).format(
        columns + 3, rows + 3, name, columns, rows, Markup("").join(cells), Markup("").join(ticks)
    )


def pairs(
    caption: str,
    heads: tuple[str, str],
    labels: Sequence[str],
    last: str,
    counts: Sequence[Sequence[Count]],
    small: str,
) -> list[list[Cell]]:
    """The cells of a grid in which something is, a row each, the largest first.

    heads: what its rows and its columns are.
    """
    names = [*labels, last]
    found = [
        (label, names[place], count, sum(filter(None, row)))
        for label, row in zip(labels, counts, strict=False)
        for place, count in enumerate(row)
        if count != 0
    ]
    found.sort(key=lambda each: -(each[2] or 0))
    return [_pair(*each, small) for each in found]


def _pair(label: str, name: str, count: Count, total: int, small: str) -> list[Cell]:
    told = Cell(small, (small,)) if count is None else tables.number(count)
    of_row = Cell("", ("",)) if count is None else Cell(percent(count / total, total), (count / total,))
    return [tables.text(label), tables.text(name), told, of_row]
