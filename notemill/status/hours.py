"""What a run has taken and will take: its speed, the seconds that are left, hours of GPUs."""

from __future__ import annotations

from collections.abc import Sequence

from notemill.answers.live import Live
from notemill.answers.sweep import compared
from notemill.config import Engine
from notemill.pilot.record import PilotRecord
from notemill.status.report import GpuHours, ShardState
from notemill.status.shards import Shard


def seconds_left(shards: Sequence[Shard], left: float | None, rate: float) -> float | None:
    """At the present speed. Of a class's last texts the longest come first, so these weigh more."""
    if left is None:
        return None
    running = [shard for shard in shards if shard.state is ShardState.RUNNING]
    for shard in running:
        if shard.live and shard.live.left is not None:
            rate += shard.live.left_per_s - shard.live.texts_per_s
    left += _heavier(running)
    return round(max(left, 0.0) / rate, 1) if rate > 0 else None


def _heavier(shards: Sequence[Shard]) -> float:
    """By how much the texts that these shards have left weigh more than they count."""
    told = [shard.live for shard in shards if shard.state is not ShardState.DONE and shard.live]
    return sum(
        each.left - ((each.texts or 0) - each.answered - sum(each.failed.values()))
        for each in told
        if each.left is not None
    )


def mean_rate(lives: Sequence[Live]) -> float | None:
    """Texts ended a second while jobs ran: their last jobs', over the time that any of them ran."""
    spans = sorted((live.started_at.timestamp(), live.renewed_at.timestamp()) for live in lives)
    seconds, until = 0.0, 0.0
    for start, end in spans:
        seconds += max(end - max(start, until), 0.0)
        until = max(until, end)
    ended = sum(live.ended for live in lives)
    return round(ended / seconds, 3) if ended and seconds else None


def on_gpu(engine: Engine) -> bool:
    """Whether its jobs' hours are GPU hours; those of endpoints are their servers'."""
    return engine.kind != "llamacpp" and engine.computes_here


def gpu_hours(
    shards: Sequence[Shard],
    texts: int | None,
    record: PilotRecord | None,
    repeated_s: float,
    engine: Engine,
) -> GpuHours:
    """repeated_s: seconds of the repeat, of which nothing is estimated."""
    has_gpus = on_gpu(engine)
    used = sum(
        shard.seconds * (shard.live.servers if has_gpus and shard.live else 1) for shard in shards
    )
    repeated_s *= engine.servers if has_gpus else 1
    ran = [shard for shard in shards if shard.answered or shard.failed]
    ended = sum(shard.answered + sum(shard.failed.values()) for shard in ran)
    settled = sum(shard.settled for shard in shards)
    # Of a shard that has not begun the gate has settled none yet: it will be as in the others.
    begun = sum(shard.texts or 0 for shard in shards if shard.settled)
    if texts is not None and begun:
        texts = round(texts * (1 - settled / begun))
    estimated, source = None, None
    if texts is not None and record and _only_the_pilot(ran, record):
        per_s = _pilots_rate(record)
        if per_s:
            gpus = record.servers if has_gpus else 1
            estimated, source = used + gpus * (texts - ended) / per_s, "pilot"
    elif texts is not None and ended:
        # What running jobs ended may be longer than the rest: as many average ones as it weighs.
        ended_evenly = min(max(ended - _heavier(ran), 0.1 * ended), texts)
        estimated, source = used * texts / ended_evenly, "run"
    return GpuHours(
        used=round((used + repeated_s) / 3600, 4),
        estimated=None if estimated is None else round((estimated + repeated_s) / 3600, 4),
        estimated_from=source,
    )


def _only_the_pilot(ran: Sequence[Shard], record: PilotRecord) -> bool:
    return all(shard.seen is None and shard.name == record.shard for shard in ran)


def _pilots_rate(record: PilotRecord) -> float:
    """Texts a second of one job at the slots that the pilot chose, 0 if it can't tell."""
    rates = {step.slots: step.rate for step in compared(record.sweep.steps)}
    return rates.get(record.slots) or max(rates.values(), default=0.0)
