"""When and why a server ends, and how long what is in flight may take."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from notemill.endpoints.limits import DRAIN

_LAST = timedelta(seconds=10)
"""Of the job, to end the engine."""
_AFTER_TERM = timedelta(seconds=20)
"""Slurm kills 30 s after SIGTERM, unless the site has another KillWait."""


class Ending:
    """begun: set when nothing new is to be taken. until: when the job ends, None for never; drain:
    how long before that it begins."""

    def __init__(self, until: datetime | None, drain: timedelta = DRAIN) -> None:
        self.until = until
        self._drain = drain
        self.begun = asyncio.Event()
        self.why = ""
        # By a clock that nobody sets.
        self._ends = None if until is None else time.monotonic() + _left(until)
        self._deadline: float | None = None

    @property
    def past(self) -> bool:
        """Whether what is in flight has had its time."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def begin(self, why: str, patience: timedelta | None = None) -> None:
        """Take nothing new; what is in flight has `patience`, and no longer than the job."""
        patience = self._drain if patience is None else patience
        deadline = time.monotonic() + patience.total_seconds()
        if self._ends is not None:
            deadline = min(deadline, self._ends - _LAST.total_seconds())
        self._deadline = deadline if self._deadline is None else min(deadline, self._deadline)
        self.why = self.why or why
        self.begun.set()

    @contextmanager
    def by_signals_and_time(self) -> Iterator[None]:
        """SIGUSR1, SIGTERM, Ctrl-C and the time limit begin it; the second signal ends patience."""
        loop = asyncio.get_running_loop()
        for number, patience in (
            (signal.SIGUSR1, self._drain),
            (signal.SIGTERM, _AFTER_TERM),
            (signal.SIGINT, _AFTER_TERM),
        ):
            loop.add_signal_handler(number, self._signalled, number, patience)
        timer = None
        if self._ends is not None:
            left = self._ends - self._drain.total_seconds() - time.monotonic()
            timer = loop.call_later(max(left, 0), self.begin, "its time limit is near")
        try:
            yield
        finally:
            if timer:
                timer.cancel()
            for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _signalled(self, number: signal.Signals, patience: timedelta) -> None:
        again = self.begun.is_set() and number != signal.SIGUSR1
        self.begin(number.name, timedelta() if again else patience)


def _left(until: datetime) -> float:
    return (until - datetime.now(UTC)).total_seconds()
