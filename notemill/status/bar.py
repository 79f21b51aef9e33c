"""One bar for a whole local run, at the bottom of the terminal.

Snakemake and several jobs write to the same terminal, in their own processes. So the bar is given
the last row for itself: the terminal is told to scroll only the rows above it (as apt does), and
whatever anyone writes there, and however, can not meet the bar. All that is drawn is one write.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from notemill.config import Config
from notemill.logs import BAR_VARIABLE
from notemill.status.gather import gather
from notemill.status.reading import Reading
from notemill.status.report import Status
from notemill.status.words import lasting, rate
from notemill.tasks.run import Run

_EVERY_S = 1.0
_LEAST = os.terminal_size((50, 8))
_BAR = 30
_SAVE, _RESTORE = "\x1b7", "\x1b8"
_ERASE = "\x1b[2K"
_ALL_ROWS = "\x1b[r"


def show_bar(config: Config, runs: Sequence[Run]) -> None:
    """Draw the bar until the process ends, if stderr is a terminal that can have one."""
    if os.environ.get("TERM", "dumb") == "dumb" or not sys.stderr.isatty():
        return
    bar = _Bar(config, runs, sys.stderr.fileno())
    os.environ[BAR_VARIABLE] = "1"
    bar.start()
    atexit.register(bar.end)


class _Bar(threading.Thread):
    """Looks at the files of the run every second. terminal: where to draw, a file descriptor."""

    def __init__(self, config: Config, runs: Sequence[Run], terminal: int) -> None:
        super().__init__(name="bar", daemon=True)
        self._config = config
        self._runs = runs
        self._terminal = terminal
        self._reading = Reading()
        self._over = threading.Event()
        self._drawing = threading.Lock()
        self._size: os.terminal_size | None = None
        self._fancy = (sys.stderr.encoding or "").lower().startswith("utf")

    def run(self) -> None:
        """Draw until the end, or until the terminal or the files give an error."""
        with suppress(Exception):
            while not self._over.wait(_EVERY_S):
                self._draw(gather(self._config, self._runs, self._reading))
        self._give_back()

    def end(self) -> None:
        """Give the last row back. Called once, when the process ends."""
        self._over.set()
        self._give_back()

    def _draw(self, status: Status) -> None:
        with self._drawing:
            if self._over.is_set():
                return
            size = os.get_terminal_size(self._terminal)
            if size.columns < _LEAST.columns or size.lines < _LEAST.lines:
                return
            words = line(status, size.columns - 1, fancy=self._fancy)
            drawn = f"{_SAVE}\x1b[{size.lines};1H{_ERASE}{words}{_RESTORE}"
            self._write((self._take(size) if size != self._size else "") + drawn)
            self._size = size

    def _take(self, size: os.terminal_size) -> str:
        """Take the last row: scroll what stands there up, then never again scroll it."""
        before = self._size
        old = f"{_SAVE}\x1b[{before.lines};1H{_ERASE}{_RESTORE}" if before else ""
        scrolled = f"{_SAVE}{_ALL_ROWS}{_RESTORE}\n"  # to set the rows moves the cursor
        return f"{old}{scrolled}{_SAVE}\x1b[1;{size.lines - 1}r{_RESTORE}\x1b[1A"

    def _give_back(self) -> None:
        with self._drawing, suppress(OSError):
            if self._size is not None:
                last = self._size.lines
                self._size = None
                self._write(f"{_SAVE}{_ALL_ROWS}\x1b[{last};1H{_ERASE}{_RESTORE}")

    def _write(self, orders: str) -> None:
        os.write(self._terminal, orders.encode("utf-8" if self._fancy else "ascii", "replace"))


def line(status: Status, width: int, *, fancy: bool) -> str:
    """The whole run in one line of at most so many characters."""
    parts = status.experiments
    if any(each.texts is None for each in parts):
        return "notemill: before the first note is asked"[:width]
    texts = sum(each.texts or 0 for each in parts)
    failed = sum(each.failed for each in parts)
    ended = sum(each.answered + (each.settled or 0) for each in parts) + failed
    share = ended / texts if texts else 1.0
    said = [f" {int(100 * share)} %", f"{ended:,}/{texts:,} texts"]
    if failed:
        said.append(f"{failed:,} failed")
    if speed := sum(each.texts_per_s for each in parts):
        said += [f"{rate(speed)}/s", f"{lasting((texts - ended) / speed)} left"]
    done = sum(each.shards.done for each in parts)
    said.append(f"{done:,}/{sum(each.shards.total for each in parts):,} shards")
    words = "  ".join(said)
    length = max(min(width - len(words), _BAR), 0)
    full, empty = ("━", "─") if fancy else ("#", ".")
    until = int(length * share)
    return (full * until + empty * (length - until) + words)[:width]
