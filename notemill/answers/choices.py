"""Which of an answer's fields are choices and which are free text, by its JSON schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from notemill.errors import NotemillError
from notemill.tasks.evidence import TASK_FILE
from notemill.tasks.task import Task

Schema = dict[str, Any]


def choices_of(schema: Schema, field: str) -> list[Any] | None:
    """The values that a field of the answer can have, None when they are no short list.

    schema: JSON schema of the whole answer.
    """
    values: dict[str, Any] = {}  # by their writing: True is no 1
    for option in alternatives(schema, field):
        named = _named(option)
        if named is None:
            return None
        values |= {repr(value): value for value in named}
    return list(values.values()) if values.keys() - {"None"} else None


def check_settled_as(task: Task) -> None:
    """Raise NotemillError unless settled_as names fields of the answer and choices of theirs."""
    for field, value in task.settled_as.items():
        choices = choices_of(task.json_schema, field) or []
        if repr(value) in map(repr, choices):
            continue
        known = field in task.json_schema.get("properties", {})
        raise NotemillError(
            f"settled_as of task '{task.name}' names '{field}', "
            + ("which has no such choice" if known else "and the answer has no such field"),
            where=str(task.folder / TASK_FILE),
            remedy="name a field of the answer that has choices, and one of them word for word"
            + (f": {', '.join(map(str, choices))}" if choices else ""),
        )


def alternatives(schema: Schema, field: str) -> list[Schema]:
    """The schemas of which a field's value fits one, references followed.

    schema: JSON schema of the whole answer.
    """
    return _options(schema.get("properties", {}).get(field, {}), schema.get("$defs", {}))


def free_texts(answer: dict[str, Any], schema: Schema | None) -> Iterator[str]:
    """Every string of an answer, in lists and objects too, that is none of its schema's choices.

    Without a schema, which is not known of an experiment of another day, every string is one.
    """
    schema = schema or {}
    yield from _free_texts(answer, [schema], schema.get("$defs", {}))


def _free_texts(value: Any, schemas: list[Schema], definitions: Schema) -> Iterator[str]:
    options = [option for schema in schemas for option in _options(schema, definitions)]
    if isinstance(value, str):
        if not any(value in (_named(option) or []) for option in options):
            yield value
    elif isinstance(value, list):
        parts = [option["items"] for option in options if isinstance(option.get("items"), dict)]
        for item in value:
            yield from _free_texts(item, parts, definitions)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _free_texts(item, [_member(option, key) for option in options], definitions)


def _member(schema: Schema, key: str) -> Schema:
    """Schema of an object's value."""
    part = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
    return part if isinstance(part, dict) else {}


def _options(schema: Schema, definitions: Schema) -> list[Schema]:
    """The schema's alternatives, references followed."""
    if "$ref" in schema:
        return _options(definitions.get(schema["$ref"].rpartition("/")[2], {}), definitions)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return [option for part in schema[key] for option in _options(part, definitions)]
    return [schema]


def _named(option: Schema) -> list[Any] | None:
    """The values that an alternative names one by one, None if it does not."""
    if "enum" in option:
        return list(option["enum"])
    if "const" in option:
        return [option["const"]]
    by_type: dict[Any, list[Any]] = {"boolean": [True, False], "null": [None]}
    kind = option.get("type")
    return by_type.get(kind) if isinstance(kind, str) else None
