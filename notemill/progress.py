"""How far long work is, in plain lines: done, rate, failures, time left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from notemill.logs import log

EVERY_S = 5.0


@dataclass
class Progress:
    """Counts work and logs a line at most every few seconds.

    total: units to do, None when it can't be known beforehand. on_bar: whether a run's bar, where
    there is one, tells it too; its lines then go to the log file alone.
    """

    unit: str
    total: int | None = None
    done: int = 0
    failed: int = 0
    tokens: int = 0
    on_bar: bool = False
    started: float = field(default_factory=time.monotonic)
    _at_start: int = 0
    _next_line: float = field(default_factory=lambda: time.monotonic() + EVERY_S)

    def resume_at(self, done: int) -> None:
        """Count work of an earlier run as done, without letting it raise the rate."""
        self.done = self._at_start = done

    def add(self, count: int = 1, *, failed: bool = False, tokens: int = 0) -> None:
        """Count finished work and log when a line is due."""
        self.done += count
        self.failed += count if failed else 0
        self.tokens += tokens
        self.line_if_due()

    def line_if_due(self) -> None:
        """Log a line if the last one is some seconds old."""
        now = time.monotonic()
        if now >= self._next_line:
            self._next_line = now + EVERY_S
            log.info(self.line(), extra={"on_bar": self.on_bar})

    def line(self) -> str:
        """The state now, as one line."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        rate = (self.done - self._at_start) / seconds
        of_total = f"/{self.total}" if self.total is not None else ""
        parts = [f"{self.done}{of_total} {self.unit}", f"{rate:.1f} {self.unit.split()[0]}/s"]
        if self.tokens:
            parts.append(f"{self.tokens / seconds:.0f} tokens/s")
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.total is not None and rate:
            parts.append(f"{_duration((self.total - self.done) / rate)} left")
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
