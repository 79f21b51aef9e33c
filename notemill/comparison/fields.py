"""One field of two answers, added up text by text, and what it comes to."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from notemill.comparison.counted import Counted
from notemill.comparison.pairs import Texts
from notemill.comparison.record import (
    ANOTHER,
    NO_ANSWER,
    ChoiceComparison,
    FieldComparison,
    Flip,
    ItemsComparison,
    NumberComparison,
)
from notemill.comparison.sides import AnswerField
from notemill.statistics.agreement import CrossTable, paired
from notemill.statistics.numbers import near
from notemill.statistics.ratio import Ratio

_SAME, _OTHER, _NOT_BOTH = range(3)


class ComparedField(ABC):
    """A field of both answers. `add` takes all texts, some at a time; `compared` tells then.

    labels: for the list of notes that flip, the choices that its codes stand for; else none.
    """

    def __init__(self, name: str, fields: tuple[AnswerField, AnswerField]) -> None:
        self.name = name
        self.kind = fields[0].kind
        self.labels: list[str] = []
        self._same = Counted()

    def add(self, texts: Texts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Count texts in. Returns which flip, and codes of the first and the second answer."""
        one, other = (answers[self.name].combine_chunks() for answers in texts.answers)
        same, flips, *codes = self._held_against(texts, one, other)
        state = np.where(texts.both, np.where(same, _SAME, _OTHER), _NOT_BOTH)
        self._same.add(state, texts.sizes)
        no_code = np.full(len(state), -1)
        flips = flips | (texts.answered[0] != texts.answered[1])
        return flips, *(codes or (no_code, no_code))

    def compared(self, seed: int) -> FieldComparison:
        """What the field comes to; seed: of the draws."""
        why = "no note has an answer from both"
        return FieldComparison(
            field=self.name,
            kind=self.kind,
            same=self._same.share(_SAME, [_SAME, _OTHER], seed, why=why),
            same_all=self._same.share(_SAME, [_SAME, _OTHER, _NOT_BOTH], seed, why=why),
            **self._further(seed),
        )

    @abstractmethod
    def _held_against(self, texts: Texts, one: pa.Array, other: pa.Array) -> tuple[np.ndarray, ...]:
        """Of each text: whether the values are the same; whether the notes flip; codes, if any."""

    def _further(self, seed: int) -> dict[str, Any]:
        return {}


class ComparedChoices(ComparedField):
    """A field with choices."""

    def __init__(self, name: str, fields: tuple[AnswerField, AnswerField]) -> None:
        super().__init__(name, fields)
        self._values = [field.choices or [] for field in fields]
        self._columns = [field.column for field in fields]
        known = dict.fromkeys(label_of(value) for values in self._values for value in values)
        self.labels = [*known, ANOTHER, NO_ANSWER]
        self._cells = Counted()

    def _held_against(self, texts: Texts, one: pa.Array, other: pa.Array) -> tuple[np.ndarray, ...]:
        first, second = (
            np.where(answered, self._codes(which, values), len(self.labels) - 1)
            for which, (values, answered) in enumerate(
                zip((one, other), texts.answered, strict=True)
            )
        )
        self._cells.add(first * len(self.labels) + second, texts.sizes)
        # Of two answers that are no choices that are known, nobody knows that they are the same.
        unknown = self.labels.index(ANOTHER)
        same = np.where(first == unknown, _equal(one, other), first == second)
        return same, first != second, first, second

    def _codes(self, which: int, values: pa.Array) -> np.ndarray:
        """Where each value stands among the labels."""
        column = self._columns[which]
        stored = [column.value({column.field: choice}) for choice in self._values[which]]
        places = pc.index_in(values, value_set=pa.array(stored, values.type)).fill_null(len(stored))
        at = [self.labels.index(label_of(choice)) for choice in self._values[which]]
        codes: np.ndarray = np.array([*at, self.labels.index(ANOTHER)])[places.to_numpy()]
        return codes

    def _further(self, seed: int) -> dict[str, Any]:
        cells, sizes, texts = self._cells.kinds()
        rows, columns = np.divmod(cells, len(self.labels))
        labels = self.labels
        if (unknown := labels.index(ANOTHER)) not in {*rows, *columns}:
            labels = [label for label in labels if label != ANOTHER]
            rows, columns = (
                np.where(codes > unknown, codes - 1, codes) for codes in (rows, columns)
            )
        table = CrossTable(len(labels), rows * len(labels) + columns, sizes, texts)
        measured = paired(table, labels[:-1], seed=seed)
        of_notes, of_texts = table.of_notes(), table.of_texts()
        flips = [
            Flip(
                first=labels[row],
                second=labels[column],
                notes=int(of_notes[row, column]),
                texts=int(of_texts[row, column]),
            )
            for row, column in np.argwhere(of_notes)
            if row != column
        ]
        return {
            "choices": ChoiceComparison(
                labels=labels,
                table=of_notes.tolist(),
                texts=of_texts.tolist(),
                answered=measured.answered,
                all=measured.all,
                classes=measured.classes,
                flips=sorted(flips, key=lambda flip: (-flip.notes, flip.first, flip.second)),
            )
        }


