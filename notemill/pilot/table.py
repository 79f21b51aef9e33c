"""A pilot's report on a terminal, or plain and uncut in a pipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, TextIO

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from notemill.answers.sweep import Step
from notemill.answers.verdict import Status
from notemill.pilot.advice import Advice
from notemill.pilot.estimate import CantTell, Estimate
from notemill.pilot.record import AskedText, ClassTexts, PilotRecord, settled_share
from notemill.pilot.report import NoPilot, PilotReport
from notemill.pilot.words import duration, many, some, span, speed

REMEDIES = {
    Status.TRUNCATED: "raise num_predict, or ask for shorter answers in the prompt",
    Status.INVALID_JSON: "another model, or fewer and shorter fields in schema.py",
    Status.SCHEMA: "say in system.md what schema.py wants of each field",
    Status.TOO_LONG: "raise num_ctx",
    Status.TIMEOUT: "fewer slots, or raise answer_timeout_s of the engine",
    Status.SERVER_ERROR: "read the engine's log beside the pilot's log",
}
"""What to do about failures of each kind."""
_UNCUT = 10_000
"""Columns of a pipe."""


def pilot_console(file: TextIO | None = None) -> Console:
    """As wide as the terminal; a pipe gets whole lines."""
    console = Console(file=file, highlight=False)
    return console if console.is_terminal else Console(file=file, highlight=False, width=_UNCUT)


def print_pilots(reports: Iterable[PilotReport | NoPilot], console: Console) -> None:
    """One after the other."""
    for report in reports:
        print_pilot(report, console)


def print_pilot(report: PilotReport | NoPilot, console: Console) -> None:
    """Print what was measured, the estimate with the advice, and what to do next."""
    if isinstance(report, NoPilot):
        _print_line(console, f"{report.run.experiment_id} over {report.cohort}: {report.why}.")
        return
    record = report.record
    _print_line(console, f"{record.experiment} over {record.cohort}", "bold")
    _print_table(console, _measured(report, console))
    if record.sweep.steps:
        _print_table(console, _sweep(record, console))
    _print_table(console, _advice(report, console))
    for line in _next(report):
        _print_line(console, line)


def _print_line(console: Console, line: str, style: str = "") -> None:
    """A line as it is; a terminal folds it."""
    console.print(Text(line, style))


def _print_table(console: Console, table: Table) -> None:
    """A terminal's table has space around it; a pipe's has none behind its lines."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as printed:
        console.print(table)
    for line in ["", *printed.get().splitlines()]:
        _print_line(console, line.rstrip())


def _table(console: Console, *headers: str, right: tuple[int, ...] = ()) -> Table:
    """With these headers, or none; lines are for terminals alone."""
    look = box.SIMPLE_HEAD if console.is_terminal else None
    table = Table(box=look, show_header=any(headers), pad_edge=console.is_terminal)
    for number, header in enumerate(headers):
        table.add_column(
            header,
            justify="right" if number in right else "left",
            overflow="fold",
            no_wrap=number != len(headers) - 1,
        )
    return table


def _row(table: Table, *cells: str, style: str = "") -> None:
    table.add_row(*(Text(cell) for cell in cells), style=style or None)


def _measured(report: PilotReport, console: Console) -> Table:
    record = report.record
    table = _table(console, "", "")
    memory = f", {record.gpu_memory_mib / 1024:.0f} GiB" if record.gpu_memory_mib else ""
    _row(
        table,
        "on",
        f"{record.gpu}{memory}: {record.model}, {record.engine or 'no engine was started'}",
    )
    asked = [text for text in record.asked if text.slots]
    ended = Counter(text.status for text in asked)
    answered = ended.pop(Status.ANSWERED, 0)
    before = (
        f"; {many(record.asked_before)} of the shard had an answer before"
        if record.asked_before
        else ""
    )
    ready = f"; an engine is ready after {record.ready_s:.1f} s" if record.engine else ""
    _row(
        table,
        "asked",
        f"{many(len(asked))} texts of shard {record.shard}, which has "
        f"{many(record.shard_texts.texts)}: {many(answered)} answered, "
        f"{many(sum(ended.values()))} failed{before}",
    )
    for row in _gate(record):
        _row(table, *row)
    _row(table, "took", f"{duration(record.seconds)}{ready}")
    if record.asked:
        _row(table, "prompts", _tokens(record.asked, "prompt_tokens"))
        _row(table, "answers", _tokens(record.asked, "answer_tokens"))
    beyond, texts = record.shard_texts.beyond_context, record.shard_texts.texts
    share = f" ({beyond / texts:.1%})" if beyond else ""
    for each in record.classes if len(record.classes) > 1 else []:
        _row(table, "class", _of_class(each, record))
    _row(table, "beyond num_ctx", f"{many(beyond)} of {many(texts)} texts{share}")
    attempts = sorted(Counter(text.attempts for text in asked).items())
    _row(table, "attempts", ", ".join(f"{many(count)} took {of}" for of, count in attempts) or "-")
    for status, count in ended.most_common():
        _row(table, f"failed: {status}", f"{many(count)}: {_remedy(status)}", style="yellow")
    return table


def _gate(record: PilotRecord) -> Iterator[tuple[str, str]]:
    """What the task's gate did with the shard's texts."""
    if record.gate is None:
        return
    texts = record.settled + record.shard_texts.texts
    share = f" ({settled_share(record):.1%})" if texts else ""
    told = f"settles {many(record.settled)} of {many(texts)} texts{share}"
    if record.settled == texts:
        told += ": all of them, so nothing is asked. Is a pattern too wide?"
    elif not record.settled:
        told += ": none of them"
    yield "gate", told
    for rule, did in record.gate.items():
        counts = [f"{count:,} {what.replace('_', ' ')}" for what, count in did.items() if count]
        yield f"gate: {rule}", ", ".join(counts)


