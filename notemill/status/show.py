"""The status as a terminal shows it, and as plain text where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from notemill.status.jobs import look_for, silent_remedy
from notemill.status.report import ExperimentStatus, Job, ShardState, Status
from notemill.status.words import added, by_reason, hours, lasting, printable, ranges, rate

_BAR = 60
_MOST_ROWS = 100
"""Of jobs on a terminal; plain text has them all."""
_SIGNS = {"answered": ("━", "#"), "failed": ("╳", "x"), "settled": ("┅", "-"), "left": ("─", ".")}
"""Told apart by their form too, on a terminal and without one."""
_STYLES = {"answered": "blue", "failed": "yellow", "settled": "dim", "left": "dim"}

Rows = list[list[str]]
"""A table: its heading and its rows."""
Part = tuple[int, Text | Rows]
"""Lines or a table, and how many spaces stand before it."""
_NUMBERS = re.compile(r"[0-9]+")
_LEFT_COLUMNS = 2
"""Names; the others are numbers."""


def plain(status: Status) -> str:
    """The whole status as lines of any length, for pipes and logs."""
    lines = []
    for each in status.experiments:
        for indent, part in _experiment(each, fancy=False):
            text = _aligned(part) if isinstance(part, list) else str(part)
            lines += [" " * indent + line for line in text.split("\n")]
        lines.append("")
    return "\n".join([*lines, _last(status)])


def shown(status: Status, *, fancy: bool) -> RenderableType:
    """The whole status for a terminal. fancy: whether lines and crosses can be written."""
    parts: list[RenderableType] = []
    for each in status.experiments:
        for indent, part in _experiment(each, fancy):
            drawn = _table(part) if isinstance(part, list) else part
            parts.append(Padding(drawn, (0, 0, 0, indent), expand=False))
        parts.append(Text())
    return Group(*parts, Text(_last(status), style="dim"))


def _last(status: Status) -> str:
    last = "everything is done and loaded" if status.done else f"as of {status.at:%H:%M:%S} UTC"
    if status.unreadable:
        last += f"; {status.unreadable} files unreadable and left out"
    return f"{last}; results: {Path(status.results).absolute()}"


def _experiment(each: ExperimentStatus, fancy: bool) -> Iterator[Part]:
    yield 0, Text.assemble((each.experiment, "bold"), f" over {each.cohort}, {each.model}")
    if each.texts:
        yield 2, _bar(each, fancy)
    for line in (_texts(each), _speed(each), _hours(each), _shards(each), *each.remarks):
        if line:
            yield 2, Text(line)
    # What wants something of the user first: a low terminal does not show the end.
    if silent := [job for job in each.jobs if job.state is ShardState.SILENT]:
        yield 2, _rows(silent)
        yield from _of_silent(silent)
    for state in (ShardState.FAILED, ShardState.ENDED):
        for group in _alike([job for job in each.jobs if job.state is state]):
            yield from _trouble(state, group)
    if running := [job for job in each.jobs if job.state is ShardState.RUNNING]:
        yield 2, _rows(running)


def _bar(each: ExperimentStatus, fancy: bool) -> Text:
    texts = each.texts or 1
    until_answered = int(_BAR * each.answered / texts)
    ended = each.answered + each.failed + (each.settled or 0)
    until_settled = int(_BAR * ended / texts)
    until_failed = int(_BAR * (each.answered + each.failed) / texts)
    if each.failed and until_failed == until_answered:  # however few, they show
        until_answered = max(until_answered - 1, 0)
        until_failed = until_answered + 1
    lengths = {
        "answered": until_answered,
        "failed": until_failed - until_answered,
        "settled": until_settled - until_failed,
        "left": _BAR - max(until_settled, until_failed),
    }
    bar = Text(no_wrap=True)
    for part, length in lengths.items():
        bar.append(_SIGNS[part][not fancy] * length, _STYLES[part])
    share = 100 * ended / texts
    return bar.append(f" {int(share) if share < 100 else 100} %")


def _texts(each: ExperimentStatus) -> str:
    if each.texts is None:
        return "texts: unknown"
    reasons = f" ({by_reason(each.failed_by_status)})" if each.failed else ""
    settled = "" if each.settled is None else f"{each.settled:,} not relevant, "
    return (
        f"{each.texts:,} texts: {each.answered:,} answered, {each.failed:,} failed{reasons}, "
        f"{settled}{each.left:,} left"
    )


def _speed(each: ExperimentStatus) -> str:
    parts = []
    if each.texts_per_s:
        parts.append(f"{rate(each.texts_per_s)} texts/s now")
    if each.mean_texts_per_s is not None:
        parts.append(f"{rate(each.mean_texts_per_s)} texts/s on average")
    if each.left and each.seconds_left is not None:
        parts.append(f"about {lasting(each.seconds_left)} left")
    return ", ".join(parts)


def _hours(each: ExperimentStatus) -> str:
    spent = "GPU hours" if each.on_gpu else "job hours"
    hours_ = f"{spent}: {hours(each.gpu_hours.used)} used"
    if each.left and each.gpu_hours.estimated is not None:
        by = " by the pilot's speed" if each.gpu_hours.estimated_from == "pilot" else ""
        hours_ += f" of about {hours(each.gpu_hours.estimated)}{by}"
    return hours_


def _shards(each: ExperimentStatus) -> str:
    counts = each.shards.model_dump(exclude={"total"})
    states = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
    pilot = "" if each.pilot == "off" else f"; pilot {each.pilot}"
    loaded = "loaded" if each.loaded else "not loaded yet"
    repeat = "" if each.repeat == "off" else f"; repeat {each.repeat}"
    return f"{each.shards.total:,} shards: {states}{pilot}; {loaded}{repeat}"


def _rows(jobs: list[Job]) -> Rows:
    number = "Slurm job" if any(job.slurm_job for job in jobs) else "process"
    state = jobs[0].state.value
    silent = jobs[0].state is ShardState.SILENT
    last = ["silent since"] if silent else ["texts/s", "heard"]
    heading = [state, "host", number, "slots", "answered", "failed", "of", *last]
    return [heading] + [
        [
            job.shard,
            printable(_short(job.host)),
            printable(job.slurm_job or str(job.process)),
            _slots(job),
            f"{job.answered:,}",
            f"{job.failed:,}",
            "" if job.texts is None else f"{job.texts:,}",
            *([_since(job)] if silent else [_pace(job), f"{lasting(job.silent_s)} ago"]),
        ]
        for job in jobs
    ]


def _slots(job: Job) -> str:
    """Of each server, after the number of servers where there are several: 7/8x16."""
    slots = "" if job.slots is None else str(job.slots)
    if job.servers == 1:
        return slots
    left = f"{job.servers - job.given_up}/" if job.given_up else ""
    return f"{left}{job.servers}x{slots}"


def _since(job: Job) -> str:
    return f"{job.sign_of_life_at:%Y-%m-%d %H:%M} UTC, {lasting(job.silent_s)}"


def _pace(job: Job) -> str:
    return "loading" if job.loading else rate(job.texts_per_s)


def _of_silent(jobs: list[Job]) -> Iterator[Part]:
    """What to do about jobs that stopped without a word, and where their logs are."""
    first = jobs[0]
    slurm = sorted({job.slurm_job for job in jobs if job.slurm_job})
    look = f"squeue -j {','.join(slurm)}" if slurm else look_for(first)
    others = ", of the others SHARD.log beside it" if len(jobs) > 1 else ""
    yield 4, Text(printable(f"no sign of life for a minute or more: {silent_remedy(look)}"))
    yield 4, Text(printable(f"log: {first.log}{others}"))


def _aligned(rows: Rows) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number < _LEFT_COLUMNS else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _table(rows: Rows) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    heading, *jobs = rows
    for number, name in enumerate(heading):
        table.add_column(name, justify="left" if number < _LEFT_COLUMNS else "right")
    for row in jobs[:_MOST_ROWS]:
        table.add_row(*row)
    if more := len(jobs[_MOST_ROWS:]):
        table.add_row("...", f"{more:,} more")
    return table


def _alike(jobs: list[Job]) -> list[list[Job]]:
    """Jobs that failed for the same reason together, whatever the numbers in it."""
    groups: dict[object, list[Job]] = {}
    for job in jobs:
        why = _NUMBERS.sub("0", job.failure.what if job.failure else "")
        groups.setdefault((why, job.what_to_do), []).append(job)
    return list(groups.values())


def _trouble(state: ShardState, jobs: list[Job]) -> Iterator[Part]:
    first = jobs[0]
    many = f" ({len(jobs)} shards)" if len(jobs) > 1 else ""
    names = ranges([job.shard for job in jobs])
    said = f"{names}{many}: {_why(first)}"
    if reasons := by_reason(added(job.failed_by_status for job in jobs)):
        said += f" (texts failed: {reasons})"
    yield 2, Text.assemble((f"{state.value} ", "bold"), said)
    lines = {
        "where": first.failure.where if first.failure else None,
        "what to do": first.what_to_do,
        "log": first.log,
    }
    for name, words in lines.items():
        if words:
            yield 4, Text(printable(f"{name}: {words}"))


def _why(job: Job) -> str:
    if job.state is ShardState.ENDED:
        place = f"host {_short(job.host)}, {_process(job)}"
        return printable(f"by SIGTERM or Ctrl-C {lasting(job.silent_s)} ago, {place}")
    return printable(job.failure.what if job.failure else "")


def _short(host: str) -> str:
    """A node's name as Slurm has it."""
    return host.partition(".")[0]


def _process(job: Job) -> str:
    return f"Slurm job {job.slurm_job}" if job.slurm_job else f"process {job.process}"
