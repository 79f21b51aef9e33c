"""What a job has done so far, in numbers: for whoever watches it while it works.

The asking counts, in its own thread; others read at any time. Each number stands for itself, and
what has several is copied in one step, so that nobody waits for a lock.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

REQUEST_BOUNDS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
"""Upper bounds, inclusive, by which seconds of requests are counted."""
ANSWERED = "answered"
"""The status of a text with an answer."""
INTERRUPTED = "interrupted"
"""Reason of a retry, beside statuses: its engine was lost, or its job ended, while it was asked."""

OwnMetrics = Callable[[], bytes]
"""What a server tells of itself, in Prometheus' text format. Raises OSError when it does not."""


class Durations:
    """Seconds, counted by REQUEST_BOUNDS_S and beyond; total: all added up."""

    def __init__(self) -> None:
        self.counts = [0] * (len(REQUEST_BOUNDS_S) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(REQUEST_BOUNDS_S, seconds)] += 1
        self.total += seconds


@dataclass(eq=False)
class Counts:
    """What one job has done on one shard for one experiment. Times: seconds of the epoch.

    statuses: how a text may end. journal: its file. started: when the job opened the shard. texts:
    of the shard, of which the gate settled some; answered_before: in the journal when the job
    began. ended: texts by status, of this job; progressed: when the last one ended, or an engine
    was ready; first_s: from the start until the first one ended. requests: to engines, control
    questions too; in_flight: those that wait for their reply, for a slot or in one. retries: by
    what made them necessary, a status or INTERRUPTED. engine: name and version.

    Of the job, and so with the first alone where several tasks are asked together: slots of all
    servers that it has, or of the endpoints that it asks; restarts: an engine's starts after it was
    lost; own: what its servers tell of themselves, by their number.
    """

    cohort: str = ""
    experiment: str = ""
    shard: str = ""
    statuses: tuple[str, ...] = ()
    journal: Path | None = None
    started: float = field(default_factory=time.time)
    texts: int = 0
    settled: int = 0
    answered_before: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    progressed: float = field(default_factory=time.time)
    first_s: float | None = None
    _began: float = field(default_factory=time.monotonic)
    prompt_tokens: int = 0
    answer_tokens: int = 0
    requests: Durations = field(default_factory=Durations)
    in_flight: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    engine: str = ""
    slots: int = 0
    restarts: int = 0
    own: dict[int, OwnMetrics] = field(default_factory=dict)

    def end(self, status: str) -> None:
        """Count a text that has ended."""
        self.ended[status] += 1
        self.progressed = time.time()
        if self.first_s is None:
            self.first_s = time.monotonic() - self._began


Watched = Callable[[Sequence[Counts]], AbstractContextManager[object]]
"""Shows others what a job counts, for each of its tasks, while it works within it."""
