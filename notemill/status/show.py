"""The status as a terminal shows it, and as plain text where there is none."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from notemill.status.jobs import look_for, silent_remedy
from notemill.status.report import ExperimentStatus, Job, ShardState, Status
from notemill.status.words import by_reason, hours, lasting, printable, ranges, rate

_BAR = 60
_MOST_ROWS = 100
"""Of jobs on a terminal; plain text has them all."""
_SIGNS = {"answered": ("━", "#"), "failed": ("╳", "x"), "left": ("─", ".")}
"""Told apart by their form too, on a terminal and without one."""
_STYLES = {"answered": "blue", "failed": "yellow", "left": "dim"}

Rows = list[list[str]]
"""A table: its heading and its rows."""
_LEFT_COLUMNS = 2
"""Names; the others are numbers."""


def plain(status: Status) -> str:
    """The whole status as lines of any length, for pipes and logs."""
    lines = []
    for each in status.experiments:
        title, *parts = _experiment(each, fancy=False)
        lines.append(str(title))
        for part in parts:
            text = _aligned(part) if isinstance(part, list) else str(part)
            lines += [f"  {line}" for line in text.split("\n")]
        lines.append("")
    return "\n".join([*lines, _last(status)])


def shown(status: Status, *, fancy: bool) -> RenderableType:
    """The whole status for a terminal. fancy: whether lines and crosses can be written."""
    shown: list[RenderableType] = []
    for each in status.experiments:
        title, *parts = _experiment(each, fancy)
        shown.append(title if isinstance(title, Text) else Text())
        for part in parts:
            shown.append(_indented(_table(part) if isinstance(part, list) else part))
        shown.append(Text())
    return Group(*shown, Text(_last(status), style="dim"))


def _last(status: Status) -> str:
    last = "everything is done and loaded" if status.done else f"as of {status.at:%H:%M:%S} UTC"
    if status.unreadable:
        last += f"; {status.unreadable} files unreadable and left out"
    return f"{last}; results: {status.results}"


def _experiment(each: ExperimentStatus, fancy: bool) -> Iterator[Text | Rows]:
    yield Text.assemble((each.experiment, "bold"), f" over {each.cohort}, {each.model}")
    if each.texts:
        yield _bar(each, fancy)
    for line in (_texts(each), _speed(each), _shards(each), *each.remarks):
        yield Text(line)
    if running := [job for job in each.jobs if job.state is ShardState.RUNNING]:
        yield _rows(running)
    if silent := [job for job in each.jobs if job.state is ShardState.SILENT]:
        yield _rows(silent)
        yield _of_silent(silent)
    for state in (ShardState.FAILED, ShardState.ENDED):
        for group in _alike([job for job in each.jobs if job.state is state]):
            yield _trouble(state, group)


def _bar(each: ExperimentStatus, fancy: bool) -> Text:
    texts = each.texts or 1
    until_answered = int(_BAR * each.answered / texts)
    until_failed = int(_BAR * (each.answered + each.failed) / texts)
    if each.failed and until_failed == until_answered:  # however few, they show
        until_answered = max(until_answered - 1, 0)
        until_failed = until_answered + 1
    lengths = {
        "answered": until_answered,
        "failed": until_failed - until_answered,
        "left": _BAR - until_failed,
    }
    bar = Text(no_wrap=True)
    for part, length in lengths.items():
        bar.append(_SIGNS[part][not fancy] * length, _STYLES[part])
    share = 100 * (each.answered + each.failed) / texts
    return bar.append(f" {int(share) if share < 100 else 100} %")


def _texts(each: ExperimentStatus) -> str:
    if each.texts is None:
        return "texts: unknown"
    reasons = f" ({by_reason(each.failed_by_status)})" if each.failed else ""
    return (
        f"{each.texts:,} texts: {each.answered:,} answered, {each.failed:,} failed{reasons}, "
        f"{each.left:,} left"
    )


def _speed(each: ExperimentStatus) -> str:
    parts = []
    if each.shards.running:
        parts.append(f"{rate(each.texts_per_s)} texts/s now")
    if each.mean_texts_per_s is not None:
        parts.append(f"{rate(each.mean_texts_per_s)} texts/s on average")
    if each.left and each.seconds_left is not None:
        parts.append(f"about {lasting(each.seconds_left)} left")
    spent = "GPU hours" if each.on_gpu else "job hours"
    cost = f"{spent}: {hours(each.gpu_hours.used)} used"
    if each.left and each.gpu_hours.estimated is not None:
        cost += f" of about {hours(each.gpu_hours.estimated)}"
        if each.gpu_hours.estimated_from == "pilot":
            cost += " by the pilot"
    return "; ".join(filter(None, [", ".join(parts), cost]))


def _shards(each: ExperimentStatus) -> str:
    counts = each.shards.model_dump(exclude={"total"})
    states = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
    pilot = "" if each.pilot == "off" else f"; pilot {each.pilot}"
    loaded = "loaded" if each.loaded else "not loaded yet"
    return f"{each.shards.total:,} shards: {states}{pilot}; {loaded}"


def _rows(jobs: list[Job]) -> Rows:
    number = "Slurm job" if any(job.slurm_job for job in jobs) else "process"
    state = jobs[0].state.value
    heading = [state, "host", number, "slots", "answered", "failed", "of", "texts/s", "heard"]
    return [heading] + [
        [
            job.shard,
            printable(job.host),
            printable(job.slurm_job or str(job.process)),
            "" if job.slots is None else str(job.slots),
            f"{job.answered:,}",
            f"{job.failed:,}",
            "" if job.texts is None else f"{job.texts:,}",
            _pace(job),
            f"{lasting(job.silent_s)} ago",
        ]
        for job in jobs
    ]


def _pace(job: Job) -> str:
    if job.state is ShardState.SILENT:
        return "silent"
    return "loading" if job.loading else rate(job.texts_per_s)


def _of_silent(jobs: list[Job]) -> Text:
    """What to do about jobs that stopped without a word, and where their logs are."""
    first = jobs[0]
    slurm = [job.slurm_job for job in jobs if job.slurm_job]
    look = f"squeue -j {','.join(slurm)}" if slurm else look_for(first)
    others = ", of the others SHARD.log beside it" if len(jobs) > 1 else ""
    return Text(
        f"  no sign of life for a minute and more. What to do: {silent_remedy(look)}\n"
        f"  log: {printable(first.log)}{others}"
    )


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
    """Jobs that failed for the same reason together."""
    groups: dict[object, list[Job]] = {}
    for job in jobs:
        why = job.failure.what if job.failure else ""
        groups.setdefault((why, job.what_to_do), []).append(job)
    return list(groups.values())


def _trouble(state: ShardState, jobs: list[Job]) -> Text:
    first = jobs[0]
    many = f" ({len(jobs)} shards)" if len(jobs) > 1 else ""
    said = Text.assemble(
        (f"{state.value} ", "bold"), f"{ranges([job.shard for job in jobs])}{many}: ", _why(first)
    )
    lines = {
        "where": first.failure.where if first.failure else None,
        "what to do": first.what_to_do,
        "log": first.log,
    }
    for name, words in lines.items():
        if words:
            said.append(f"\n  {name}: {printable(words)}")
    return said


def _why(job: Job) -> str:
    if job.state is ShardState.ENDED:
        place = printable(f"host {job.host}, " + _process(job))
        return f"ended by SIGTERM {lasting(job.silent_s)} ago, {place}"
    reasons = f" ({by_reason(job.failed_by_status)})" if job.failed else ""
    return printable(job.failure.what if job.failure else "") + reasons


def _process(job: Job) -> str:
    return f"Slurm job {job.slurm_job}" if job.slurm_job else f"process {job.process}"


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2), expand=False)