def _remedy(status: str) -> str:
    known = {each.value: remedy for each, remedy in REMEDIES.items()}
    return known.get(status, "read the pilot's log")


def _tokens(asked: list[AskedText], of: Literal["prompt_tokens", "answer_tokens"]) -> str:
    """Percentiles of the random sample, and the longest of all."""
    known = {text.text_sha256: getattr(text, of) for text in asked if getattr(text, of)}
    if not known:
        return "no tokens were counted"
    drawn = [known[text.text_sha256] for text in asked if text.drawn and text.text_sha256 in known]
    median, most, nearly_all = np.percentile(drawn or list(known.values()), [50, 95, 99])
    return (
        f"{median:,.0f} tokens (median), 95 % {most:,.0f}, 99 % {nearly_all:,.0f}, "
        f"longest {max(known.values()):,}"
    )


def _sweep(record: PilotRecord, console: Console) -> Table:
    table = _table(console, "slots", "texts/s", "gain", "watts", "", right=(0, 1, 2, 3))
    before = 0.0
    for step in sorted(record.sweep.steps, key=lambda step: step.slots):
        rate = step.rate
        gain = f"{rate / before - 1:+.0%}" if before and rate else ""
        watts = f"{step.watts:.0f}" if step.watts is not None else ""
        told = speed(rate) if rate else ""
        best = step.slots == record.sweep.best
        style = "bold green" if best else ""
        _row(table, str(step.slots), told, gain, watts, _of_step(step, best), style=style)
        before = rate or before
    if record.sweep.ended:
        _row(table, "", "", "", "", f"ended: {record.sweep.ended}")
    return table


def _of_class(each: ClassTexts, record: PilotRecord) -> str:
    told = f"{many(each.texts)} texts with {each.context:,} tokens of context, {each.slots} slots"
    rate = record.sweep.rate(each.slots) if record.sweep.steps else 0.0
    return f"{told}: {speed(rate)} texts/s if they were average ones" if rate else told


def _of_step(step: Step, best: bool) -> str:
    if step.why_not:
        return f"not to be had: {step.why_not}"
    return f"{many(step.texts)} texts in {duration(step.seconds)}{', taken' if best else ''}"


def _advice(report: PilotReport, console: Console) -> Table:
    """The estimate and the advice."""
    table = _table(console, "", "now", "advised", "why")
    now, advised = report.estimate, report.advised
    if isinstance(now, CantTell):
        _row(table, "estimate", "can't tell", "", now.why, style="yellow")
    else:
        assert isinstance(advised, Estimate)  # of the same record
        for row in _estimated(report.record, now, advised):
            _row(table, *row)
    for advice in report.advice:
        changed = advice.advised is not None
        style = "bold" if changed else ""
        _row(table, advice.setting, *_told(advice), advice.why, style=style)
    return table


def _estimated(
    record: PilotRecord, now: Estimate, advised: Estimate
) -> list[tuple[str, str, str, str]]:
    on_gpus = record.gpu not in ("CPU", "address")
    unit = "GPU time" if on_gpus else "job time"
    jobs = f"{some(now.texts_left, 'text')} in {some(now.jobs, 'job')}"
    rows = [(unit, now.whole_hours, advised.whole_hours, some(now.texts, "text"))]
    if 0 < now.texts_left < now.texts:
        rows.append(("  of it left", now.left_hours, advised.left_hours, jobs))
    told = [
        (
            name,
            duration(3600 * here.expected, longest="h"),
            duration(3600 * there.expected, longest="h"),
            f"{span(here, 3600, longest='h')}: {why}",
        )
        for name, here, there, why in rows
    ]
    at_once = some(now.gpus * now.gpus_a_job, "GPU" if on_gpus else "job")
    rounds = f", {now.rounds} jobs one after the other" if now.rounds > 1 else ""
    why = f"{span(now.wall_s)}: {at_once} at once{rounds}; a queue's waiting comes on top"
    if not now.texts_left:
        return [*told, *(("", "", "", remark) for remark in now.remarks)]
    wall = "wall time", duration(now.wall_s.expected), duration(advised.wall_s.expected), why
    return [*told, wall, *(("", "", "", remark) for remark in now.remarks)]


def _told(advice: Advice) -> tuple[str, str]:
    unit = " min" if advice.setting == "runtime" else ""
    now = "" if advice.now is None else f"{advice.now}{unit}"
    return now, "keep" if advice.advised is None else f"{advice.advised}{unit}"


def _next(report: PilotReport) -> list[str]:
    name, record = report.run.name, report.record
    places = {
        "slots": f"engines.{report.run.experiment.engine}.slots",
        "num_ctx": f"experiments.{name}.options.num_ctx",
        "num_predict": f"experiments.{name}.options.num_predict",
        "shards": f"cohorts.{record.cohort}.shards",
        "runtime": "in the profile, set-resources: answer: runtime",
    }
    changed = [each for each in report.advice if each.advised is not None]
    lines = []
    if report.page:
        lines.append(f"Read its answers (notes in it, yours alone): {report.page}")
    settings = [
        f"  {places[each.setting]}: {each.advised}" for each in changed if each.setting in places
    ]
    if settings:
        lines += ["To be set where you agree:", *settings]
    if isinstance(report.estimate, CantTell) or report.estimate.texts_left:
        lines.append("Then run it all: `snakemake` with the profile of the pilot.")
    return lines
