"""From what was counted to what is told of it: classes, histograms, classes by length and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from notemill.answers.choices import Schema
from notemill.report.cells import alone, matrix, merged_columns, partition
from notemill.report.count import Named
from notemill.report.record import Across, FieldAnswered, Histogram
from notemill.report.tally import ANOTHER, BUCKET, FieldTally, months_told

_BARS = 24
_RANGES = 6
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LENGTH = "length"


def histogram(
    name: str,
    unit: str,
    counts: np.ndarray,
    *,
    low: float = 0.0,
    width: float = 1.0,
    smallest: int = 0,
    others: Sequence[int] = (),
) -> Histogram | None:
    """Bars of a nice width, none of them small. None where there is nothing to show.

    counts: of steps of `width`, from `low` on; others: that make a total with all bars.
    """
    there = np.flatnonzero(counts)
    if not len(there):
        return None
    first, last = int(there[0]), int(there[-1])
    step = _nice_step(last - first + 1)
    start = first // step * step
    bars = -(-(last + 1 - start) // step)
    padded = np.zeros(bars * step, np.int64)
    padded[: last + 1 - start] = counts[start : last + 1]
    summed = padded.reshape(bars, step).sum(-1)
    slices = merged_columns(summed, smallest)
    merged = [int(summed[each].sum()) for each in slices]
    edges = [low + (start + each.start * step) * width for each in slices]
    edges.append(low + (start + bars * step) * width)
    return Histogram(
        name=name,
        unit=unit,
        edges=[round(edge, 9) for edge in edges],
        counts=partition([*merged, *others], smallest)[: len(merged)],
        quantiles=_quantiles(counts, smallest, low, width),
    )


def _nice_step(steps: int) -> int:
    """1, 2, 5, 10 and so on, so that there are at most so many bars."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if steps <= _BARS * factor * size:
                return factor * size
        size *= 10


def _quantiles(counts: np.ndarray, smallest: int, low: float, width: float) -> dict[str, float]:
    """Those with so many notes on either side that they are no one's own."""
    n = int(counts.sum())
    sums = np.cumsum(counts)
    found = {}
    for share in _QUANTILES:
        if n * min(share, 1 - share) >= max(smallest, 1):
            at = int(np.searchsorted(sums, share * n))
            found[f"{share:g}"] = round(low + at * width, 9)
    return found


@dataclass(frozen=True)
class Ranges:
    """How notes are told by something: names of its ranges, and which steps each holds."""

    by: str
    names: list[str]
    slices: list[slice]


def _ranges(table: np.ndarray, by: str, smallest: int) -> Ranges:
    columns = table.sum(0)
    there = np.flatnonzero(columns)
    if not len(there):
        return Ranges(by, [], [])
    first, last = int(there[0]), int(there[-1])
    cuts = _equal_parts(columns, first, last) if by == LENGTH else _calendar(first, last)
    slices = [slice(a, b) for a, b in pairwise(cuts)]
    summed = np.stack([table[:, each].sum(-1) for each in slices], axis=1)
    # Of a class that is rare itself no range has enough, so the others need not be told as one.
    merged = merged_columns(summed[summed.sum(-1) >= smallest], smallest)
    if len(merged) > 1:
        slices = [slice(slices[a.start].start, slices[a.stop - 1].stop) for a in merged]
    if by == LENGTH:
        names = [f"{each.start * BUCKET:,}–{each.stop * BUCKET - 1:,}" for each in slices]
        return Ranges(by, names, slices)
    names = []
    for each in slices:
        begin, *_, end = months_told(np.arange(each.start, each.stop)) * 2
        names.append(begin if each.stop - each.start == 1 else f"{begin} to {end}")
    return Ranges(by, names, slices)


def _equal_parts(columns: np.ndarray, first: int, last: int) -> list[int]:
    sums = np.cumsum(columns)
    wanted = [np.searchsorted(sums, sums[-1] * part / _RANGES) + 1 for part in range(1, _RANGES)]
    return sorted({first, *(int(cut) for cut in wanted if first < cut <= last), last + 1})


def _calendar(first: int, last: int) -> list[int]:
    """Months, quarters or years, so that there are at most some dozens."""
    months = last - first + 1
    step = 1 if months <= 36 else 3 if months <= 108 else 12
    start = first // step * step
    return list(range(start, last + step + 1, step))


def _across(field: FieldTally, table: np.ndarray | None, by: str, smallest: int) -> list[Across]:
    """A table of the field's classes by a thing; none where all notes are in one range of it."""
    ranges = _ranges(table, by, smallest) if table is not None else None
    if table is None or ranges is None or len(ranges.slices) < 2:
        return []
    cells = np.stack([table[:, each].sum(-1) for each in ranges.slices], axis=1)
    names = _row_names(field)
    rows = [row for row in range(len(names)) if row < len(field.labels) or cells[row].any()]
    return [
        Across(
            by=ranges.by,
            columns=ranges.names,
            notes=[int(each) for each in cells.sum(0)],
            classes=[names[row] for row in rows],
            cells=matrix(cells[rows], smallest),
        )
    ]


def _row_names(field: FieldTally) -> list[str]:
    return [*field.labels, ANOTHER, "(empty)"]


def field_told(field: FieldTally, schema: Schema, smallest: int) -> FieldAnswered:
    """What is told of a field."""
    classes: list[Named] = []
    across: list[Across] = []
    if field.kind == "choice":
        counts = partition([int(count) for count in field.classes], smallest)
        classes = [
            Named(name=name, count=count)
            for name, count in zip(_row_names(field), counts[:-1], strict=False)
            if name != ANOTHER or count.high
        ]
        null = counts[-1]
        across = [
            *_across(field, field.by_length, LENGTH, smallest),
            *_across(field, field.by_month, "time", smallest),
        ]
    else:
        null = alone(field.nulls, smallest)
    return FieldAnswered(
        name=field.column.field,
        kind=field.kind,
        description=_description(schema, field.column.field),
        classes=classes,
        null=null,
        histogram=_field_histogram(field, smallest),
        across=across,
    )


def _field_histogram(field: FieldTally, smallest: int) -> Histogram | None:
    name, others = field.column.field, [field.nulls]
    if (of := field.numbers) is not None:
        return histogram(
            name, "", of.counts, low=of.low, width=of.width, smallest=smallest, others=others
        )
    if field.lengths is not None:
        unit = "characters" if field.kind == "text" else "characters, as JSON"
        return histogram(name, unit, field.lengths.counts, smallest=smallest, others=others)
    return None


def _description(schema: dict[str, Any], field: str) -> str:
    told = schema.get("properties", {}).get(field, {}).get("description", "")
    return told if isinstance(told, str) else ""
