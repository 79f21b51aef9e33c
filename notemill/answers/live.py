"""How a shard's job goes, in a small file beside its journal: for `notemill status`.

The job renews it every few seconds. Numbers, names of machines and reasons; never a word of a note
or an answer. It proves nothing and no job reads another's: that it can't be written is a warning,
and whatever it says, the result shard and the journal are what counts.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

import notemill
from notemill.answers.journal_lines import Spent
from notemill.answers.outcome import Outcome
from notemill.answers.verdict import Status
from notemill.clock import now
from notemill.errors import NotemillError
from notemill.files import written_whole
from notemill.locks import Held, whereabouts
from notemill.logs import log, unexpected

_RATE_OVER_S = 60.0
_SHORTEST_S = 2.0
"""Over less, a few texts that end together would look like many."""
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


class LiveFile:
    """Writes a job's live file while the job works within it, and how it ended on leaving.

    gpu: the GPU's name, by default what the environment says; log: as in Live. `slots`,
    `servers` and `given_up` may be changed at any time. Nothing is written before `begins`, but why
    the job failed.
    """

    def __init__(
        self,
        path: Path,
        *,
        cohort: str,
        experiment: str,
        shard: str,
        gpu: str | None = None,
        log: str = "",
    ) -> None:
        self._path = path
        self._whose = {"cohort": cohort, "experiment": experiment, "shard": shard, "log": log}
        self.gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "") if gpu is None else gpu
        self.slots: int | None = None
        self.servers = 1
        self.given_up = 0
        self._started_at = now()
        self._spent: Callable[[], Spent] = Spent
        self._known: dict[str, object] = {}
        self._answered = 0
        self._failed: Counter[str] = Counter()
        self._ended = 0
        self._history = History()
        self.left: float | None = None
        self._weighed = 0.0
        self._samples: deque[tuple[float, int, float]] = deque()
        self._begun = False
        self._warned = False

    def begins(
        self,
        *,
        texts: int,
        answered: int,
        spent: Callable[[], Spent],
        slots: int | None = None,
        job: int = 1,
        notes_digest: str = "",
        settled: int = 0,
    ) -> None:
        """The job holds the shard's journal and goes to work. spent: what all jobs cost so far."""
        earlier = read_live(self._path)
        if earlier and earlier.notes_digest == notes_digest:
            self._history = earlier.history
        self._known = {
            "texts": texts,
            "settled": settled,
            "job": job,
            "notes_digest": notes_digest,
        }
        self._answered = answered
        self._spent = spent
        self.slots = slots
        self._begun = True
        self._write(State.STARTING)

    def ended(self, outcome: Outcome, weight: float = 1.0) -> None:
        """Count a text that has ended. weight: of what is left."""
        self._ended += 1
        self._weighed += weight
        if self.left is not None:
            self.left = max(self.left - weight, 0.0)
        if outcome.status == Status.ANSWERED:
            self._answered += 1
        else:
            self._failed[outcome.status] += 1
        self._history.add(time.time())
        if not self._samples:
            self._samples.append((time.monotonic(), self._ended, self._weighed))

    def beat(self) -> None:
        """Renew the file; called every few seconds."""
        if self._begun:
            self._write(State.ASKING if self._ended else State.STARTING)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._write(State.DONE)
        elif isinstance(error, Held):
            pass  # the file is the other job's
        elif isinstance(error, Exception):
            self._fail(_failure(error))
        elif self._begun:
            self._write(State.ENDED)

    def _fail(self, failure: Failure) -> None:
        if not self._begun and (earlier := read_live(self._path)):
            kept = {"texts", "settled", "answered", "notes_digest", "job", "spent", "history"}
            self._known = {name: getattr(earlier, name) for name in kept}
        self._write(State.FAILED, failure)

    def _write(self, state: State, failure: Failure | None = None) -> None:
        texts_per_s, left_per_s = self._rates()
        fields: dict[str, object] = {
            **self._whose,
            **whereabouts(),
            "state": state,
            "gpu": self.gpu,
            "slots": self.slots,
            "servers": self.servers,
            "given_up": self.given_up,
            "started_at": self._started_at,
            "renewed_at": now(),
            "answered": self._answered,
            "failed": self._failed,
            "ended": self._ended,
            "texts_per_s": round(texts_per_s, 3),
            "left": None if self.left is None else round(self.left, 3),
            "left_per_s": round(left_per_s, 3),
            "spent": self._spent(),
            "history": self._history,
            "failure": failure,
            "notemill": notemill.__version__,
            **self._known,
        }
        try:
            live = Live.model_validate(fields)
            with written_whole(self._path, synced=False) as partial:
                partial.write_text(live.model_dump_json() + "\n", encoding="utf-8")
        except (OSError, NotemillError, ValidationError) as error:
            if not self._warned:
                self._warned = True
                log.warning(
                    "how this job goes can't be written, so `notemill status` will not tell (%s): "
                    "%s; the answers are not touched by it",
                    error.what if isinstance(error, NotemillError) else type(error).__name__,
                    self._path,
                )

    def _rates(self) -> tuple[float, float]:
        """Texts ended a second over the last minute, from the first one that ended; and weighed."""
        if not self._samples:
            return 0.0, 0.0
        self._samples.append((time.monotonic(), self._ended, self._weighed))
        while len(self._samples) > 2 and self._samples[-1][0] - self._samples[1][0] > _RATE_OVER_S:
            self._samples.popleft()
        (since, *before), (until, *after) = self._samples[0], self._samples[-1]
        if until - since < _SHORTEST_S:
            return 0.0, 0.0
        texts, weight = (b - a for a, b in zip(before, after, strict=True))
        return texts / (until - since), max(weight, 0.0) / (until - since)


def read_live(path: Path) -> Live | None:
    """What a live file says, None if there is none that can be read."""
    try:
        return Live.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _failure(error: Exception) -> Failure:
    if isinstance(error, NotemillError):
        return Failure(what=error.what.partition("\n")[0], where=error.where, remedy=error.remedy)
    what, _, remedy = unexpected(error).partition("\n  what to do: ")
    return Failure(what=what, where=None, remedy=remedy)
