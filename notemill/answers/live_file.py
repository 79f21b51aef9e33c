"""A job writes its live file (notemill.answers.live), and how it ended."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

import notemill
from notemill.answers.journal_lines import Spent
from notemill.answers.live import Failure, History, Live, State, read_live
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


def _failure(error: Exception) -> Failure:
    if isinstance(error, NotemillError):
        return Failure(what=error.what.partition("\n")[0], where=error.where, remedy=error.remedy)
    what, _, remedy = unexpected(error).partition("\n  what to do: ")
    return Failure(what=what, where=None, remedy=remedy)
