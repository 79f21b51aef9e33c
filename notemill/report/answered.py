"""One experiment over one cohort: its result shards counted, and what is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from notemill.answers.columns import answer_columns, evidence_columns
from notemill.answers.grades import FOUND, Grade
from notemill.answers.shard import ShardOrigin, read_answers, read_origin
from notemill.answers.verdict import NOT_ASKED, Status
from notemill.errors import NotemillError
from notemill.files import read_json
from notemill.load.nul import without_nul
from notemill.load.report import LoadReport
from notemill.look.words import IN_WORDS
from notemill.notes.manifest import Manifest
from notemill.paths import Layout
from notemill.report.cells import is_small, matrix
from notemill.report.computing import computing, live_files, over_time, pilot_of
from notemill.report.count import Named, exactly
from notemill.report.record import Answered, CohortRead, GateRule, Histogram
from notemill.report.tally import Lengths, NumberTally, Tally
from notemill.report.told import field_told, histogram
from notemill.statistics.proportion import share
from notemill.tasks.gate import DID
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


def counted(shards: Shards, manifest: Manifest, run: Run, *, storing_nul: bool = True) -> Tally:
    """All rows of the shards, counted.

    storing_nul: whether an answer with a NUL character is one where the answers go; it is a
    failure in a table of PostgreSQL.
    """
    columns = answer_columns(run.task, run.experiment.answer_prefix, manifest.id_columns)
    dates = [column.name for column in manifest.id_columns if column.kind in _DATES]
    tally = Tally(columns, run.task.json_schema, time=dates[0] if dates else None)
    _find_ranges(tally, shards.paths)
    wanted = tally.columns(
        evidence=bool(evidence_columns(run.task.evidence)), gate=run.task.gate is not None
    )
    answers = {column.column for column in [*columns, *evidence_columns(run.task.evidence)]}
    for path in shards.paths:
        for batch in read_answers(path, _ROWS, columns=wanted):
            tally.add(batch if storing_nul else without_nul(batch, (), answers)[0])
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
    cohort: CohortRead,
    run: Run,
    shards: Shards,
    tally: Tally,
    smallest: int,
) -> Answered:
    """What is told of an experiment's answers over a cohort."""
    name, experiment = cohort.name, run.experiment_id
    lives = live_files(shards.paths, name, experiment)
    load = _load(layout, name, experiment) if shards.whole else None
    finished = [path.stat().st_mtime for path in shards.paths]
    failed = {
        IN_WORDS[Status(status)]: tally.statuses[status]
        for status in sorted(tally.statuses)
        if status not in (Status.ANSWERED, *NOT_ASKED)
    }
    settled = tally.statuses[Status.NOT_RELEVANT.value]
    notes = tally.statuses[Status.ANSWERED.value]
    return Answered(
        cohort=name,
        experiment=experiment,
        asked=exactly(cohort.asked.low - settled),
        answered=exactly(notes),
        failed=exactly(sum(failed.values())),
        failed_by=_named(failed),
        waiting=exactly(cohort.asked.low - settled - notes - sum(failed.values())),
        not_relevant=exactly(settled),
        **_gate(tally, smallest),
        attempts=_named(
            {str(tries): int(tally.attempts.counts[tries]) for tries in _there(tally.attempts)}
        ),
        **_evidence(tally, run, notes),
        fields=[field_told(each, run.task.json_schema, smallest) for each in tally.fields],
        tokens=_tokens(tally),
        computing=computing(run, tally, shards.origins, lives, pilot_of(layout, name, experiment)),
        over_time=over_time(lives, finished),
        shards=shards.of,
        shards_done=len(shards.paths),
        loaded=load is not None,
        values_compared=load.values_compared if load else None,
        results_table=run.experiment.results_table,
        outputs=[Path(output.path).name for output in load.outputs] if load else [],
    )


def _named(counts: Mapping[str, int]) -> list[Named]:
    return [Named(name=name, count=exactly(count)) for name, count in counts.items()]


def _there(lengths: Lengths) -> list[int]:
    return [int(each) for each in np.flatnonzero(lengths.counts)]


def _tokens(tally: Tally) -> list[Histogram]:
    found = [
        histogram(name, "tokens", of.counts)
        for name, of in (("prompt", tally.prompt_tokens), ("answer", tally.answer_tokens))
    ]
    return [each for each in found if each]


def _evidence(tally: Tally, run: Run, answered: int) -> dict[str, Any]:
    if not tally.grades or not evidence_columns(run.task.evidence):
        return {"evidence": [], "evidence_found": None}
    found = sum(count for grade, count in tally.grades.items() if Grade(grade) in FOUND)
    return {
        "evidence": _named({grade.value: tally.grades[grade.value] for grade in Grade}),
        "evidence_found": share(found, answered),
    }


def _gate(tally: Tally, smallest: int) -> dict[str, Any]:
    """What each rule did; how many notes have its words is told as an answer's class is."""
    names = sorted({name for name, _ in tally.gate})
    if not names:
        return {}
    cells = matrix([[tally.gate[name, did] for did in DID] for name in names], smallest)
    told = [
        GateRule(name=name, **dict(zip(DID, row, strict=True)))
        for name, row in zip(names, cells, strict=True)
    ]
    cut = sum(tally.gate[name, DID[1]] for name in names)
    enough = cut and not is_small(cut, smallest)
    return {"gate": told, "gate_sent": round(tally.cut_shares / cut, 3) if enough else None}


def _load(layout: Layout, cohort: str, experiment: str) -> LoadReport | None:
    path = layout.load(cohort, experiment)
    if not path.exists():
        return None
    try:
        return read_json(LoadReport, path, problem="no load report", remedy="delete it")
    except NotemillError:
        return None
