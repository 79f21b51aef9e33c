"""Result shards counted, some rows at a time: no list of rows, and nothing of a free text but its
length."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from notemill.answers.choices import choices_of
from notemill.answers.columns import EVIDENCE_GRADE, GATE_RULE, GATE_SENT, AnswerColumn
from notemill.answers.verdict import NOT_ASKED, Status
from notemill.tasks.gate import DID

BUCKET = 16
"""Tokens in a bucket of lengths."""
_BUCKETS = 8192
_LONGEST = 1 << 16
"""Characters from which texts count as so long."""
_FIRST_MONTH = -1200
_MONTHS = 2760
"""From 1870 to 2100; dates beyond count as its ends."""

_NOT_ASKED = pa.array([status.value for status in NOT_ASKED])

FieldKind = Literal["choice", "number", "text", "list"]


class Lengths:
    """How many have which whole number from 0 to a limit, beyond which all are at the limit."""

    def __init__(self, limit: int) -> None:
        self.counts = np.zeros(limit + 1, np.int64)

    def add(self, values: pa.Array) -> None:
        """Count values; null ones are left out."""
        numbers = np.clip(pc.drop_null(values).to_numpy(zero_copy_only=False), 0, None)
        limit = len(self.counts) - 1
        self.counts += np.bincount(np.minimum(numbers, limit).astype(np.int64), minlength=limit + 1)


@dataclass
class FieldTally:
    """What was answered in one field.

    labels: of a choice field, in the schema's order; values: how each stands in the column.
    by_length, by_month: notes, a row a label, one for values that are none, and one for null.
    """

    column: AnswerColumn
    kind: FieldKind
    labels: list[str] = field(default_factory=list)
    values: pa.Array | None = None
    nulls: int = 0
    by_length: np.ndarray | None = None
    by_month: np.ndarray | None = None
    numbers: NumberTally | None = None  # once its range is known
    lengths: Lengths | None = None

    @property
    def classes(self) -> np.ndarray:
        """Notes by the rows of by_length."""
        assert self.by_length is not None
        result: np.ndarray = self.by_length.sum(-1)
        return result


ANOTHER = "(another)"


class NumberTally:
    """How many numbers lie where between the least and the greatest, which are known.

    Steps have a round width and begin at a round number, so that neither end is a note's own.
    """

    def __init__(self, least: float, greatest: float, *, whole: bool) -> None:
        width = (
            10.0 ** math.ceil(math.log10((greatest - least) / 1000)) if least < greatest else 1.0
        )
        self.width = max(width, 1.0) if whole else width
        self.low = math.floor(least / self.width) * self.width
        self.counts = np.zeros(int((greatest - self.low) / self.width) + 1, np.int64)

    def add(self, values: pa.Array) -> None:
        """Count values; null ones are left out."""
        numbers = pc.drop_null(values).to_numpy(zero_copy_only=False).astype(float)
        steps = len(self.counts)
        which = np.clip(((numbers - self.low) / self.width).astype(np.int64), 0, steps - 1)
        self.counts += np.bincount(which, minlength=steps)


class Tally:
    """All that the report counts in result shards of one experiment over one cohort.

    time: the id column by which answers are told over time, None without a date among them.
    """

    def __init__(
        self, columns: Iterable[AnswerColumn], schema: dict[str, Any], *, time: str | None
    ) -> None:
        self.time = time
        self.fields = [_field_tally(column, schema, time) for column in columns]
        self.statuses: Counter[str] = Counter()
        self.attempts = Lengths(100)
        self.prompt_tokens = Lengths(_BUCKETS * BUCKET)
        self.answer_tokens = Lengths(_BUCKETS * BUCKET)
        self.grades: Counter[str] = Counter()
        self.gate: Counter[tuple[str, str]] = Counter()  # rule and what it did
        self.cut_shares = 0.0
        self.engines: set[str] = set()
        self.first: datetime | None = None
        self.last: datetime | None = None

    def columns(self, *, evidence: bool, gate: bool) -> list[str]:
        """Which columns it needs."""
        named = ["status", "attempts", "prompt_tokens", "answer_tokens", "engine", "answered_at"]
        named += [each.column.column for each in self.fields]
        named += [EVIDENCE_GRADE] if evidence else []
        named += [GATE_RULE, GATE_SENT] if gate else []
        return [*named, self.time] if self.time else named

    @property
    def numbers(self) -> list[FieldTally]:
        """Fields whose range must be known before their values are counted."""
        return [each for each in self.fields if each.kind == "number"]

    def add(self, batch: pa.RecordBatch) -> None:
        """Count these rows."""
        for entry in pc.value_counts(batch["status"]).to_pylist():
            self.statuses[entry["values"]] += entry["counts"]
        if GATE_RULE in batch.schema.names:
            self._add_gated(batch)
        asked = batch.filter(pc.invert(pc.is_in(batch["status"], _NOT_ASKED)))
        if asked.num_rows:
            self._add_asked(asked)
            answered = asked.filter(pc.equal(asked["status"], Status.ANSWERED.value))
            if answered.num_rows:
                self._add_answered(answered)

    def _add_gated(self, batch: pa.RecordBatch) -> None:
        sent = batch[GATE_SENT]
        cut = pc.and_(pc.greater(sent, 0), pc.less(sent, 1))
        for did, which in zip(DID, (pc.equal(sent, 0), cut, pc.equal(sent, 1)), strict=True):
            rows = batch.filter(which)
            for entry in pc.value_counts(pc.drop_null(rows[GATE_RULE])).to_pylist():
                self.gate[entry["values"], did] += entry["counts"]
        self.cut_shares += pc.sum(batch.filter(cut)[GATE_SENT]).as_py() or 0.0

    def _add_asked(self, asked: pa.RecordBatch) -> None:
        self.attempts.add(asked["attempts"])
        # An engine that refused a prompt has counted nothing.
        read = asked.filter(pc.greater(asked["prompt_tokens"], 0))
        self.prompt_tokens.add(read["prompt_tokens"])
        self.answer_tokens.add(read["answer_tokens"])
        self.engines |= set(pc.unique(asked["engine"]).to_pylist()) - {""}
        tried = asked.filter(pc.greater(asked["attempts"], 0))
        if tried.num_rows:
            ends = pc.min_max(tried["answered_at"]).as_py()
            self.first = min(filter(None, [self.first, ends["min"]]))
            self.last = max(filter(None, [self.last, ends["max"]]))

    def _add_answered(self, answered: pa.RecordBatch) -> None:
        if EVIDENCE_GRADE in answered.schema.names:
            for entry in pc.value_counts(answered[EVIDENCE_GRADE]).to_pylist():
                self.grades[entry["values"]] += entry["counts"]
        tokens = answered["prompt_tokens"].to_numpy(zero_copy_only=False)
        lengths = np.clip(tokens // BUCKET, 0, _BUCKETS - 1).astype(np.int64)
        months = _months(answered[self.time]) if self.time else None
        for each in self.fields:
            values = answered[each.column.column]
            each.nulls += values.null_count
            if each.kind == "choice":
                _add_choice(each, values, lengths, months)
            elif each.numbers is not None:
                each.numbers.add(values)
            elif each.lengths is not None:
                each.lengths.add(pc.utf8_length(values))


def months_told(months: np.ndarray) -> list[str]:
    """Months by their place in `by_month`, as 2026-11."""
    return [str(np.datetime64(int(month) + _FIRST_MONTH, "M")) for month in months]


def _months(times: pa.Array) -> np.ndarray:
    months = times.to_numpy(zero_copy_only=False).astype("datetime64[M]").astype(np.int64)
    result: np.ndarray = np.clip(months - _FIRST_MONTH, 0, _MONTHS - 1)
    return result


def _add_choice(
    tally: FieldTally, values: pa.Array, lengths: np.ndarray, months: np.ndarray | None
) -> None:
    known = len(tally.labels)
    found = pc.index_in(values, value_set=tally.values, skip_nulls=True)
    codes = pc.fill_null(found, known).to_numpy(zero_copy_only=False).astype(np.int64)
    codes[values.is_null().to_numpy(zero_copy_only=False)] = known + 1
    for table, across in ((tally.by_length, lengths), (tally.by_month, months)):
        if table is not None and across is not None:
            width = table.shape[1]
            counts = np.bincount(codes * width + across, minlength=table.size)
            table += counts.reshape(table.shape)


def _field_tally(column: AnswerColumn, schema: dict[str, Any], time: str | None) -> FieldTally:
    choices = choices_of(schema, column.field)
    if choices is None:
        if column.kind in ("integer", "number"):
            return FieldTally(column, "number")  # its range comes later
        kind: FieldKind = "text" if column.kind == "text" else "list"
        return FieldTally(column, kind, lengths=Lengths(_LONGEST))
    values = [value for value in choices if value is not None]
    standing = [json.dumps(value, ensure_ascii=False) for value in values]
    rows = len(values) + 2
    return FieldTally(
        column,
        "choice",
        labels=[value if isinstance(value, str) else json.dumps(value) for value in values],
        values=pa.array(standing if column.kind == "json" else values, column.arrow.type),
        by_length=np.zeros((rows, _BUCKETS), np.int64),
        by_month=np.zeros((rows, _MONTHS), np.int64) if time else None,
    )
