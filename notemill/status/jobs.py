"""What there is to say of one job: where it is, how it goes, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from notemill.answers.live import Live, State
from notemill.status.report import Job, ShardState
from notemill.status.shards import Shard, silent_for

_ORDER = [ShardState.RUNNING, ShardState.SILENT, ShardState.FAILED, ShardState.ENDED]
_AGAIN = "run snakemake again: no answered note is asked again"


def job_of(shard: Shard, log: Path, now: float) -> Job:
    """The job of a shard that is neither done nor waiting. now: by the file server's clock."""
    seen, live = shard.seen, shard.live
    at = datetime.fromtimestamp(now, UTC)
    heard = datetime.fromtimestamp(seen.renewed, UTC) if seen else at
    failure = shard.problem or (live.failure if live else None)
    return Job(
        shard=shard.name,
        state=shard.state,
        loading=live is not None and live.state is State.STARTING,
        host=live.host if live else "",
        slurm_job=live.slurm_job if live else None,
        process=live.process if live else 0,
        gpu=live.gpu if live else "",
        slots=live.slots if live else None,
        texts=shard.texts,
        answered=shard.answered,
        failed=sum(live.failed.values()) if live else 0,
        failed_by_status=dict(live.failed) if live else {},
        texts_per_s=live.texts_per_s if live and shard.state is ShardState.RUNNING else 0.0,
        mean_texts_per_s=round(live.ended / live.seconds, 3) if live and live.seconds else 0.0,
        started_at=live.started_at if live else at,
        sign_of_life_at=heard.replace(microsecond=0),
        silent_s=round(silent_for(seen, now), 1) if seen else 0.0,
        failure=failure,
        what_to_do=_what_to_do(shard.state, live, failure.remedy if failure else ""),
        log=str(log),
    )


def sorted_jobs(jobs: Iterable[Job]) -> list[Job]:
    """Running ones first, then those that want something of the user."""
    return sorted(jobs, key=lambda job: (_ORDER.index(job.state), job.shard != "pilot", job.shard))


def _what_to_do(state: ShardState, live: Live | None, remedy: str) -> str:
    match state:
        case ShardState.SILENT if live:
            look = f"squeue -j {live.slurm_job}" if live.slurm_job else f"ps {live.process}"
            return (
                f"`{look}`{'' if live.slurm_job else f' on {live.host}'} tells whether it is still "
                f"there; if not, snakemake tries it again by itself, and where none runs: {_AGAIN}"
            )
        case ShardState.FAILED:
            return remedy
        case ShardState.ENDED:
            return f"if it was not you, raise `runtime` or `shards`; {_AGAIN}"
    return ""
