"""What an experiment's answers over a cohort took, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow.compute as pc

from notemill.answers.live import read_live
from notemill.answers.verdict import NOT_ASKED, Status
from notemill.comparison.record import Cost, Side
from notemill.comparison.sides import Answered
from notemill.errors import NotemillError
from notemill.paths import Layout
from notemill.paths import live as live_path
from notemill.pilot.record import read_pilot
from notemill.statistics.figure import Figure


def side_of(layout: Layout, cohort: str, side: Answered, coverage: Figure) -> Side:
    """What is told of one of the two. coverage: notes with an answer."""
    statuses: Counter[str] = Counter()
    engines: set[str] = set()
    times: list[str] = []
    for batch in side.rows(["status", "engine", "answered_at", "attempts"]):
        for each in pc.value_counts(batch["status"]).to_pylist():
            statuses[each["values"]] += each["counts"]
        asked = batch.filter(pc.greater(batch["attempts"], 0))
        engines |= set(pc.unique(asked["engine"]).to_pylist())
        if len(asked):
            ends = pc.min_max(asked["answered_at"]).as_py()
            times += [ends["min"].isoformat(), ends["max"].isoformat()]
            times = [min(times), max(times)]
    for status in NOT_ASKED:
        del statuses[status.value]
    answered = statuses.pop(Status.ANSWERED.value, 0)
    return Side(
        experiment=side.experiment,
        name=side.name,
        model=side.model,
        model_digest=side.origins[0].model_digest,
        engines=sorted(engines),
        first_answer_at=times[0] if times else "",
        last_answer_at=times[-1] if times else "",
        asked=side.asked,
        answered=answered,
        failed=dict(sorted(statuses.items())),
        cost=_cost(layout, cohort, side, coverage, answered + statuses.total()),
    )


def slots_of_shards(shards: Sequence[Path]) -> list[int]:
    """Numbers of slots that the last jobs of the shards had, where these are known."""
    lives = [read_live(live_path(path)) for path in shards]
    return sorted({live.slots for live in lives if live and live.slots})


def gpus_of(layout: Layout, cohort: str, experiment: str) -> list[str]:
    """Kinds of GPU that are known: the pilot's."""
    with suppress(OSError, NotemillError):
        return [read_pilot(layout.pilot(cohort, experiment)).gpu]
    return []


def _cost(layout: Layout, cohort: str, side: Answered, coverage: Figure, notes: int) -> Cost:
    seconds = sum(origin.seconds for origin in side.origins)
    tokens = sum(origin.tokens for origin in side.origins)
    return Cost(
        jobs=sum(origin.jobs for origin in side.origins),
        job_seconds=round(seconds, 1),
        asked=sum(origin.asked for origin in side.origins),
        tokens=tokens,
        tokens_per_note=round(tokens / notes, 1) if notes else None,
        notes_per_s=round(notes / seconds, 3) if notes and seconds else None,
        coverage=coverage,
        gpus=gpus_of(layout, cohort, side.experiment),
        slots=slots_of_shards(side.shards),
    )
