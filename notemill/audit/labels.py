"""An answer's choices as readers see and write them."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from notemill.answers.choices import choices_of
from notemill.errors import NotemillError
from notemill.look.words import printed
from notemill.tasks.task import SCHEMA, Task


def choice_fields(task: Task) -> list[str]:
    """Fields of the task's answer that are choices, in the schema's order."""
    schema = task.json_schema
    return [name for name in schema.get("properties", {}) if choices_of(schema, name)]


def chosen_field(task: Task, field: str | None) -> str:
    """The field that is audited: the one named, or the only one that is a choice.

    Raises NotemillError where there is none or several.
    """
    fields = choice_fields(task)
    if field in fields or (field is None and len(fields) == 1):
        return field or fields[0]
    raise NotemillError(
        f"field '{field}' of the answer is none that readers can choose a value of"
        if field
        else f"the answer has {len(fields)} fields that readers can choose a value of",
        where=str(task.folder / SCHEMA),
        remedy=f"name one with --field: {', '.join(fields)}"
        if fields
        else "an audit needs a field with choices: a Literal, an Enum or a bool",
    )


def labels_of(task: Task, field: str) -> list[str]:
    """The choices of a field as texts, in the schema's order.

    Raises NotemillError where two would be written alike.
    """
    labels = [label_of(value) for value in choices_of(task.json_schema, field) or []]
    if len(set(labels)) < len(labels):
        raise NotemillError(
            f"two choices of field '{field}' are written alike",
            where=str(task.folder / SCHEMA),
            remedy="name another field with --field; its choices must differ as texts",
        )
    return labels


def label_of(value: Any) -> str:
    """A value as a text that a cell of a sheet holds and gives back."""
    if isinstance(value, str) and value.strip() and value == printed(" ".join(value.split())):
        return value
    return json.dumps(value)


def meant(cell: Any, labels: Collection[str]) -> str | None:
    """Which label a cell of a sheet means, None for none of them.

    A spreadsheet program turns what looks like a number or a truth value into one; it is taken
    where it is a label's very value. A text must be the label's, but for white space around it.
    """
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, bool | int | float):
        cell = json.dumps(cell)
    word = cell.strip() if isinstance(cell, str) else None
    if word in ("TRUE", "FALSE") and word not in labels:
        word = word.lower()
    return word if word in labels else None


def apart(word: str, labels: Collection[str]) -> str:
    """A word that is none of the labels."""
    while word.casefold() in {label.casefold() for label in labels}:
        word = f"({word})"
    return word
