"""A pilot with all that is to be said of it: what it measured, the estimate, the advice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from notemill.answers.journal_lines import count_answers
from notemill.config import Config
from notemill.notes.manifest import read_frozen, read_manifest
from notemill.paths import Layout, cut_name, journal, shard_names
from notemill.pilot.advice import Advice, Plan, advise
from notemill.pilot.estimate import CantTell, Estimate, ShardCount, estimate
from notemill.pilot.record import PilotRecord, read_pilot
from notemill.tasks.run import Run


@dataclass(frozen=True)
class PilotReport:
    """One pilot. page: with its answers, None where there is none.

    estimate: as configured; advised: with slots and shards as advised.
    """

    run: Run
    record: PilotRecord
    estimate: Estimate | CantTell
    advised: Estimate | CantTell
    advice: list[Advice]
    page: Path | None


@dataclass(frozen=True)
class NoPilot:
    """Why there is no record of an experiment over a cohort, and what to do."""

    run: Run
    cohort: str
    why: str


def report_pilots(
    config: Config,
    runs: list[Run],
    cohorts: list[str],
    *,
    gpus: int | None = None,
    runtime: int | None = None,
) -> Iterator[PilotReport | NoPilot]:
    """For each of these runs over those of these cohorts that it asks.

    gpus: had at once, by default as the pilot's profile had it; runtime: minutes that the profile
    gives an answer job, if they are known. Raises NotemillError for a damaged file.
    """
    for run in runs:
        for cohort in cohorts:
            if cohort in run.cohorts:
                yield _report(config, run, cohort, gpus, runtime)


def _report(
    config: Config, run: Run, cohort: str, gpus: int | None, runtime: int | None
) -> PilotReport | NoPilot:
    layout = Layout(config.results)
    path = layout.pilot(cohort, run.experiment_id)
    if not path.exists():
        if not run.experiment.pilot.notes:
            return NoPilot(run, cohort, "it has none: `pilot.notes` is 0")
        return NoPilot(run, cohort, "run `snakemake pilot` with your profile; it takes minutes")
    record = read_pilot(path)
    shards = config.cohorts[cohort].shards
    counts, notes = _counts(layout, cohort, run.experiment_id, shards)
    slots = run.engine.slots
    plan = Plan(
        slots=slots,
        options=run.experiment.options,
        counts=counts,
        notes=notes,
        free_bytes=shutil.disk_usage(path.parent).free,
        gpus=gpus,
        runtime=runtime,
    )
    advice = advise(record, plan)
    advised = {each.setting: each.advised for each in advice if isinstance(each.advised, int)}
    now = record.slots if slots == "auto" else record.slots_of(slots)
    then = record.slots_of(advised["slots"]) if "slots" in advised else now
    others = _evenly(counts, advised["shards"]) if "shards" in advised else counts
    page = layout.look(cohort, run.experiment_id)
    return PilotReport(
        run=run,
        record=record,
        estimate=estimate(record, counts, gpus=gpus, slots=now),
        advised=estimate(record, others, gpus=gpus, slots=then),
        advice=advice,
        page=page if page.exists() else None,
    )


def _counts(
    layout: Layout, cohort: str, experiment: str, shards: int
) -> tuple[list[ShardCount], int]:
    """Texts and those that have ended by shard, in so many shards; notes of the cohort.

    A cut that is not made yet gets as much of each as its share is.
    """
    frozen = read_frozen(layout.frozen(cohort))
    if not frozen:
        return [], 0
    cut = cut_name(frozen.cut)
    manifest = layout.manifest(cohort, cut)
    if not manifest.exists():  # it is being cut anew
        return _evenly([ShardCount("", frozen.counts.texts)], shards), frozen.counts.notes
    counts = []
    for entry in read_manifest(manifest, of=cohort).shards:
        answers = layout.answers(cohort, experiment, cut, entry.name)
        ended = entry.texts if answers.exists() else count_answers(journal(answers))
        counts.append(ShardCount(entry.name, entry.texts, min(ended, entry.texts)))
    if frozen.cut != shards:
        counts = _evenly(counts, shards)
    return counts, frozen.counts.notes


def _evenly(counts: list[ShardCount], shards: int) -> list[ShardCount]:
    texts = sum(count.texts for count in counts)
    answered = sum(count.answered for count in counts)
    return [
        ShardCount(
            name,
            texts * (number + 1) // shards - texts * number // shards,
            answered * (number + 1) // shards - answered * number // shards,
        )
        for number, name in enumerate(shard_names(shards))
    ]
