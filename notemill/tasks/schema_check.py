"""Refuses, before any GPU is asked for, schemas that an engine ignores, misreads or dies of.

Grounds: what Ollama's and llama.cpp's grammars were seen to do with each feature.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from notemill.errors import NotemillError
from notemill.tasks.evidence import check_evidence
from notemill.tasks.gates import check_gate
from notemill.tasks.task import SCHEMA, Task

_NOT_ENFORCED = {
    "multipleOf": "multiple_of",
    "uniqueItems": "unique items",
    "patternProperties": "key patterns",
    "contains": "contains",
    "not": "not",
    "if": "if/then",
}
_NUMBER_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_FORMATS_ENFORCED = frozenset({"date", "time", "date-time", "uuid"})
_LONGEST_BOUND = 2000
_VALIDATOR = "take it out of the Field and check it in a `@field_validator`, which always decides"


_ALIAS = "has an alias; name the field itself as its column is to be named"
_CHANGED = (
    "would be stored otherwise than it was answered (exclude=True, a serializer, a computed field, "
    "or a validator with another input type); take that out, and compute from the results table"
)
_SAME_AS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"by_alias": False}, _ALIAS),
    ({"mode": "serialization"}, _CHANGED),
)
"""What the schema must be the same as: what is asked for is what is stored."""


def check_schema(task: Task) -> None:
    """Raise NotemillError that names each field an engine would not hold to, and the remedy; and
    for evidence in what is no field of the schema, or one that can't hold it."""
    schema = task.json_schema
    problems = list(_object_problems(schema, "Answer"))
    if not schema.get("properties"):  # also an Answer that holds itself, or a RootModel
        problems.append(
            ("Answer", "has no fields of its own; give it one for each thing to answer")
        )
    if schema.get("additionalProperties"):
        problems.append(
            ("Answer", "lets the engine write further keys, which have no column; take "
             "extra='allow' out, or name a field for them")
        )  # fmt: skip
    for name, definition in schema.get("$defs", {}).items():
        problems += _object_problems(definition, name)
    for how, words in _SAME_AS:
        problems += _differences(schema, task.schema_as(**how), words)
    problems += _hidden_changes(task.answer_model.__pydantic_core_schema__, "Answer")
    if problems := list(dict.fromkeys(problems)):
        raise NotemillError(
            f"the schema of task '{task.name}' asks for what engines do not hold to:\n"
            + "\n".join(f"    {place}: {problem}" for place, problem in problems),
            where=str(task.folder / SCHEMA),
            remedy="change these fields as their lines say",
        )
    check_evidence(task)
    check_gate(task)


def _object_problems(schema: dict[str, Any], place: str) -> Iterator[tuple[str, str]]:
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        here = f"{place}.{name}"
        if name not in required:
            yield (
                here,
                "has a default, so an answer may leave it out and the default would be invented; "
                "remove the default (for 'nothing said' write `X | None` without one)",
            )
        yield from _feature_problems(field, here)
    if not schema.get("properties"):
        yield from _feature_problems(schema, place)


def _differences(
    schema: dict[str, Any], other: dict[str, Any], words: str
) -> Iterator[tuple[str, str]]:
    """Fields that two forms of a schema do not share, and those that differ in it."""
    ours, theirs = ({"Answer": each, **each.get("$defs", {})} for each in (schema, other))
    for place in ours | theirs:
        mine, its = ours.get(place, {}), theirs.get(place, {})
        fields, others = mine.get("properties", {}), its.get("properties", {})
        for name in fields | others:
            if fields.get(name) != others.get(name):
                yield f"{place}.{name}", words
        if not fields and not others and mine != its:
            yield place, words


def _hidden_changes(core: Any, place: str) -> Iterator[tuple[str, str]]:
    """Aliases and serializers that no JSON schema shows, by Pydantic's own core schema."""
    if isinstance(core, list | tuple):
        for part in core:
            yield from _hidden_changes(part, place)
    if not isinstance(core, dict):
        return
    if isinstance(core.get("cls"), type) and core.get("type") == "model":
        place = core["cls"].__name__
    if core.get("type") == "generator":
        yield place, "is an Iterable, which Pydantic checks when it is too late; use a list"
    if isinstance(core.get("validation_alias"), list):
        yield place, _ALIAS
    function = core.get("serialization", {}).get("function") if _is_schema(core) else None
    if function and not str(getattr(function, "__module__", "")).startswith("pydantic"):
        yield place, _CHANGED
    for key, part in core.items():
        if key not in ("metadata", "serialization"):
            inner = isinstance(part, dict) and part.get("type") == "model-field"
            yield from _hidden_changes(part, f"{place}.{key}" if inner else place)


def _is_schema(core: dict[Any, Any]) -> bool:
    return isinstance(core.get("serialization"), dict)


def _feature_problems(schema: Any, place: str) -> Iterator[tuple[str, str]]:
    if not isinstance(schema, dict):
        return
    if "allOf" in schema:
        yield place, "is an allOf, which Ollama turns into an empty object; use the class itself"
    if pattern := schema.get("pattern"):
        yield from _pattern_problems(pattern, place)
    if schema.get("type") == "number" and any(bound in schema for bound in _NUMBER_BOUNDS):
        yield place, f"bounds on a float are ignored by engines; use an int, or {_VALIDATOR}"
    for key, name in _NOT_ENFORCED.items():
        if key in schema:
            yield place, f"{name} is ignored by engines; {_VALIDATOR}"
    if (form := schema.get("format")) and form not in _FORMATS_ENFORCED:
        yield place, f"format '{form}' is ignored by engines; use `str` and {_VALIDATOR}"
    for key in ("maxLength", "minLength", "maxItems", "minItems"):
        if schema.get(key, 0) > _LONGEST_BOUND:
            yield (
                place,
                f"{key} {schema[key]} makes a grammar too large for engines; "
                f"use at most {_LONGEST_BOUND}",
            )
    for key in ("items", "additionalProperties"):
        yield from _feature_problems(schema.get(key), f"{place}.{key}")
    for key in ("anyOf", "oneOf", "prefixItems"):
        for part in schema.get(key, ()):
            yield from _feature_problems(part, place)


def _pattern_problems(pattern: str, place: str) -> Iterator[tuple[str, str]]:
    if "(?" in pattern:
        yield place, f"a pattern with '(?' kills the Ollama server; {_VALIDATOR}"
    elif escape := re.search(r"\\[a-zA-Z]", pattern):
        yield place, f"a pattern with '{escape[0]}' is refused by engines; write [0-9], [a-z]"
    elif not (pattern.startswith("^") and pattern.endswith("$")):
        yield place, "a pattern must start with ^ and end with $, or engines refuse it"
