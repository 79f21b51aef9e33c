"""What was answered: by class, length and time; tokens, attempts, evidence, failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from notemill.report import tables
from notemill.report.blocks import Block, Drawing, Facts, Heading, Section, Shown, Text, left
from notemill.report.charts.lines import histogram
from notemill.report.charts.marks import bar
from notemill.report.count import Count, Named, added, exactly
from notemill.report.numbers import capital, figure, listed, significant
from notemill.report.numbers import count as counted
from notemill.report.record import Across, Answered, FieldAnswered, Histogram, Report
from notemill.report.sections.names import answers_called
from notemill.report.tables import Cell, Column, Table, told, told_share

_ACROSS = 6
"""Classes with a column of their own in a table by length or time; the others together."""


def answers_section(report: Report, most: int, details: int) -> Section:
    """Every experiment over every cohort; so many of them with tables of their own.

    most: rows that a table may have.
    """
    shown = report.answers[:details]
    blocks: list[Block] = [Shown(_together(report))] if len(report.answers) > 1 else []
    for each in shown:
        blocks += _experiment(answers_called(report, each), each, most)
    return Section("Answers", [*blocks, *left(len(report.answers) - len(shown))])


def _together(report: Report) -> Table:
    """All of them, a row each."""
    top = max(each.answered.middle for each in report.answers)
    rows = [
        [
            tables.text(answers_called(report, each)),
            tables.plot(bar(each.answered.middle, top)),
            tables.counted(each.asked),
            tables.counted(each.answered),
            tables.counted_share(each.answered, each.asked),
            tables.counted(each.failed),
        ]
        for each in report.answers
    ]
    columns = [
        Column("experiment", number=False),
        Column("answered, drawn", plots=True),
        Column("notes asked"),
        Column("answered"),
        Column("share"),
        Column("failed"),
    ]
    return Table("Notes with a valid answer", columns, rows)


def _experiment(name: str, each: Answered, most: int) -> Iterator[Block]:
    yield Heading(name)
    yield Text(_ended(each))
    for field in each.fields:
        yield from _field(field, each.answered, most)
    if each.evidence:
        yield Heading("Evidence", 4)
    yield from _bars(
        "Whether the answer's quote stands in the note",
        each.evidence,
        "grade",
        each.answered,
    )
    if each.evidence_found is not None:
        yield Text(
            f"Share of answers whose quote was found: {figure(each.evidence_found)}. Such a quote "
            "is in the note; whether it supports the answer is another question."
        )
    if each.gate:
        yield Heading("Gate", 4)
        yield Shown(_gate(each))
    if each.gate_sent is not None:
        yield Text(
            f"Of notes that it cut, {each.gate_sent:.0%} of the characters were sent on average."
        )
    yield Heading("Failures and attempts", 4)
    yield from _bars("Why notes have no answer", each.failed_by, "reason", each.asked)
    yield from _bars("Attempts", each.attempts, "attempts", each.asked)
    if each.tokens:
        yield Heading("Tokens", 4)
    for numbers in each.tokens:
        yield from _histogram(numbers)


def _gate(each: Answered) -> Table:
    """What each rule of the task's gate did with notes."""
    rows = [
        [tables.text(rule.name), *map(tables.counted, (rule.not_relevant, rule.cut, rule.whole))]
        for rule in each.gate
    ]
    columns = [Column("rule", number=False), *map(Column, ("not asked", "sent cut", "sent whole"))]
    return Table("Notes by what the task's gate did", columns, rows)


def answered_of(each: Answered) -> str:
    """How many notes have an answer, in words."""
    return (
        f"{told(each.answered)} of {told(each.asked)} notes have a valid answer "
        f"({told_share(each.answered, each.asked)})"
    )


def _ended(each: Answered) -> str:
    parts = [
        answered_of(each),
        f"{told(each.failed)} failed" if each.failed.high else "none failed",
    ]
    if each.not_relevant.high:
        parts.append(f"{told(each.not_relevant)} more were settled by the task's gate, not asked")
    if each.waiting.high:
        parts.append(f"{told(each.waiting)} were not asked yet")
    sentence = capital(f"{', '.join(parts)}.")
    if each.loaded and each.values_compared is not None:
        tables = [f"table {each.results_table}"] if each.results_table else []
        sentence += (
            f" They are in {listed([*tables, *each.outputs])}; {counted(each.values_compared)} "
            f"values were read back from {each.kept_in}, and each was equal."
        )
    else:
        sentence += " They are not loaded yet."
    return sentence


