"""A file's lines brought to the disk beside the work, so that a slow disk stops no one's asking."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor

EVERY = 64
"""Lines after which a sync begins."""
MOST = 1024
"""Lines that may not be on the disk yet, which is what a lost node can cost: then it is waited."""


class Syncing:
    """Syncs of one open file, one at a time, in a thread of its own.

    What the disk refuses to one is raised as OSError by the next call.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._thread = ThreadPoolExecutor(1, "sync")
        self._running: Future[None] | None = None
        self._in_it = 0
        self._waiting = 0

    def wrote(self) -> None:
        """A line was written, and handed to the kernel."""
        self._waiting += 1
        if self._running and self._running.done():
            self._finish()
        if self._waiting + self._in_it >= MOST:
            self._finish()
        if self._waiting >= EVERY:
            self.begin()

    def begin(self) -> None:
        """Sync what was written, unless a sync is under way."""
        if self._running and self._running.done():
            self._finish()
        if self._running is None:
            self._in_it, self._waiting = self._waiting, 0
            self._running = self._thread.submit(os.fsync, self._handle)

    def end(self) -> None:
        """Everything that was written is on the disk."""
        self._finish()
        os.fsync(self._handle)

    def close(self) -> None:
        """The file is used no more."""
        self._thread.shutdown()

    def _finish(self) -> None:
        """Wait for the sync that is under way."""
        if self._running is not None:
            running, self._running, self._in_it = self._running, None, 0
            running.result()
