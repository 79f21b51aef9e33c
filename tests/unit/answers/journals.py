"""Journals of one shard, and another process that wants the same one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from notemill.answers.journal import Journal, JournalKey
from notemill.answers.outcome import Outcome
from notemill.clock import now

KEY = JournalKey("cough-123", "d" * 64)
A, B, C = ("a" * 64, "b" * 64, "c" * 64)
OUTCOME = Outcome("answered", {"reason": "caf\xe9"}, "", 1, "", 20, 10, 0.5, "small 1", now())


def anything(answer: dict[str, Any]) -> bool:
    """A schema that takes every answer."""
    return True


def set_aside(path: Path) -> bytes:
    rejected = path.with_name("0001.journal.rejected.jsonl")
    return rejected.read_bytes() if rejected.exists() else b""


def journal_of(path: Path, *texts: str, key: JournalKey = KEY) -> None:
    with Journal(path, key, anything) as journal:
        for text in texts:
            journal.accept(text, OUTCOME)


def answers(path: Path, key: JournalKey = KEY) -> dict[str, Outcome]:
    with Journal(path, key, anything) as journal:
        return journal.answers


def other_job(path: Path, before: str = "", end: str = "") -> int:
    """Exit status of another process that opens the journal; before, end: its further lines."""
    program = before + OTHER_JOB + end
    return subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode


OTHER_JOB = """
import os
import sys
from pathlib import Path
from notemill.errors import NotemillError
from notemill.answers.journal import Journal, JournalKey
try:
    journal = Journal(Path(sys.argv[1]), JournalKey("", ""), lambda answer: True)
except NotemillError:
    sys.exit(3)
"""
