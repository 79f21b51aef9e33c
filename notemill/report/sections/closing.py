"""What closes the page: methods to paste, a checklist, what is not known, how to read it."""

from __future__ import annotations

from collections.abc import Iterator

from notemill.report import numbers, tables
from notemill.report.blocks import Block, Heading, Paste, Section, Shown, Text
from notemill.report.record import ChecklistItem, Report
from notemill.report.tables import Cell, Column, Table

_YOURS = "Yours to say"


def closing_sections(report: Report) -> Iterator[Section]:
    """In this order; empty ones too."""
    yield Section("Methods, to paste", _methods(report))
    yield Section("Reporting checklist", list(_checklist(report)))
    yield Section("What is not known", _unknown(report))
    yield Section("How to read this page", _reading(report))


def _methods(report: Report) -> list[Block]:
    paragraphs = [(each.title, " ".join(each.sentences)) for each in report.methods]
    return [Paste("methods", paragraphs)] if paragraphs else []


def _checklist(report: Report) -> Iterator[Block]:
    guidelines = list(dict.fromkeys(item.guideline for item in report.checklist))
    columns = [
        Column("item", number=False),
        Column("what the run says", number=False),
        Column("yours to say", number=False),
    ]
    for guideline in guidelines:
        items = [item for item in report.checklist if item.guideline == guideline]
        filled = sum(bool(item.filled) for item in items)
        yield Heading(guideline)
        yield Shown(
            Table(
                f"{guideline}: {filled} of {len(items)} items have something from the run",
                [*([Column("part", number=False)] if _parted(items) else []), *columns],
                [_item(item)[0 if _parted(items) else 1 :] for item in items],
            )
        )


def _parted(items: list[ChecklistItem]) -> bool:
    return any(item.section for item in items)


def _item(item: ChecklistItem) -> list[Cell]:
    yours = item.yours or ("" if item.filled else _YOURS)
    return [
        tables.text(item.section),
        tables.text(item.item),
        tables.text(item.filled),
        Cell(yours, strong=not item.filled),
    ]


def _unknown(report: Report) -> list[Block]:
    columns = [Column("what", number=False), Column("why", number=False)]
    remedies = any(each.remedy for each in report.unknown)
    if remedies:
        columns.append(Column("what would tell it", number=False))
    rows = [
        [tables.text(each.what), tables.text(each.why)]
        + ([tables.text(each.remedy)] if remedies else [])
        for each in report.unknown
    ]
    return (
        [Shown(Table("What a reader may ask and this run can't tell", columns, rows))]
        if rows
        else []
    )


def _reading(report: Report) -> list[Block]:
    percent = numbers.percent(report.level, 10)
    blocks: list[Block] = [
        Text(
            f"0.912 (0.881 to 0.935) is a value with its {percent} interval. Where one has no "
            f"formula, it is taken from {report.draws:,} draws.",
            label="Intervals.",
        ),
        Text(
            "Figures are told twice. Over answered notes alone, and over all notes, where one "
            "without a valid answer counts as wrong. Sensitivity, specificity, PPV and NPV over "
            "all notes are the worst case: a failure is missed in its own class and a false alarm "
            "of each other one, so with more than two classes they can't all be true at once.",
            label="Answered, all.",
        ),
        Text(
            "A dash stands where a figure is not defined; the small number beside it leads to the "
            "reason below the table.",
            label=f"{numbers.DASH}.",
        ),
    ]
    if report.smallest_cell > 1:
        small = report.smallest_cell
        blocks.append(
            Text(
                f"Stands for 1 to {small - 1:,} notes, so that nobody is known by what notes say "
                "or who they are. Another cell is told as a range where one subtraction would give "
                "it away. Figures are as they were measured: with its n, one may let somebody who "
                "computes work such a cell out. Who may not know that should not be given this "
                "report; counts in the other files below results/ are true.",
                label=f"<{small:,}.",
            )
        )
    blocks.append(
        Text(
            "Click a heading, or press Enter on it, to sort by it. A table is copied with all its "
            "digits, each interval in columns of its own; plots are left out.",
            label="Tables.",
        )
    )
    return blocks
