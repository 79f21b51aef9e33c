"""What there is to say of one job: where it is, how it goes, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from notemill.answers.live import State
from notemill.status.report import Job, ShardState
from notemill.status.shards import Shard, silent_for

_ORDER = [ShardState.RUNNING, ShardState.SILENT, ShardState.FAILED, ShardState.ENDED]
_AGAIN = "run snakemake again: no answered note is asked again"


def job_of(shard: Shard, log: Path, now: float) -> Job:
    """The job of a shard that is neither done nor waiting. now: by the file server's clock."""
    seen, live = shard.seen, shard.live
    at = datetime.fromtimestamp(now, UTC)
    heard = datetime.fromtimestamp(seen.renewed, UTC) if seen else at
    job = Job(
        shard=shard.name,
        state=shard.state,
        loading=live is not None and live.state is State.STARTING,
        host=live.host if live else "",
        slurm_job=live.slurm_job if live else None,
        process=live.process if live else 0,
        gpu=live.gpu if live else "",
        slots=live.slots if live else None,
        servers=live.servers if live else 1,
        given_up=live.given_up if live else 0,
        texts=shard.texts,
        answered=shard.answered,
        failed=sum(live.failed.values()) if live else 0,
        failed_by_status=dict(live.failed) if live else {},
        texts_per_s=live.texts_per_s if live and shard.state is ShardState.RUNNING else 0.0,
        mean_texts_per_s=round(live.ended / live.seconds, 3) if live and live.seconds else 0.0,
        started_at=live.started_at if live else at,
        sign_of_life_at=heard.replace(microsecond=0),
        silent_s=round(silent_for(seen, now), 1) if seen else 0.0,
        failure=shard.problem or (live.failure if live else None),
        what_to_do="",
        log=str(log),
    )
    return job.model_copy(update={"what_to_do": _what_to_do(job)})


def sorted_jobs(jobs: Iterable[Job]) -> list[Job]:
    """Running ones first, then those that want something of the user."""
    return sorted(jobs, key=lambda job: (_ORDER.index(job.state), job.shard != "pilot", job.shard))


def look_for(job: Job) -> str:
    """The command that tells whether a job is still there."""
    return f"squeue -j {job.slurm_job}" if job.slurm_job else f"ssh {job.host} ps {job.process}"


def silent_remedy(look: str) -> str:
    """What to do about a job that stopped without a word."""
    return (
        f"`{look}` tells whether the job is still there (one whose node is dead is RUNNING for "
        "Slurm some minutes more), its log what it did last; a snakemake that runs tries the shard "
        f"again when the job is gone; where none runs, {_AGAIN}"
    )


def _what_to_do(job: Job) -> str:
    match job.state:
        case ShardState.SILENT:
            return silent_remedy(look_for(job))
        case ShardState.FAILED if job.failure:
            return job.failure.remedy
        case ShardState.ENDED if job.shard == "pilot":
            return f"if it was not you, raise `runtime` of pilot_job in the profile; {_AGAIN}"
        case ShardState.ENDED if job.shard == "repeat":
            return (
                "if it was not you, raise `runtime` of repeat in the profile, or lower `notes` or "
                "`times` of `repeat`; run snakemake again: its texts are asked anew"
            )
        case ShardState.ENDED:
            return f"if it was not you, raise `runtime` in the profile, or `shards`; {_AGAIN}"
    return ""
