"""A journal's lines: what each kind holds, how it is written, and which of them can be used."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import typing
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pydantic_core
from pydantic import BaseModel, ConfigDict, create_model

from notemill.answers.outcome import Outcome
from notemill.answers.verdict import Status
from notemill.clock import now
from notemill.locks import whereabouts

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TEXT = b'{"text": "'
_TEXT_ENDS = len(_TEXT) + 64
"""How an answer's line begins, with the text's hash."""
_SUMMED = re.compile(rb'(?P<entry>.+), "crc32": "(?P<sum>[0-9a-f]{8})"\}\n', re.DOTALL)
"""A line with the sum of what stands before it, and of the key that it is under, so that a line of
another journal is none of this one; those of older versions have none."""
_COUNTS = range(2**31)
"""What a result shard's columns hold."""


@dataclass(frozen=True, order=True)
class JournalKey:
    """What the journal's answers belong to; answers under another key are not reused."""

    experiment: str
    model_digest: str

    @cached_property
    def sum(self) -> int:
        """What the sums of its lines begin with."""
        return zlib.crc32(f"{self.experiment} {self.model_digest}".encode())


@dataclass(frozen=True)
class Spent:
    """What asking has cost. seconds: wall time of jobs; asked: texts; tokens: of all attempts."""

    seconds: float = 0.0
    asked: int = 0
    tokens: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            round(self.seconds + other.seconds, 3),
            self.asked + other.asked,
            self.tokens + other.tokens,
        )

    @property
    def possible(self) -> bool:
        """Whether it can be a cost: finite, and nothing below zero."""
        return math.isfinite(self.seconds) and min(self.seconds, self.asked, self.tokens) >= 0


class Accepted(NamedTuple):
    """An accepted answer as a journal has it."""

    key: JournalKey
    text_sha256: str
    outcome: Outcome


class _Line(BaseModel):
    """What every line has: the number of its job."""

    model_config = ConfigDict(strict=True, extra="forbid")

    job: int


class Start(_Line):
    """A job's first line."""

    key: JournalKey
    host: str
    slurm_job: str | None
    process: int
    at: str


class Cost(_Line):
    """What its job has spent until then."""

    spent: Spent


def _answer_model() -> Any:
    """An answer's line: its text and the fields of Outcome, those with a default optional."""
    types = typing.get_type_hints(Outcome)
    fields: dict[str, Any] = {
        field.name: (
            types[field.name],
            ... if field.default is dataclasses.MISSING else field.default,
        )
        for field in dataclasses.fields(Outcome)
    }
    return create_model("_Answer", __base__=_Line, text=(str, ...), **fields)


_Answer = _answer_model()
_OUTCOME_FIELDS = [field.name for field in dataclasses.fields(Outcome)]


def _parsed(line: bytes, key: JournalKey | None) -> Any:
    """The line as one of the three kinds, None if it is none of them or not as it was written.

    key: that it is under, unless it is a start.
    """
    summed = _SUMMED.fullmatch(line)
    if summed:
        line = summed["entry"] + b"}"
    try:
        values = pydantic_core.from_json(line)
        kind = Start if "key" in values else Cost if "spent" in values else _Answer
        entry = kind.model_validate_json(line)
    except (ValueError, TypeError):
        return None
    begins = 0 if kind is Start or key is None else key.sum
    if summed and zlib.crc32(line, begins) != int(summed["sum"], 16):
        return None
    return entry


class Reading:
    """Goes over a journal's whole lines: each with its answer, None for a line to set aside.

    last_job and spent are complete when the lines are through.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._key: JournalKey | None = None
        self._job = 0
        self._spent: dict[int, tuple[JournalKey, Spent]] = {}
        self._starts = 0
        self.last_job = 0

    @property
    def spent(self) -> dict[JournalKey, Spent]:
        """By key, added up over its jobs, of each of which the last line counts."""
        sums: dict[JournalKey, Spent] = {}
        for key, spent in self._spent.values():
            sums[key] = sums.get(key, Spent()) + spent
        return sums

    def __iter__(self) -> Iterator[tuple[bytes, Accepted | Start | Cost | None]]:
        self._file.seek(0)
        for line in self._file:
            if not line.endswith(b"\n"):
                return  # cut short by a kill; nothing stands behind it
            yield line, self._entry(line)

    def _entry(self, line: bytes) -> Accepted | Start | Cost | None:
        entry = _parsed(line, self._key)
        if entry is None:
            return None
        self.last_job = max(self.last_job, entry.job)
        if isinstance(entry, Start):
            self._starts += 1
            self._job, self._key = entry.job, entry.key
            return entry
        # Its job's own start may be the line before it that can't be read: whose is it then?
        if self._key is None or entry.job != self._job:
            return None
        if isinstance(entry, Cost):
            if not entry.spent.possible:
                return None
            self._spent[self._starts] = (self._key, entry.spent)
            return entry
        outcome = Outcome(**{name: getattr(entry, name) for name in _OUTCOME_FIELDS})
        accepted = Accepted(self._key, entry.text, outcome)
        return accepted if _is_storable(accepted) else None


def _is_storable(accepted: Accepted) -> bool:
    """Whether it is an answer that a result shard's columns can hold."""
    outcome = accepted.outcome
    counts = [value for value in vars(outcome).values() if type(value) is int]
    try:
        has_zone = datetime.fromisoformat(outcome.answered_at).tzinfo is not None
    except ValueError:
        return False
    return (
        _SHA256.fullmatch(accepted.text_sha256) is not None
        and outcome.status == Status.ANSWERED
        and outcome.answer is not None
        and all(count in _COUNTS for count in counts)
        and math.isfinite(outcome.seconds)
        and has_zone
    )


def start_line(job: int, key: JournalKey) -> bytes:
    """A job's first line, with where this process is."""
    return _line({"job": job, "key": asdict(key), **whereabouts(), "at": now()})


def answer_line(job: int, accepted: Accepted) -> bytes:
    """An accepted answer."""
    # Not asdict, which copies the whole answer.
    outcome = vars(accepted.outcome)
    return _line({"text": accepted.text_sha256, "job": job, **outcome}, accepted.key)


def count_answers(path: Path) -> int:
    """Texts with an answer in a journal, unchecked and without its lock: for an overview."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return len({line[:_TEXT_ENDS] for line in file if line.startswith(_TEXT)})


def spent_line(job: int, key: JournalKey, spent: Spent) -> bytes:
    """What the job has spent until now."""
    return _line({"spent": asdict(spent), "job": job}, key)


_as_json = json.JSONEncoder(ensure_ascii=False).encode


def _line(entry: dict[str, Any], key: JournalKey | None = None) -> bytes:
    line = _as_json(entry).encode()
    return b'%s, "crc32": "%08x"}\n' % (line[:-1], zlib.crc32(line, key.sum if key else 0))