def _field(field: FieldAnswered, answered: Count, most: int) -> Iterator[Block]:
    yield Heading(f"Field {field.name}", 4)
    if field.description:
        yield Text(field.description, "quiet")
    if field.kind == "choice":
        classes = [*field.classes, *_left_empty(field)]
        yield Shown(_classes(f"Notes by {field.name}", classes, "class", answered, most))
        for across in field.across:
            yield Shown(_across(field.name, across, most))
    else:
        if field.null.high:
            yield Text(f"{told(field.null)} answers leave it empty.")
        if field.kind in ("text", "list"):
            yield Text("Its values are not told, only how long they are.", "quiet")
    if field.histogram is not None:
        yield from _histogram(field.histogram)


def _left_empty(field: FieldAnswered) -> list[Named]:
    return [Named(name="(left empty)", count=field.null)] if field.null.high else []


def _bars(caption: str, named: Sequence[Named], what: str, of: Count) -> Iterator[Block]:
    if named:
        yield Shown(_classes(caption, named, what, of, len(named)))


def _classes(caption: str, named: Sequence[Named], what: str, of: Count, most: int) -> Table:
    top = max((each.count.middle for each in named), default=0)
    rows = [
        [
            tables.text(each.name),
            tables.plot(bar(each.count.middle, top)),
            tables.counted(each.count),
            tables.counted_share(each.count, of),
        ]
        for each in named
    ]
    kept, left_out = tables.first(rows, most, "rows")
    columns = [
        Column(what, number=False),
        Column("notes, drawn", plots=True),
        Column("notes"),
        Column("share"),
    ]
    return Table(caption, columns, kept, left_out)


def _across(field: str, across: Across, most: int) -> Table:
    """Ranges below each other; of each the share of every class, those with the most notes."""
    totals = [added(row).middle for row in across.cells]
    order = sorted(range(len(totals)), key=lambda place: -totals[place])[:_ACROSS]
    named = [place for place in range(len(totals)) if place in order]
    others = [place for place in range(len(totals)) if place not in order]
    columns = [
        Column(across.by, number=False),
        Column("notes"),
        *(Column(tables.text(across.classes[place]).text) for place in named),
        *([Column(f"{len(others)} others")] if others else []),
    ]
    rows = [
        _range(across, column, [*([place] for place in named), *([others] if others else [])])
        for column in range(len(across.columns))
    ]
    kept, left_out = tables.first(rows, most, "ranges")
    return Table(f"Share of {field} by {across.by}", columns, kept, left_out)


def _range(across: Across, column: int, groups: Sequence[Sequence[int]]) -> list[Cell]:
    all_of = exactly(across.notes[column])
    shares = [
        tables.counted_share(added([across.cells[place][column] for place in group]), all_of)
        for group in groups
    ]
    return [tables.text(across.columns[column]), tables.counted(all_of), *shares]


def _histogram(of: Histogram) -> Iterator[Block]:
    if not of.counts:
        return
    name = f"{of.name} ({of.unit})" if of.unit and of.unit not in of.name else of.name
    unit = min(high - low for low, high in pairwise(of.edges)) or 1.0
    # A wider range has a lower bar, of the same area.
    bins = [
        (low, high, count.middle * unit / ((high - low) or unit))
        for (low, high), count in zip(pairwise(of.edges), of.counts, strict=True)
    ]
    alike = all(abs(high - low - unit) < 1e-9 for low, high, _ in bins)
    title = f"Notes by {name}{'' if alike else f', in each {_edge(unit)}'}"
    yield Drawing(
        title,
        histogram(
            f"notes by {name}",
            f"from {significant(of.edges[0])} to {significant(of.edges[-1])}",
            bins,
        ),
    )
    if of.quantiles:
        yield Facts([(_quantile(share), counted(value)) for share, value in of.quantiles.items()])
    rows = [
        [
            Cell(_edge(low), (low,)),
            Cell(_edge(high), (high,)),
            tables.counted(count),
        ]
        for (low, high, _), count in zip(bins, of.counts, strict=True)
    ]
    columns = [Column("from"), Column("to below"), Column("notes")]
    yield Shown(Table(f"Notes by {name}", columns, rows), folded="this as a table")


def _edge(value: float) -> str:
    return counted(value) if value == int(value) else significant(value, 4)


def _quantile(share: str) -> str:
    try:
        value = float(share)
    except ValueError:
        return share
    return "median" if value == 0.5 else f"{value * 100:g}% have at most"
