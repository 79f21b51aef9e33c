"""Answers that were asked for again: which texts, and how many stayed the same."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from notemill.answers.finished import Finished
from notemill.answers.outcome import Outcome
from notemill.answers.verdict import NOT_ASKED, Status
from notemill.comparison.fields import items_of, label_of
from notemill.comparison.record import ANOTHER, NO_ANSWER
from notemill.comparison.repeat_record import Change, FieldRepeat
from notemill.comparison.repeat_settings import RepeatSettings
from notemill.comparison.sides import AnswerField
from notemill.statistics.figure import Figure
from notemill.statistics.proportion import share

_NOT_BEFORE = "no text of the sample was answered before"
_NEVER_BOTH = "no text was answered every time"
_NOT_ASKED = pa.array([status.value for status in NOT_ASKED])


@dataclass(frozen=True)
class Before:
    """How a text ended first. values: of the answer's fields, as the result shard has them."""

    status: str
    engine: str
    values: dict[str, Any]

    @property
    def answered(self) -> bool:
        return self.status == Status.ANSWERED


def drawn(answers: Finished, settings: RepeatSettings) -> tuple[int, dict[str, Before]]:
    """How many texts were asked, and those that the seed draws of them, by hash.

    Each text has one chance, however many notes have it, and the draw is the same whatever the
    cohort's cut.
    """
    count = Counter[str]()

    def counted() -> Iterator[str]:
        for sha in _asked_texts(answers):
            count["texts"] += 1
            yield sha

    def chance(sha: str) -> bytes:
        return hashlib.sha256(f"{settings.sampling_seed} {sha}".encode()).digest()

    chosen = set(heapq.nsmallest(settings.notes, counted(), key=chance))
    return count["texts"], dict(_as_they_ended(answers, chosen))


def _asked_texts(answers: Finished) -> Iterator[str]:
    last = ""
    for batch in answers.rows(["text_sha256", "status"]):
        asked = batch.filter(pc.invert(pc.is_in(batch["status"], _NOT_ASKED)))
        for sha in asked["text_sha256"].to_pylist():
            if sha != last:
                last = sha
                yield sha


def _as_they_ended(answers: Finished, chosen: set[str]) -> Iterator[tuple[str, Before]]:
    wanted = pa.array(sorted(chosen), pa.string())
    columns = [column.column for column in answers.columns.values()]
    for batch in answers.rows(["text_sha256", "status", "engine", *columns]):
        there = batch.filter(pc.is_in(batch["text_sha256"], value_set=wanted))
        there = there.filter(pc.invert(pc.is_in(there["status"], _NOT_ASKED)))
        for row in there.to_pylist():
            values = {name: row[each.column] for name, each in answers.columns.items()}
            yield row["text_sha256"], Before(row["status"], row["engine"], values)


class Repeated:
    """Texts as they ended before, held against each asking of them."""

    def __init__(self, before: dict[str, Before], fields: dict[str, AnswerField]) -> None:
        self._before = before
        self._fields = fields
        self._answered = {sha for sha, each in before.items() if each.answered}
        self._still = set(self._answered)
        self._same_status = set(before)
        self._same = {name: set(self._answered) for name in fields}
        self._changes: dict[str, Counter[tuple[str, str]]] = {
            name: Counter() for name, field in fields.items() if field.kind == "choices"
        }
        self._statuses: Counter[tuple[str, str]] = Counter()

    def add(self, outcomes: dict[str, Outcome]) -> Figure:
        """Count an asking of all texts in; returns the share of answered ones that stayed."""
        stayed = set(self._answered)
        for sha, before in self._before.items():
            outcome = outcomes[sha]
            again = outcome.status == Status.ANSWERED
            self._statuses[before.status, outcome.status] += 1
            if before.status != outcome.status:
                self._same_status.discard(sha)
            if not again:
                self._still.discard(sha)
            for name, field in self._fields.items():
                value = field.column.value(outcome.answer)
                if not (again and _same(field, before.values[name], value)):
                    self._same[name].discard(sha)
                    stayed.discard(sha)
                if name in self._changes:
                    was = _class(field, before.values[name], before.answered)
                    self._changes[name][was, _class(field, value, again)] += 1
        return share(len(stayed), len(self._answered), why=_NOT_BEFORE)

    def figures(self) -> dict[str, Any]:
        """All of a repeat's record that is counted over its texts."""
        whole = set(self._answered).intersection(*self._same.values())
        return {
            "answered_before": len(self._answered),
            "same": self._of_still(whole),
            "same_all": self._of_answered(whole),
            "kept_status": share(
                len(self._same_status), len(self._before), why="the cohort has no text"
            ),
            "fields": [
                FieldRepeat(
                    field=name,
                    kind=field.kind,
                    same=self._of_still(self._same[name]),
                    same_all=self._of_answered(self._same[name]),
                    changes=_changes(self._changes.get(name, Counter())),
                )
                for name, field in self._fields.items()
            ],
            "statuses": _changes(self._statuses),
        }

    def _of_still(self, same: set[str]) -> Figure:
        return share(len(same), len(self._still), why=_NEVER_BOTH)

    def _of_answered(self, same: set[str]) -> Figure:
        return share(len(same), len(self._answered), why=_NOT_BEFORE)


def _same(field: AnswerField, before: Any, now: Any) -> bool:
    if field.kind == "items":
        return items_of(before) == items_of(now)
    return bool(before == now)


def _class(field: AnswerField, value: Any, answered: bool) -> str:
    """The choice that a stored value is."""
    if not answered:
        return NO_ANSWER
    column = field.column
    for choice in field.choices or []:
        stored = column.value({column.field: choice})
        if stored == value and type(stored) is type(value):
            return label_of(choice)
    return ANOTHER


def _changes(counter: Counter[tuple[str, str]]) -> list[Change]:
    """The most frequent first."""
    return [
        Change(was=was, now=now, texts=texts)
        for (was, now), texts in sorted(counter.items(), key=lambda each: (-each[1], each[0]))
    ]
