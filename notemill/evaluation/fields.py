"""What a field of an answer is held against a label as, by its JSON schema. The plan asks this."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from notemill.answers.choices import Schema, alternatives, choices_of
from notemill.config import Evaluation
from notemill.errors import NotemillError
from notemill.tasks.run import Run
from notemill.tasks.task import SCHEMA, Task

FieldKind = Literal["choices", "number", "items"]
MOST_CLASSES = 50
"""Of a confusion matrix. A field with more choices is held against its label as one item."""
_EXACT_FORMATS = ("date", "time", "date-time", "uuid")
_NUMBERS = {"integer", "number"}


@dataclass(frozen=True)
class Shape:
    """What a field's values are.

    choices: that they are taken from, of a list its items; empty where there is no such list.
    listed: whether the answer is a list; else an item is its one value. null: whether there may be
    none.
    """

    field: str
    kind: FieldKind
    choices: tuple[Any, ...] = ()
    listed: bool = False
    null: bool = False

    @property
    def labels(self) -> list[str]:
        """The choices in words, each another."""
        return labels(self.choices)


def labels(choices: Sequence[Any]) -> list[str]:
    """Choices in words: texts as they are, true and null as JSON; the text "true" in quotes."""
    others = {json.dumps(value) for value in choices if not isinstance(value, str)}
    return [
        value if isinstance(value, str) and value not in others else json.dumps(value)
        for value in choices
    ]


def shape_of(task: Task, field: str) -> Shape:
    """What the field's values are. Raises NotemillError for one that no label can be held against.

    The field must be in the schema.
    """
    schema = task.json_schema
    options = alternatives(schema, field)
    null = any(option.get("type") == "null" or None in _named(option) for option in options)
    choices = choices_of(schema, field)
    if choices is not None:
        if len(choices) <= MOST_CLASSES:
            return Shape(field, "choices", tuple(choices), null=null)
        named = tuple(value for value in choices if value is not None)
        return Shape(field, "items", named, null=null)
    options = [option for option in options if option.get("type") != "null"]
    if all(option.get("type") in _NUMBERS for option in options):
        return Shape(field, "number", null=null)
    if all(_is_exact(option) for option in options):
        return Shape(field, "items", null=null)
    if len(options) == 1 and options[0].get("type") == "array":
        items = _items(options[0], schema)
        if items is not None:
            return Shape(field, "items", items, listed=True, null=null)
    raise NotemillError(
        f"field {field} of task '{task.name}' is free text or an object, which can't be equal to a "
        "label",
        where=str(task.folder / SCHEMA),
        remedy="evaluate fields with choices, numbers, dates, codes (a pattern) or lists of these "
        "or of texts; free text is for people to read: notemill audit",
    )


def lacking_fields(evaluation: Evaluation, run: Run) -> str:
    """Fields of an evaluation that the run's answers do not have, empty without any."""
    there = run.task.json_schema.get("properties", {})
    return ", ".join(field for field in evaluation.fields if field not in there)


def _items(option: Schema, schema: Schema) -> tuple[Any, ...] | None:
    """The choices of a list's items, empty where they are texts or numbers; None for others."""
    of_items = {"properties": {"item": option.get("items", {})}, "$defs": schema.get("$defs", {})}
    choices = choices_of(of_items, "item")
    if choices is not None:
        return tuple(choices)
    kinds = {each.get("type") for each in alternatives(of_items, "item")}
    return () if kinds and kinds <= _NUMBERS | {"string"} else None


def _is_exact(option: Schema) -> bool:
    """Whether a text has a form of its own, such as a date or a code."""
    form = option.get("format") in _EXACT_FORMATS or "pattern" in option
    return form and option.get("type") == "string"


def _named(option: Schema) -> list[Any]:
    return [*option.get("enum", []), *([option["const"]] if "const" in option else [])]
