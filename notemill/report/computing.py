"""Where and when the answers were made: from the jobs' live files, result shards and the pilot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from notemill.answers.live import Live, read_live
from notemill.answers.shard import ShardOrigin
from notemill.answers.verdict import NOT_ASKED
from notemill.errors import NotemillError
from notemill.paths import Layout, live
from notemill.pilot.record import PilotRecord, read_pilot
from notemill.report.record import Computing, OverTime
from notemill.report.tally import Tally
from notemill.status.timeline import timeline
from notemill.tasks.run import Run

NO_GPU = ("CPU", "address")
_HOUR_S = 3600


def live_files(shards: Sequence[Path], cohort: str, experiment: str) -> list[Live]:
    """What the last job of each shard said of itself."""
    found = [read_live(live(path)) for path in shards]
    return [
        each for each in found if each and (each.cohort, each.experiment) == (cohort, experiment)
    ]


def pilot_of(layout: Layout, cohort: str, experiment: str) -> PilotRecord | None:
    """What the pilot measured, None without one that can be read."""
    path = layout.pilot(cohort, experiment)
    with suppress(OSError, NotemillError):
        record = read_pilot(path)
        return record if (record.cohort, record.experiment) == (cohort, experiment) else None
    return None


def computing(
    run: Run,
    tally: Tally,
    origins: Sequence[ShardOrigin],
    lives: Sequence[Live],
    pilot: PilotRecord | None,
) -> Computing:
    """What the answers took, of all jobs."""
    seconds = sum(origin.seconds for origin in origins)
    gpus = _gpus(lives, pilot)
    here = run.engine.computes_here and run.engine.kind != "llamacpp"
    on_gpu = here and not (gpus.keys() & set(NO_GPU))
    watts = _watts(pilot)
    ended = sum(tally.statuses.values()) - sum(tally.statuses[each] for each in NOT_ASKED)
    hours = seconds / _HOUR_S
    servers = {each.shard: each.servers for each in lives}
    held = sum(origin.seconds * servers.get(origin.shard, 1) for origin in origins) / _HOUR_S
    return Computing(
        first_answer_at=tally.first.isoformat() if tally.first else None,
        last_answer_at=tally.last.isoformat() if tally.last else None,
        gpus=gpus,
        jobs=sum(origin.jobs for origin in origins),
        job_hours=round(hours, 4),
        gpu_hours=round(held, 4) if on_gpu else None,
        notes_per_s=round(ended / seconds, 4) if seconds and ended else None,
        tokens=sum(origin.tokens for origin in origins),
        watts=watts,
        kwh=round(watts * hours / 1000, 4) if watts and hours else None,
        slots=sorted({each.slots for each in lives if each.slots}),
        servers=sorted({each.servers for each in lives}),
    )


def over_time(lives: Sequence[Live], finished: Sequence[float]) -> OverTime:
    """How the work went."""
    line = timeline(lives, finished)
    return OverTime(
        width_s=line.width_s,
        texts_per_s=[(second, round(texts / line.width_s, 4)) for second, texts in line.texts],
        shards_done=line.shards_done,
    )


def _gpus(lives: Sequence[Live], pilot: PilotRecord | None) -> dict[str, int]:
    """Kinds by the jobs that ran on them. Older live files have a GPU's number for its name."""
    kinds = Counter(each.gpu for each in lives if any(map(str.isalpha, each.gpu)))
    if not kinds and pilot:
        kinds[pilot.gpu] = 1
    return dict(kinds.most_common())


def _watts(pilot: PilotRecord | None) -> float | None:
    """What the GPU drew in the pilot, at the slots that it chose."""
    if pilot is None:
        return None
    drawn = {step.slots: step.watts for step in pilot.sweep.steps if step.watts is not None}
    return drawn.get(pilot.slots, max(drawn.values(), default=None))
