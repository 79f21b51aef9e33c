"""The status as a terminal shows it, and as plain text where there is none."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from notemill.status.report import ExperimentStatus, Job, ShardState, Status
from notemill.status.words import by_reason, hours, lasting, printable, ranges, rate

_BAR = 60
_NO_END = 100_000
_SIGNS = {"answered": ("━", "#"), "failed": ("╳", "x"), "left": ("─", ".")}
"""Told apart by their form too, on a terminal and without one."""
_STYLES = {"answered": "blue", "failed": "yellow", "left": "dim"}


def console_for(terminal: bool) -> Console:
    """A console that adds nothing but what is said here; without a terminal lines have no end."""
    if terminal:
        return Console(highlight=False, markup=False, emoji=False)
    return Console(
        highlight=False,
        markup=False,
        emoji=False,
        width=_NO_END,
        color_system=None,
        force_terminal=False,
        legacy_windows=False,
    )


def shown(status: Status, *, fancy: bool) -> RenderableType:
    """The whole status. fancy: whether lines and crosses can be written."""
    parts: list[RenderableType] = []
    for each in status.experiments:
        parts += [*_experiment(each, fancy), Text()]
    last = "everything is done and loaded" if status.done else f"as of {status.at:%H:%M:%S} UTC"
    if status.unreadable:
        last += f"; {status.unreadable} files unreadable and left out"
    parts.append(Text(f"{last}. Results: {status.results}", style="dim"))
    return Group(*parts)


def _experiment(each: ExperimentStatus, fancy: bool) -> Iterator[RenderableType]:
    yield Text.assemble((each.experiment, "bold"), f" over {each.cohort}, {each.model}")
    if each.texts:
        yield _indented(_bar(each, fancy))
    for line in (_texts(each), _speed(each), _shards(each), *each.remarks):
        yield _indented(Text(line))
    running = [job for job in each.jobs if job.state is ShardState.RUNNING]
    if running:
        yield _indented(_table(running))
    for state in (ShardState.SILENT, ShardState.FAILED, ShardState.ENDED):
        jobs = [job for job in each.jobs if job.state is state]
        for group in _alike(jobs):
            yield _indented(_trouble(state, group))


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


def _table(jobs: list[Job]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    slurm = any(job.slurm_job for job in jobs)
    table.add_column("running")
    table.add_column("host")
    table.add_column("Slurm job" if slurm else "process", justify="right")
    for name in ("slots", "answered", "failed", "of texts", "texts/s", "heard of"):
        table.add_column(name, justify="right")
    for job in jobs:
        table.add_row(
            job.shard,
            printable(job.host),
            printable(job.slurm_job or str(job.process)),
            "" if job.slots is None else str(job.slots),
            f"{job.answered:,}",
            f"{job.failed:,}",
            "" if job.texts is None else f"{job.texts:,}",
            "loading" if job.loading else rate(job.texts_per_s),
            f"{lasting(job.silent_s)} ago",
        )
    return table


def _alike(jobs: list[Job]) -> list[list[Job]]:
    """Jobs that failed for the same reason together; a silent one has a place of its own."""
    groups: dict[object, list[Job]] = {}
    for job in jobs:
        why = job.failure.what if job.failure else ""
        alone = job.shard if job.state is ShardState.SILENT else ""
        groups.setdefault((why, job.what_to_do, alone), []).append(job)
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
    place = printable(f"host {job.host}, " + _process(job))
    if job.state is ShardState.SILENT:
        return f"no sign of life for {lasting(job.silent_s)}, {place}"
    if job.state is ShardState.ENDED:
        return f"ended by SIGTERM {lasting(job.silent_s)} ago, {place}"
    reasons = f" ({by_reason(job.failed_by_status)})" if job.failed else ""
    return printable(job.failure.what if job.failure else "") + reasons


def _process(job: Job) -> str:
    return f"Slurm job {job.slurm_job}" if job.slurm_job else f"process {job.process}"


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2), expand=False)
