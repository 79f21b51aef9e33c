"""How a shard's job goes, in a small file beside its journal: for `notemill status`.

The job renews it every few seconds. Numbers, names of machines and reasons; never a word of a note
or an answer. It proves nothing and no job reads another's: that it can't be written is a warning,
and whatever it says, the result shard and the journal are what counts.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from notemill.answers.journal_lines import Spent

_FIRST_WIDTH_S = 10
_MOST_SPANS = 120
_LATEST = 2**33
"""Second of the epoch: what a clock can say."""

Count = Annotated[int, Field(ge=0)]


class State(StrEnum):
    """What a job says of itself. starting: no text has ended yet; ended: by SIGTERM."""

    STARTING = "starting"
    ASKING = "asking"
    DONE = "done"
    FAILED = "failed"
    ENDED = "ended"


class Failure(BaseModel):
    """Why a job failed: an error's words, which are free of data."""

    model_config = ConfigDict(frozen=True)

    what: str
    where: str | None
    remedy: str


class History(BaseModel):
    """When texts ended, over all jobs of the shard.

    spans: each with its first second (of the epoch) and the texts that ended in its `width_s`
    seconds; spans without any are left out. When there are too many, they get twice as wide.
    """

    width_s: int = Field(_FIRST_WIDTH_S, ge=1, lt=_LATEST)
    spans: list[tuple[Annotated[int, Field(ge=0, lt=_LATEST)], Count]] = []

    def add(self, at: float) -> None:
        """Count a text that ended at this second of the epoch."""
        start = int(at) // self.width_s * self.width_s
        if self.spans and self.spans[-1][0] >= start:  # a clock may go back
            self.spans[-1] = (self.spans[-1][0], self.spans[-1][1] + 1)
        else:
            self.spans.append((start, 1))
        while len(self.spans) > _MOST_SPANS:
            self.width_s *= 2
            self.spans = self.in_spans_of(self.width_s)

    def in_spans_of(self, width_s: int) -> list[tuple[int, int]]:
        """The same in spans of another width, a multiple of its own."""
        wider: Counter[int] = Counter()
        for start, texts in self.spans:
            wider[start // width_s * width_s] += texts
        return sorted(wider.items())


class Live(BaseModel):
    """A live file. Times are UTC, ISO 8601, by the clock of the job's host.

    notes_digest: of the notes shard, empty if the job failed before it was read. slots: of each of
    its servers, of which some may be given_up. job: number of the job on this shard. texts: of the
    shard, None if unknown; settled: of them by the task's gate, and so not asked; answered: those
    in the journal, earlier jobs' too; failed: by status, of this job. ended: texts that this job
    has ended. texts_per_s: over the last minute. left: of the texts, weighed by their lengths so
    that all together weigh what they count, None if unknown; left_per_s: what of it ends a second,
    for a class's last texts begin with the longest. spent: of all jobs. log: of the job, a path
    below `results`, empty if unknown; tasks that are asked together share it.
    """

    model_config = ConfigDict(frozen=True)

    cohort: str
    experiment: str
    shard: str
    state: State
    notes_digest: str = ""
    host: str = ""
    slurm_job: str | None = None
    process: int = 0
    gpu: str = ""
    slots: int | None = None
    servers: int = Field(1, ge=1)
    given_up: Count = 0
    job: Count = 0
    log: str = ""
    started_at: AwareDatetime
    renewed_at: AwareDatetime
    texts: Count | None = None
    settled: Count = 0
    answered: Count = 0
    failed: dict[str, Count] = {}
    ended: Count = 0
    texts_per_s: float = Field(0.0, ge=0, allow_inf_nan=False)
    left: float | None = Field(None, ge=0, allow_inf_nan=False)
    left_per_s: float = Field(0.0, ge=0, allow_inf_nan=False)
    spent: Spent = Spent()
    history: History = History()
    failure: Failure | None = None
    notemill: str = ""

    @model_validator(mode="after")
    def _adds_up(self) -> Live:
        if not self.spent.possible:
            raise ValueError("spent")
        if self.answered + self.settled + sum(self.failed.values()) > (self.texts or 0):
            raise ValueError("more texts than there are")
        return self

    @property
    def seconds(self) -> float:
        """From the job's start to its last sign of life."""
        return max((self.renewed_at - self.started_at).total_seconds(), 0.0)


def read_live(path: Path) -> Live | None:
    """What a live file says, None if there is none that can be read."""
    try:
        return Live.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
