"""The journal of an answer shard: each accepted answer on disk before the job goes on.

A killed job's retry reads it and asks only what is missing. It stays when the shard is written, so
whatever makes a job run again never asks an answered text again. Lines of JSON, of three kinds:

    {"job": n, "key": {"experiment", "model_digest"}, "host", "slurm_job", "process", "at"}
    {"text": sha256, "job": n, **Outcome}                      an accepted answer
    {"spent": {"seconds", "asked", "tokens"}, "job": n}        what job n has spent until then

Each ends with "crc32", the sum of the line without it, which begins with that of the job's key in
all but the first kind; those of older versions have none.
An answer belongs to its text and to the key of its job, whatever the shard. A line that a kill cut
short is dropped. A line that is none of these or is not as it was written, that stands behind
another job's start than its own, or whose answer the schema does not take any more, is set aside in
JOURNAL.rejected.jsonl.
A lock keeps a second job off the same shard (notemill.locks).

To move answers between journals (another cut of a cohort): `JournalAtRest` holds a journal's lock
and gives its accepted answers and what was spent; `write_journal` writes a new journal whole.
To see how far a job is: `accepted_so_far` reads what is there, whoever writes it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from notemill.answers.journal_lines import (
    Accepted,
    JournalKey,
    Reading,
    Spent,
    answer_line,
    spent_line,
    start_line,
)
from notemill.answers.outcome import Outcome
from notemill.answers.syncing import Syncing
from notemill.files import explained, open_private, sync, written_whole
from notemill.locks import LockedFile
from notemill.logs import log

__all__ = [
    "Accepted",
    "Journal",
    "JournalAtRest",
    "JournalKey",
    "Spent",
    "accepted_so_far",
    "write_journal",
]

_SPENT_EVERY_S = 5.0


class Journal:
    """Accepted answers by text hash (hex), appended as they come.

    is_answer: whether the schema takes an answer as it is; asked about each that is reused.
    started: time.monotonic() from when the job's seconds count, by default now.
    share: of these seconds that are this journal's, where a job has several.
    """

    def __init__(
        self,
        path: Path,
        key: JournalKey,
        is_answer: Callable[[dict[str, Any]], bool],
        *,
        started: float | None = None,
    ) -> None:
        self.share = 1.0
        self._started = time.monotonic() if started is None else started
        self._path = path
        self._key = key
        self.answers: dict[str, Outcome] = {}
        self._locked = LockedFile(path)
        try:
            with explained(path):
                reading = Reading(self._locked.file)
                self._reuse(reading, key, is_answer)
                self.jobs = reading.last_job + 1
                self._before = reading.spent.get(key, Spent())
                self._asked = self._tokens = 0
                self._next_spent = 0.0
                self._disk = Syncing(self._locked.file.fileno())
                self._append(start_line(self.jobs, key))
        except BaseException:
            self._locked.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            with explained(self._path):
                self._append(spent_line(self.jobs, self._key, self._spent_now()))
                self._disk.end()
        finally:
            self._disk.close()
            self._locked.close()

    @property
    def spent(self) -> Spent:
        """What all jobs under this key have spent, this one until now."""
        return self._before + self._spent_now()

    def accept(self, text_sha256: str, outcome: Outcome) -> None:
        """Keep an accepted answer for good: a kill does not cost it any more."""
        with explained(self._path):
            self._append(answer_line(self.jobs, Accepted(self._key, text_sha256, outcome)))
        self.answers[text_sha256] = outcome

    def spend(self, *, asked: int = 0, tokens: int = 0) -> None:
        """Count what was spent; it is written every few seconds, so call it often."""
        self._asked += asked
        self._tokens += tokens
        if time.monotonic() >= self._next_spent:
            self._next_spent = time.monotonic() + _SPENT_EVERY_S
            with explained(self._path):
                self._append(spent_line(self.jobs, self._key, self._spent_now()))
                self._disk.begin()

    def _spent_now(self) -> Spent:
        seconds = (time.monotonic() - self._started) * self.share
        return Spent(round(seconds, 3), self._asked, self._tokens)

    def _append(self, line: bytes) -> None:
        # At once: it takes the kernel microseconds, and a kill costs what was not written.
        self._locked.file.write(line)
        self._locked.file.flush()
        self._disk.wrote()

    def _reuse(
        self, reading: Reading, key: JournalKey, is_answer: Callable[[dict[str, Any]], bool]
    ) -> None:
        """Take the answers under this key; set aside what can't be used."""
        good: list[bytes] = []
        bad: list[bytes] = []
        for line, entry in reading:
            if isinstance(entry, Accepted) and entry.key == key:
                if not is_answer(entry.outcome.answer or {}):
                    bad.append(line)
                    continue
                self.answers[entry.text_sha256] = entry.outcome
            (bad if entry is None else good).append(line)
        if bad:
            self._set_aside(good, bad)
        self._locked.file.seek(sum(map(len, good)))
        self._locked.file.truncate()

    def _set_aside(self, good: list[bytes], bad: list[bytes]) -> None:
        rejected = self._path.with_suffix(".rejected.jsonl")
        partial = self._path.with_name(f".{self._path.name}.partial")
        # First the bad lines: killed in between, they are in both and set aside once more.
        for path, mode, lines in ((rejected, os.O_APPEND, bad), (partial, os.O_TRUNC, good)):
            with os.fdopen(open_private(path, os.O_WRONLY | mode), "wb") as file:
                file.writelines(lines)
            sync(path)
        self._locked.replace(partial)
        sync(self._path.parent)
        log.warning(
            "%d of the journal's %d lines can't be used and were set aside in %s; their texts are "
            "asked again",
            len(bad),
            len(good) + len(bad),
            rejected,
        )


