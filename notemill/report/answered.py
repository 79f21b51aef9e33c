"""One experiment over one cohort: its result shards counted, and what is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from notemill.answers.columns import answer_columns, evidence_columns
from notemill.answers.grades import FOUND, Grade
from notemill.answers.shard import ShardOrigin, read_answers, read_origin
from notemill.answers.verdict import Status
from notemill.errors import NotemillError
from notemill.files import read_json
from notemill.load.report import LoadReport
from notemill.look.words import IN_WORDS
from notemill.notes.manifest import Manifest
from notemill.paths import Layout
from notemill.report.asked import CohortTold
from notemill.report.cells import Parts, partition, total
from notemill.report.computing import computing, live_files, over_time, pilot_of
from notemill.report.count import Count, Named
from notemill.report.record import Answered, FieldAnswered, Histogram
from notemill.report.tally import NumberTally, Tally
from notemill.report.told import across_all, field_told, histogram
from notemill.statistics.figure import Figure, undefined
from notemill.statistics.proportion import share
from notemill.tasks.run import Run

_ROWS = 1 << 16
_DATES = ("date", "timestamp")


@dataclass(frozen=True)
class Shards:
    """An experiment's result shards over a cohort that are there and belong to its notes."""

    paths: list[Path]
    origins: list[ShardOrigin]
    of: int

    @property
    def whole(self) -> bool:
        return len(self.paths) == self.of


def shards_there(layout: Layout, manifest: Manifest, run: Run, cut: str) -> Shards:
    """Those that are done. Raises NotemillError for a damaged one."""
    paths, origins = [], []
    for entry in manifest.shards:
        path = layout.answers(manifest.cohort, run.experiment_id, cut, entry.name)
        if path.exists():
            origin = read_origin(path)
            if (origin.experiment, origin.cohort, origin.notes_digest) == (
                run.experiment_id,
                manifest.cohort,
                entry.digest,
            ):
                paths.append(path)
                origins.append(origin)
    return Shards(paths, origins, len(manifest.shards))


def counted(shards: Shards, manifest: Manifest, run: Run) -> Tally:
    """All rows of the shards, counted."""
    columns = answer_columns(run.task, run.experiment.answer_prefix, manifest.id_columns)
    dates = [column.name for column in manifest.id_columns if column.kind in _DATES]
    tally = Tally(columns, run.task.json_schema, time=dates[0] if dates else None)
    _find_ranges(tally, shards.paths)
    wanted = tally.columns(evidence=bool(evidence_columns(run.task.evidence)))
    for path in shards.paths:
        for batch in read_answers(path, _ROWS, columns=wanted):
            tally.add(batch)
    return tally


def _find_ranges(tally: Tally, paths: Sequence[Path]) -> None:
    """The least and the greatest of each number."""
    names = [each.column.column for each in tally.numbers]
    ends: dict[str, list[float]] = {name: [] for name in names}
    for path in paths if names else []:
        for batch in read_answers(path, _ROWS, columns=names):
            for name in names:
                found = pc.min_max(batch[name]).as_py()
                ends[name] += [value for value in found.values() if value is not None]
    for each in tally.numbers:
        if found := ends[each.column.column]:
            whole = each.column.kind == "integer"
            each.numbers = NumberTally(min(found), max(found), whole=whole)


def answered(
    layout: Layout,
    cohort: CohortTold,
    run: Run,
    shards: Shards,
    tally: Tally,
    smallest: int,
) -> Answered:
    """What is told of an experiment's answers over a cohort."""
    flow = _Flow(cohort, tally, smallest)
    name, experiment = cohort.told.name, run.experiment_id
    lives = live_files(shards.paths, name, experiment)
    load = _load(layout, name, experiment) if shards.whole else None
    finished = [path.stat().st_mtime for path in shards.paths]
    hidden = bool(cohort.hidden or flow.parts.hidden)
    return Answered(
        cohort=name,
        experiment=experiment,
        asked=cohort.told.asked,
        answered=flow.parts.counts[0],
        failed=total(flow.parts.counts[2:]),
        failed_by=[
            Named(name=IN_WORDS[Status(status)], count=count)
            for status, count in zip(flow.failed, flow.parts.counts[2:], strict=True)
        ],
        waiting=flow.parts.counts[1],
        attempts=_attempts(tally, flow, smallest),
        **_evidence(tally, run, flow, smallest),
        fields=_fields(tally, run, flow, smallest),
        tokens=_tokens(tally, flow, smallest),
        computing=computing(
            run, tally, shards.origins, lives, pilot_of(layout, name, experiment), hidden=hidden
        ),
        over_time=over_time(lives, finished, smallest=smallest, hidden=hidden),
        shards=shards.of,
        shards_done=len(shards.paths),
        loaded=load is not None,
        # So many values a row of either table: with it, how many rows each has.
        values_compared=load.values_compared if load and not hidden else None,
        results_table=run.experiment.results_table,
    )