class ComparedNumbers(ComparedField):
    """A number. tolerance: by so much two may differ and count as equal."""

    def __init__(
        self, name: str, fields: tuple[AnswerField, AnswerField], tolerance: float
    ) -> None:
        super().__init__(name, fields)
        self._tolerance = tolerance
        self._signed, self._absolute = Ratio(), Ratio()
        self._within = Counted()

    def _held_against(self, texts: Texts, one: pa.Array, other: pa.Array) -> tuple[np.ndarray, ...]:
        there = texts.both & _valid(one) & _valid(other)
        values = [pc.cast(each, pa.float64(), safe=False).fill_null(0.0) for each in (one, other)]
        first, second = (each.to_numpy() for each in values)
        apart = np.where(there, second - first, 0.0)
        alike = near(apart, self._tolerance)
        sizes = texts.sizes[there]
        self._signed.add(apart[there] * sizes, sizes)
        self._absolute.add(np.abs(apart[there]) * sizes, sizes)
        self._within.add(np.where(alike[there], _SAME, _OTHER), sizes)
        none = ~_valid(one) & ~_valid(other)
        same = none | (there & _equal(one, other))
        return same, texts.both & ~(none | (there & alike))

    def _further(self, seed: int) -> dict[str, Any]:
        _, sizes, texts = self._within.kinds()
        n, why = int((sizes * texts).sum()), "no note has a number from both"
        return {
            "numbers": NumberComparison(
                tolerance=self._tolerance,
                difference=self._signed.figure(n, why=why),
                absolute=self._absolute.figure(n, why=why),
                within=self._within.share(_SAME, [_SAME, _OTHER], seed, why=why),
            )
        }


class ComparedItems(ComparedField):
    """A list, whose order says nothing."""

    def __init__(self, name: str, fields: tuple[AnswerField, AnswerField]) -> None:
        super().__init__(name, fields)
        self._overlap = Ratio()
        self._notes = 0

    def _held_against(self, texts: Texts, one: pa.Array, other: pa.Array) -> tuple[np.ndarray, ...]:
        same = np.zeros(len(one), bool)
        common, either = np.zeros(len(one)), np.zeros(len(one))
        for row in np.flatnonzero(texts.both):
            first, second = (items_of(values[int(row)].as_py()) for values in (one, other))
            same[row] = first == second
            common[row] = ((first or Counter()) & (second or Counter())).total()
            either[row] = ((first or Counter()) | (second or Counter())).total()
        self._overlap.add(common * texts.sizes, either * texts.sizes)
        self._notes += int(texts.sizes[either > 0].sum())
        return same, texts.both & ~same

    def _further(self, seed: int) -> dict[str, Any]:
        overlap = self._overlap.between_0_and_1(self._notes, why="no note has an item from either")
        return {"items": ItemsComparison(overlap=overlap)}


class ComparedText(ComparedField):
    """Free text, and what is none of the others. That two differ is nothing to list."""

    def _held_against(self, texts: Texts, one: pa.Array, other: pa.Array) -> tuple[np.ndarray, ...]:
        return _equal(one, other), np.zeros(len(one), bool)


def compared_field(
    name: str, fields: tuple[AnswerField, AnswerField], tolerance: float
) -> ComparedField:
    """The comparison of a field that both have with the same kind."""
    match fields[0].kind:
        case "choices":
            return ComparedChoices(name, fields)
        case "number":
            return ComparedNumbers(name, fields, tolerance)
        case "items":
            return ComparedItems(name, fields)
    return ComparedText(name, fields)


def label_of(choice: Any) -> str:
    """How a choice is written: in tables, lists and records."""
    return choice if isinstance(choice, str) else json.dumps(choice, ensure_ascii=False)


def items_of(stored: str | None) -> Counter[str] | None:
    """Items of a list as it is stored, None for null."""
    value = json.loads(stored) if stored is not None else None
    if value is None:
        return None
    return Counter(json.dumps(item, sort_keys=True) for item in value)


def _valid(values: pa.Array) -> np.ndarray:
    valid: np.ndarray = values.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _equal(one: pa.Array, other: pa.Array) -> np.ndarray:
    """Whether two values are the same; null is the same as null alone."""
    if one.type != other.type:
        one, other = (pc.cast(each, pa.float64(), safe=False) for each in (one, other))
    equal = pc.equal(one, other).fill_null(False).to_numpy(zero_copy_only=False)
    same: np.ndarray = equal | (~_valid(one) & ~_valid(other))
    return same