class JournalAtRest:
    """A journal that no job writes: locked from opening to closing, and not changed.

    Raises NotemillError when a job holds it.
    """

    def __init__(self, path: Path) -> None:
        self._locked = LockedFile(path)
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._locked.close()

    def accepted(self) -> Iterator[Accepted]:
        """Well-formed answers in the journal's order; of a text given twice the later counts.

        They are not held to the schema here: the job that reuses them does that.
        """
        with explained(self._path):
            for _, line in Reading(self._locked.file):
                if isinstance(line, Accepted):
                    yield line

    def spent(self) -> dict[JournalKey, Spent]:
        """What all jobs under each key have spent."""
        with explained(self._path):
            reading = Reading(self._locked.file)
            for _ in reading:
                pass
        return reading.spent


def accepted_so_far(path: Path) -> Iterator[Accepted]:
    """Well-formed answers in a journal that a job may be writing; none if there is no journal.

    As `JournalAtRest.accepted` has them. Nothing is locked, made or changed.
    """
    with explained(path), suppress(FileNotFoundError), path.open("rb") as file:
        for _, line in Reading(file):
            if isinstance(line, Accepted):
                yield line


def write_journal(
    path: Path, accepted: Iterable[Accepted], spent: Mapping[JournalKey, Spent]
) -> None:
    """Write a new journal whole: these answers, each key in one job, and what they have cost.

    accepted: grouped by key, or each change of key makes a job of its own. Nothing may hold the
    path's lock, and what is there is replaced.
    """
    left = dict(spent)
    job = 0
    current: JournalKey | None = None
    with written_whole(path) as partial, partial.open("wb") as file:

        def begin(key: JournalKey) -> None:
            nonlocal job, current
            job, current = job + 1, key
            file.write(start_line(job, key))
            if (cost := left.pop(key, None)) is not None:
                file.write(spent_line(job, key, cost))

        for each in accepted:
            if each.key != current:
                begin(each.key)
            file.write(answer_line(job, each))
        for key in list(left):
            begin(key)
