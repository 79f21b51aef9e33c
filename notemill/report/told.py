"""From what was counted to what is told of it: classes, histograms, classes by length and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from notemill.answers.choices import Schema
from notemill.report.cells import Parts, merged_columns, partition
from notemill.report.count import Count, Named, exactly
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
    smallest: int,
    *,
    low: float = 0.0,
    width: float = 1.0,
    hidden: Sequence[int] = (),
) -> Histogram | None:
    """Bars of a nice width, none of them small. None where there is nothing to show.

    counts: of steps of `width`, from `low` on; hidden: see `cells.partition`.
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
    told = partition(merged, smallest, hidden)
    return Histogram(
        name=name,
        unit=unit,
        edges=[round(edge, 9) for edge in edges],
        counts=told.counts,
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


def across_all(
    fields: Sequence[FieldTally], untold: set[str], smallest: int, hidden: Sequence[int]
) -> dict[str, list[Across]]:
    """Choice fields by length and by time, as far as no cell of them is small.

    All fields have the same ranges, so none says what another leaves out. untold: names of fields
    with a small class, which have none.
    """
    choices = [each for each in fields if each.kind == "choice" and each.column.field not in untold]
    found: dict[str, list[Across]] = {each.column.field: [] for each in fields}
    for by in ("by_length", "by_month"):
        tables = {e.column.field: t for e in choices if (t := getattr(e, by)) is not None}
        for name, across in _together(tables, by, choices, smallest, hidden).items():
            found[name].append(across)
    return found


def _together(
    tables: dict[str, np.ndarray],
    by: str,
    fields: Sequence[FieldTally],
    smallest: int,
    hidden: Sequence[int],
) -> dict[str, Across]:
    """Ranges without small cells; a field whose classes are too rare for two ranges is left out."""
    left = dict(tables)
    while left:
        stacked = np.concatenate(list(left.values()))
        ranges = _ranges(stacked, by, smallest)
        if len(ranges.slices) > 1:
            by_name = {each.column.field: each for each in fields}
            told = {
                name: _across(by_name[name], table, ranges, smallest, hidden)
                for name, table in left.items()
            }
            return {name: across for name, across in told.items() if across}
        rarest = min(left, key=lambda name: _rarest(left[name]))
        del left[rarest]
    return {}


def _rarest(table: np.ndarray) -> int:
    sums = table.sum(-1)
    return int(sums[sums > 0].min(initial=np.iinfo(np.int64).max))


def _ranges(stacked: np.ndarray, by: str, smallest: int) -> Ranges:
    columns = stacked.sum(0)
    there = np.flatnonzero(columns)
    if not len(there):
        return Ranges(by, [], [])
    first, last = int(there[0]), int(there[-1])
    cuts = _equal_parts(columns, first, last) if by == "by_length" else _calendar(first, last)
    slices = [slice(a, b) for a, b in pairwise(cuts)]
    summed = np.stack([stacked[:, each].sum(-1) for each in slices], axis=1)
    merged = [
        slice(slices[each.start].start, slices[each.stop - 1].stop)
        for each in merged_columns(summed, smallest)
    ]
    if by == "by_length":
        names = [f"{each.start * BUCKET:,}–{each.stop * BUCKET - 1:,}" for each in merged]
        return Ranges(LENGTH, names, merged)
    names = []
    for each in merged:
        begin, *_, end = months_told(np.arange(each.start, each.stop)) * 2
        names.append(begin if each.stop - each.start == 1 else f"{begin} to {end}")
    return Ranges("time", names, merged)


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


def _across(
    field: FieldTally, table: np.ndarray, ranges: Ranges, smallest: int, hidden: Sequence[int]
) -> Across | None:
    """None where what is hidden in the total can't be left free."""
    cells = np.stack([table[:, each].sum(-1) for each in ranges.slices], axis=1)
    names = _row_names(field)
    rows = [row for row in range(len(names)) if row < len(field.labels) or cells[row].any()]
    told = [[exactly(int(cell)) for cell in row] for row in cells]
    if hidden and not _left_free(told, cells, smallest, hidden):
        return None
    return Across(
        by=ranges.by,
        columns=ranges.names,
        classes=[names[row] for row in rows],
        cells=[told[row] for row in rows],
    )


def _left_free(
    told: list[list[Count]], cells: np.ndarray, smallest: int, hidden: Sequence[int]
) -> bool:
    """Tell a cell as a range that takes up what is hidden in the total; whether one can.

    It is of the class that is a range in the field's own counts, and of the same column in all
    fields, whose columns have the same sums.
    """
    by_row = partition([int(each) for each in cells.sum(-1)], smallest, hidden).counts
    by_column = partition([int(each) for each in cells.sum(0)], smallest, hidden).counts
    row, column = _only_range(by_row), _only_range(by_column)
    if row is None or column is None:
        return False
    cell = partition([int(cells[row, column])], smallest, hidden).counts[0]
    if cell.low < smallest:
        return False
    told[row][column] = cell
    return True


def _only_range(counts: Sequence[Count]) -> int | None:
    found = [which for which, count in enumerate(counts) if not count.exact]
    return found[0] if len(found) == 1 else None


def _row_names(field: FieldTally) -> list[str]:
    return [*field.labels, ANOTHER, "(empty)"]


def field_told(
    field: FieldTally,
    schema: Schema,
    parts: Parts | None,
    across: list[Across],
    smallest: int,
    answered: int,
    hidden: Sequence[int],
) -> FieldAnswered:
    """What is told of a field. parts: of a choice field, its classes and null."""
    left_out = []
    classes: list[Named] = []
    if parts is not None:
        names = _row_names(field)[:-1]
        counts = dict(zip(names, parts.counts, strict=False))
        if not field.classes[len(field.labels)]:
            del counts[ANOTHER]
        classes = [Named(name=name, count=count) for name, count in counts.items()]
        null = parts.counts[-1]
        if parts.hidden and len(parts.hidden) > len(hidden):
            left_out.append(f"by length and time: a class has fewer than {smallest} notes")
        elif answered and not any(each.by == LENGTH for each in across):
            left_out.append(f"by length: there would be counts below {smallest}")
        elif answered and field.by_month is not None and len(across) < 2:
            left_out.append(f"over time: there would be counts below {smallest}")
    else:
        null = partition([answered - field.nulls, field.nulls], smallest, hidden).counts[1]
    return FieldAnswered(
        name=field.column.field,
        kind=field.kind,
        description=_description(schema, field.column.field),
        classes=classes,
        null=null,
        histogram=_field_histogram(field, smallest, hidden),
        across=across,
        left_out=left_out,
    )


def _field_histogram(field: FieldTally, smallest: int, hidden: Sequence[int]) -> Histogram | None:
    free = (*hidden, *([field.nulls] if 0 < field.nulls < smallest else []))
    name = field.column.field
    if field.numbers is not None:
        of = field.numbers
        return histogram(name, "", of.counts, smallest, low=of.low, width=of.width, hidden=free)
    if field.lengths is not None:
        unit = "characters" if field.kind == "text" else "characters, as JSON"
        return histogram(name, unit, field.lengths.counts, smallest, hidden=free)
    return None


def _description(schema: dict[str, Any], field: str) -> str:
    told = schema.get("properties", {}).get(field, {}).get("description", "")
    return told if isinstance(told, str) else ""
