"""Where and when: jobs, hours, speed, and how the work went over time."""

from __future__ import annotations

from collections.abc import Iterator

from notemill.report import numbers, tables
from notemill.report.blocks import Block, Drawing, Heading, Section, Shown
from notemill.report.charts.lines import over_time
from notemill.report.record import Answered, Report
from notemill.report.sections.names import answers_called
from notemill.report.tables import Cell, Column, Table
from notemill.status.axis import outline

_MOST_DRAWN = 8
_NO_GPU = "the jobs held no GPU, or which is not known"


def work_section(report: Report, most: int) -> Section:
    """A table of all experiments; lines for each. most: rows that a table may have."""
    if not report.answers:
        return Section("Where and when")
    blocks: list[Block] = [Shown(_table(report))]
    for each in report.answers[:_MOST_DRAWN]:
        blocks += _lines(answers_called(report, each), each, most)
    return Section("Where and when", blocks)


def _table(report: Report) -> Table:
    columns = [
        Column("experiment", number=False),
        Column("from (UTC)", number=False),
        Column("to (UTC)", number=False),
        Column("GPU", number=False),
        Column("jobs"),
        Column("time of all jobs"),
        Column("time on GPUs"),
        Column("notes/s of a job"),
        Column("tokens"),
        Column("kWh"),
    ]
    return Table("What the answers took", columns, [_row(report, each) for each in report.answers])


def _row(report: Report, each: Answered) -> list[Cell]:
    took = each.computing
    gpus = numbers.listed([f"{name} ({jobs})" for name, jobs in took.gpus.items()], 3)
    return [
        tables.text(answers_called(report, each)),
        tables.text(numbers.when(took.first_answer_at)),
        tables.text(numbers.when(took.last_answer_at)),
        tables.text(gpus) if gpus else tables.dash("no kind is known"),
        tables.number(took.jobs),
        tables.hours(took.job_hours),
        tables.hours(took.gpu_hours, _NO_GPU),
        tables.measured(took.notes_per_s, "not known"),
        tables.number(took.tokens),
        tables.measured(took.kwh, "no pilot measured the power"),
    ]


def _lines(name: str, each: Answered, most: int) -> Iterator[Block]:
    time = each.over_time
    spans = [
        (float(start), float(start + time.width_s), speed) for start, speed in time.texts_per_s
    ]
    ends = [float(at) for at in time.shards_done]
    if not spans or len(spans) + len(ends) < 3:
        return
    since = min(spans[0][0], *ends)
    until = max(spans[-1][1], *ends)
    yield Heading(f"{name} over time")
    top = max(speed for _, _, speed in spans)
    yield Drawing(
        "Texts a second, all jobs together",
        over_time(
            "texts a second over time",
            f"up to {numbers.significant(top)} texts a second",
            list(outline(spans)),
            since=since,
            until=until,
            most=top,
        ),
    )
    if ends:
        done = [(since, 0.0), *((at, float(number)) for number, at in enumerate(ends, 1))]
        yield Drawing(
            f"Shards done, of {each.shards:,} (times are UTC)",
            over_time(
                "shards done over time",
                f"{len(ends):,} of {each.shards:,} shards are done",
                done,
                since=since,
                until=until,
                most=each.shards,
                kind="second",
                whole=True,
            ),
        )
    yield Shown(_speeds(each, most), folded="these speeds as a table")


def _speeds(each: Answered, most: int) -> Table:
    time = each.over_time
    rows = [
        [
            tables.text(numbers.moment(start)),
            tables.measured(speed),
            tables.number(sum(at < start + time.width_s for at in time.shards_done)),
        ]
        for start, speed in time.texts_per_s
    ]
    kept, left_out = tables.first(rows, most, "spans of time")
    columns = [
        Column("from (UTC)", number=False),
        Column("texts a second"),
        Column("shards done by its end"),
    ]
    return Table(f"Texts a second in spans of {time.width_s:,} s", columns, kept, left_out)
