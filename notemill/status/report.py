"""What `notemill status` knows: the document of --json (docs/status.md), and what is shown of it.

A field is never renamed or given another meaning; new ones may come.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from notemill.answers.live import Failure

SILENT_AFTER_S = 60.0
"""Jobs renew their files every five seconds."""


class ShardState(StrEnum):
    """How a shard stands. silent: its job stopped without a word; ended: it was sent SIGTERM."""

    DONE = "done"
    RUNNING = "running"
    SILENT = "silent"
    FAILED = "failed"
    ENDED = "ended"
    WAITING = "waiting"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Job(_Part):
    """The last job of a shard that is running, silent, failed or ended; `pilot` for the
    pilot's, `repeat` for that of the texts that are asked again.

    loading: it runs, and no text has ended yet. left: of its texts. sign_of_life_at: UTC, by the
    file server's clock; silent_s: seconds since then. texts_per_s: over the last minute;
    mean_texts_per_s: of this job. log: its log file.
    """

    shard: str
    state: ShardState
    loading: bool
    host: str
    slurm_job: str | None
    process: int
    gpu: str
    slots: int | None
    servers: int
    given_up: int
    texts: int | None
    answered: int
    failed: int
    failed_by_status: dict[str, int]
    texts_per_s: float
    mean_texts_per_s: float
    started_at: datetime
    sign_of_life_at: datetime
    silent_s: float
    failure: Failure | None
    what_to_do: str
    log: str


class Shards(_Part):
    """Shards by state; they add up to `total`."""

    total: int
    done: int = 0
    running: int = 0
    silent: int = 0
    failed: int = 0
    ended: int = 0
    waiting: int = 0


class GpuHours(_Part):
    """Wall time of all jobs, each of which holds a GPU. estimated: for all texts, None if unknown.

    estimated_from: `run`, by what ended texts have cost; `pilot`, by its measured speed.
    """

    used: float
    estimated: float | None
    estimated_from: str | None


class Timeline(_Part):
    """texts: [second of the epoch, texts that ended in the `width_s` seconds from then], those
    without any left out. shards_done: seconds of the epoch, in order."""

    width_s: int
    texts: list[tuple[int, int]]
    shards_done: list[int]


class ExperimentStatus(_Part):
    """One experiment over one cohort; answered + failed + left = texts.

    texts: None before extract. failed: of finished and running shards, others ask theirs again.
    texts_per_s: of the running jobs, over the last minute; mean_texts_per_s: while jobs ran.
    seconds_left: at the present speed, None if nothing runs. loaded: None if not yet or no more.
    uncounted_shards: have a journal and no live file; their answers count when their job begins.
    jobs: of shards that are running, silent, failed or ended, and of the pilot and repeat that are.
    pilot, repeat: `off`, or a state as a shard's.
    remarks: what a user wants to know.
    """

    cohort: str
    experiment: str
    name: str
    model: str
    on_gpu: bool
    texts: int | None
    notes: int | None
    answered: int
    failed: int
    failed_by_status: dict[str, int]
    left: int | None
    texts_per_s: float
    mean_texts_per_s: float | None
    seconds_left: float | None
    gpu_hours: GpuHours
    tokens: int
    shards: Shards
    uncounted_shards: int
    pilot: str
    repeat: str
    loaded: bool
    jobs: list[Job]
    remarks: list[str]
    timeline: Timeline

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is to come."""
        answered = self.loaded and self.shards.done == self.shards.total
        return answered and self.repeat in ("off", ShardState.DONE)


class Status(_Part):
    """The whole run. done: every shard is done and loaded, and so is every repeat.

    unreadable: files that say nothing.
    """

    at: datetime
    results: str
    notemill: str
    done: bool
    unreadable: int
    experiments: list[ExperimentStatus]