class _Flow:
    """What became of the notes that are asked.

    parts: answered, waiting, and failed by `failed`. hidden: in the total of answered, None where
    their number is itself too small to be told in parts; ended_hidden: in the total of those that
    are answered or failed, None likewise.
    """

    def __init__(self, cohort: CohortTold, tally: Tally, smallest: int) -> None:
        not_failed = (Status.ANSWERED.value, Status.BLANK.value)
        self.failed = sorted(name for name in tally.statuses if name not in not_failed)
        self.answered = tally.statuses[Status.ANSWERED.value]
        failed = [tally.statuses[name] for name in self.failed]
        asked = cohort.counts.notes - cohort.counts.blank
        waiting = asked - self.answered - sum(failed)
        self.parts: Parts = partition([self.answered, waiting, *failed], smallest, cohort.hidden)
        told_answered, told_waiting = self.parts.counts[:2]
        free = told_answered.exact or told_answered.low >= max(smallest, 1)
        self.hidden = self.parts.below(0) if free else None
        self.ended_hidden: tuple[int, ...] | None = None
        if told_waiting.exact:
            self.ended_hidden = cohort.hidden if free else None
        elif 0 < waiting < smallest and free:
            self.ended_hidden = (*cohort.hidden, waiting)


def _tokens(tally: Tally, flow: _Flow, smallest: int) -> list[Histogram]:
    if flow.ended_hidden is None:
        return []
    found = [
        histogram(name, "tokens", of.counts, smallest, hidden=flow.ended_hidden)
        for name, of in (("prompt", tally.prompt_tokens), ("answer", tally.answer_tokens))
    ]
    return [each for each in found if each]


def _attempts(tally: Tally, flow: _Flow, smallest: int) -> list[Named]:
    if flow.ended_hidden is None:
        return []
    counts = tally.attempts.counts
    there = [tries for tries in range(1, len(counts)) if counts[tries]]
    there = ([0] if counts[0] else []) + there
    told = partition([int(counts[tries]) for tries in there], smallest, flow.ended_hidden).counts
    return [Named(name=str(tries), count=count) for tries, count in zip(there, told, strict=True)]


def _evidence(tally: Tally, run: Run, flow: _Flow, smallest: int) -> dict[str, Any]:
    if flow.hidden is None or not tally.grades or not evidence_columns(run.task.evidence):
        return {"evidence": [], "evidence_found": None}
    grades = list(Grade)
    counts = [tally.grades[grade.value] for grade in grades]
    told = partition(counts, smallest, flow.hidden).counts
    named = [
        Named(name=grade.value, count=count) for grade, count in zip(grades, told, strict=True)
    ]
    found = sum(count for grade, count in zip(grades, counts, strict=True) if grade in FOUND)
    if all(count.exact for count in told):
        figure = share(found, flow.answered)
    else:
        figure = between(
            total([c for grade, c in zip(grades, told, strict=True) if grade in FOUND]),
            total(told),
        )
    return {"evidence": named, "evidence_found": figure}


def between(k: Count, n: Count) -> Figure:
    """A share of which no more is told than counts do."""
    low, high = k.low / max(n.high, 1), min(k.high / max(n.low, 1), 1.0)
    return undefined(f"between {low:.1%} and {high:.1%}: a small count is not told")


def _fields(tally: Tally, run: Run, flow: _Flow, smallest: int) -> list[FieldAnswered]:
    if flow.hidden is None:
        return []
    schema = run.task.json_schema
    parts = {
        each.column.field: partition(
            [*(int(count) for count in each.classes)], smallest, flow.hidden
        )
        for each in tally.fields
        if each.kind == "choice"
    }
    untold = {name for name, told in parts.items() if len(told.hidden) > len(flow.hidden)}
    across = across_all(tally.fields, untold, smallest, flow.hidden)
    return [
        field_told(
            each,
            schema,
            parts.get(each.column.field),
            across[each.column.field],
            smallest,
            flow.answered,
            flow.hidden,
        )
        for each in tally.fields
    ]


def _load(layout: Layout, cohort: str, experiment: str) -> LoadReport | None:
    path = layout.load(cohort, experiment)
    if not path.exists():
        return None
    try:
        return read_json(LoadReport, path, problem="no load report", remedy="delete it")
    except NotemillError:
        return None
