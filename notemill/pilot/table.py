"""A pilot's report on a terminal, or plain and uncut in a pipe."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Literal, TextIO

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from notemill.answers.sweep import Step
from notemill.answers.verdict import Status
from notemill.pilot.advice import Advice
from notemill.pilot.estimate import CantTell, Estimate, Range
from notemill.pilot.record import AskedText, ClassTexts, PilotRecord
from notemill.pilot.report import NoPilot, PilotReport

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
        f"; {_many(record.asked_before)} of the shard had an answer before"
        if record.asked_before
        else ""
    )
    ready = f"; an engine is ready after {record.ready_s:.1f} s" if record.engine else ""
    _row(
        table,
        "asked",
        f"{_many(len(asked))} texts of shard {record.shard}, which has "
        f"{_many(record.shard_texts.texts)}: {_many(answered)} answered, "
        f"{_many(sum(ended.values()))} failed{before}",
    )
    _row(table, "took", f"{_time(record.seconds)}{ready}")
    if record.asked:
        _row(table, "prompts", _tokens(record.asked, "prompt_tokens"))
        _row(table, "answers", _tokens(record.asked, "answer_tokens"))
    beyond, texts = record.shard_texts.beyond_context, record.shard_texts.texts
    share = f" ({beyond / texts:.1%})" if beyond else ""
    for each in record.classes if len(record.classes) > 1 else []:
        _row(table, "class", _of_class(each, record))
    _row(table, "beyond num_ctx", f"{_many(beyond)} of {_many(texts)} texts{share}")
    attempts = sorted(Counter(text.attempts for text in asked).items())
    _row(table, "attempts", ", ".join(f"{_many(many)} took {of}" for of, many in attempts) or "-")
    for status, count in ended.most_common():
        _row(table, f"failed: {status}", f"{_many(count)}: {_remedy(status)}", style="yellow")
    return table


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
        told = _speed(rate) if rate else ""
        best = step.slots == record.sweep.best
        style = "bold green" if best else ""
        _row(table, str(step.slots), told, gain, watts, _of_step(step, best), style=style)
        before = rate or before
    if record.sweep.ended:
        _row(table, "", "", "", "", f"ended: {record.sweep.ended}")
    return table


def _of_class(each: ClassTexts, record: PilotRecord) -> str:
    told = f"{_many(each.texts)} texts with {each.context:,} tokens of context, {each.slots} slots"
    rate = record.sweep.rate(each.slots) if record.sweep.steps else 0.0
    return f"{told}: {_speed(rate)} texts/s if they were average ones" if rate else told


def _of_step(step: Step, best: bool) -> str:
    if step.why_not:
        return f"not to be had: {step.why_not}"
    return f"{_many(step.texts)} texts in {_time(step.seconds)}{', taken' if best else ''}"


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
    jobs = f"{_some(now.texts_left, 'text')} in {_some(now.jobs, 'job')}"
    rows = [(unit, now.whole_hours, advised.whole_hours, _some(now.texts, "text"))]
    if 0 < now.texts_left < now.texts:
        rows.append(("  of it left", now.left_hours, advised.left_hours, jobs))
    told = [
        (
            name,
            _time(3600 * here.expected, longest="h"),
            _time(3600 * there.expected, longest="h"),
            f"{_span(here, 3600, longest='h')}: {why}",
        )
        for name, here, there, why in rows
    ]
    at_once = _some(now.gpus * now.gpus_a_job, "GPU" if on_gpus else "job")
    rounds = f", {now.rounds} jobs one after the other" if now.rounds > 1 else ""
    why = f"{_span(now.wall_s)}: {at_once} at once{rounds}; a queue's waiting comes on top"
    if not now.texts_left:
        return [*told, *(("", "", "", remark) for remark in now.remarks)]
    wall = "wall time", _time(now.wall_s.expected), _time(advised.wall_s.expected), why
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


def _many(count: int) -> str:
    return f"{count:,}"


def _some(count: int, of: str) -> str:
    return f"{count:,} {of}{'' if count == 1 else 's'}"


_UNITS = (("s", 1, 120), ("min", 60, 120), ("h", 3600, 72), ("days", 86400, math.inf))
"""Name, seconds, and how many are better told in the next one."""


def _unit(seconds: float, longest: str) -> tuple[str, int]:
    for name, length, most in _UNITS:
        if seconds < most * length or name == longest:
            return name, length
    raise AssertionError


def _time(seconds: float, *, longest: str = "days") -> str:
    """In the unit that fits, to three figures; in none above `longest`."""
    name, length = _unit(seconds, longest)
    return f"{_figures(seconds / length)} {name}"


def _span(of: Range, factor: float = 1, *, longest: str = "days") -> str:
    """The range's ends in one unit."""
    name, length = _unit(of.high * factor, longest)
    low, high = (_figures(end * factor / length) for end in (of.low, of.high))
    return f"{low} to {high} {name}"


def _speed(per_s: float) -> str:
    """Three figures, those of a round number too."""
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:#.3g}".rstrip(".")


def _figures(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
