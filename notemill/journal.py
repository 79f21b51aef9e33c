"""The journal of an answer shard: each accepted answer on disk before the job goes on.

A killed job's retry reads it and asks only what is missing. It stays when the shard is written, so
whatever makes a job run again never asks an answered text again. One line of JSON an answer; a
line that a kill cut short is dropped. A lock keeps a second job off the same shard.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from notemill.errors import NotemillError
from notemill.files import explained, private_folder

_SYNC_EVERY = 64
"""Answers between two syncs: what a lost node, not a killed job, can cost."""


@dataclass(frozen=True)
class Outcome:
    """How a text ended, accepted or not; answer is None unless status is answered.

    engine: name and version of what was asked. seconds: wall time of all attempts.
    answered_at: UTC, ISO 8601. control_tokens: of the model, broken up in the text.
    """

    status: str
    answer: dict[str, Any] | None
    detail: str
    attempts: int
    changes: str
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    engine: str
    answered_at: str
    control_tokens: int = 0


@dataclass(frozen=True)
class JournalKey:
    """What the journal's answers belong to; answers under another key are not reused."""

    experiment: str
    model_digest: str
    notes_digest: str


class Journal:
    """Accepted answers by text hash (hex), appended as they come."""

    def __init__(self, path: Path, key: JournalKey) -> None:
        self._path = path
        self.answers: dict[str, Outcome] = {}
        self.runs = 1
        private_folder(path.parent)
        with explained(path):
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb+")
        self._lock()
        self._read(key)
        self._since_sync = 0
        self._append({"run": self.runs, "key": asdict(key), **_whereabouts()})

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with explained(self._path):
            self._sync()
            self._file.close()

    def accept(self, text_sha256: str, outcome: Outcome) -> None:
        """Keep an accepted answer for good."""
        self.answers[text_sha256] = outcome
        self._append({"text": text_sha256, **asdict(outcome)})

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise NotemillError(
                "another job is answering this shard",
                where=str(self._path),
                remedy="look for it with squeue (its host and job are in the journal's last "
                '"run" line); let it finish or scancel it, then run again',
            ) from None

    def _read(self, key: JournalKey) -> None:
        whole = 0
        current = False
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            try:
                entry = json.loads(line)
                if "run" in entry:
                    self.runs = entry["run"] + 1
                    current = entry["key"] == asdict(key)
                else:
                    text_sha256 = entry.pop("text")
                    outcome = Outcome(**entry)
                    if current:
                        self.answers[text_sha256] = outcome
            except (ValueError, TypeError, KeyError, AttributeError):
                break  # no line of a journal
            whole += len(line)
        self._file.seek(whole)
        self._file.truncate()

    def _append(self, entry: dict[str, Any]) -> None:
        with explained(self._path):
            self._file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
            self._since_sync += 1
            if self._since_sync >= _SYNC_EVERY:
                self._sync()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._since_sync = 0


def now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _whereabouts() -> dict[str, Any]:
    return {
        "host": platform.node(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "process": os.getpid(),
        "at": now(),
    }
