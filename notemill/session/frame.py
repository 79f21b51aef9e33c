"""Notes out of a DataFrame, and answers beside them: every row in its place, nothing else moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd

from notemill.answers.columns import AnswerColumn
from notemill.answers.outcome import OUTCOME_COLUMNS, Outcome
from notemill.errors import NotemillError
from notemill.notes.text import NoteText, read_text

_NAMED = 5
"""Rows that an error names."""
_OF_ANSWERS: dict[str, Any] = {
    "text": "string",
    "integer": "Int64",
    "number": "Float64",
    "boolean": "boolean",
    "json": "string",
}
"""pandas' types that have a missing value: a note without an answer has none."""
_OF_OUTCOMES: dict[str, Any] = {
    "word": "string",
    "line": "string",
    "text": "string",
    "count": "int64",
    "seconds": "float64",
    "time": "datetime64[us, UTC]",
}

Beside = tuple[Sequence[AnswerColumn], Sequence[dict[str, Any] | None]]
"""Columns, and their values of each row, None for a row that has none."""


def check_frame(frame: Any, text: Hashable, columns: Sequence[AnswerColumn]) -> None:
    """Raise NotemillError unless it is a DataFrame with this one column and room for the others."""
    if not isinstance(frame, pd.DataFrame):
        raise NotemillError(
            f"ask takes a pandas DataFrame, and was given: {_full_name(type(frame))}",
            remedy='of a list of texts make one: pandas.DataFrame({"note_text": texts}); of '
            "another library's frame: frame.to_pandas()",
        )
    names: Counter[Any] = Counter(frame.columns)
    if frame.columns.nlevels > 1:
        raise NotemillError(
            f"the frame's columns have {frame.columns.nlevels} levels, answers have one",
            remedy="give the columns plain names",
        )
    found = names[text] if isinstance(text, Hashable) else 0
    if found != 1:
        raise NotemillError(
            f"the frame has {found or 'no'} columns '{text}'; its columns: "
            f"{', '.join(map(str, names)) or 'none'}",
            remedy='name the column with the notes\' texts: session.ask(frame, text="...")',
        )
    ours = [column.column for column in columns] + [column.name for column in OUTCOME_COLUMNS]
    if taken := [name for name in ours if name in names]:
        raise NotemillError(
            f"the frame has columns already that answers would go into: {', '.join(taken)}",
            remedy="ask the frame that the notes came in; or leave them out, "
            f"frame.drop(columns={taken}), or rename them",
        )


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def texts_of(frame: pd.DataFrame, text: Hashable) -> list[NoteText]:
    """The text of each row; None, NaN and pandas.NA are NULL.

    Raises NotemillError that names rows which hold no text, never what they hold.
    """
    read: list[NoteText] = []
    others: list[str] = []
    for row, value in enumerate(frame[text]):
        if isinstance(value, str | bytes):
            try:
                read.append(read_text(value))
            except UnicodeEncodeError:
                others.append(f"row {row} (half a character, of UTF-16)")
        elif pd.api.types.is_scalar(value) and pd.isna(value):
            read.append(read_text(None))
        else:
            others.append(f"row {row} ({type(value).__name__})")
    if others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        raise NotemillError(
            f"the column '{text}' holds what is no text: {', '.join(others[:_NAMED])}{more}",
            where="rows count from 0, as in frame.iloc[0]",
            remedy="leave those rows out, or make texts of them (astype(str), or decoded anew)",
        )
    return read


def answered(
    frame: pd.DataFrame,
    outcomes: Sequence[Outcome],
    columns: Sequence[AnswerColumn],
    further: Sequence[Beside],
) -> pd.DataFrame:
    """The frame and beside it, for each row's outcome, the answer's columns, the outcome's and
    further ones.

    Types are the same whatever the values; a row without an answer has pandas.NA in its columns.
    """
    new: dict[str, Any] = {}

    def add(columns: Sequence[AnswerColumn], rows: Sequence[dict[str, Any] | None]) -> None:
        for column in columns:
            values = [column.value(row) for row in rows]
            new[column.column] = pd.array(values, dtype=_OF_ANSWERS[column.kind])

    add(columns, [outcome.answer for outcome in outcomes])
    rows = [outcome.values() for outcome in outcomes]
    for number, outcome_column in enumerate(OUTCOME_COLUMNS):
        values = [row[number] for row in rows]
        new[outcome_column.name] = pd.array(values, dtype=_OF_OUTCOMES[outcome_column.kind])
    for beside_them, values_of_rows in further:
        add(beside_them, values_of_rows)
    # By place, not by index: that may name two rows alike.
    beside = pd.DataFrame(new, index=pd.RangeIndex(len(frame)))
    both = pd.concat([frame.set_axis(beside.index), beside], axis=1)
    both.columns.name = frame.columns.name
    both.attrs = frame.attrs
    return both.set_axis(frame.index)
