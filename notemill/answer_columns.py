"""An answer's fields as columns: of the result shard and, from there, of the results table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from notemill.config.cohort import OWN_COLUMNS
from notemill.errors import NotemillError
from notemill.notes.manifest import IdColumn
from notemill.tasks import SCHEMA, Task

Kind = Literal["text", "integer", "number", "boolean", "json"]
_ARROW = {
    "text": pa.large_string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "json": pa.large_string(),
}


@dataclass(frozen=True)
class AnswerColumn:
    """A field of the answer and its column. longest: characters at most, None if unbounded."""

    field: str
    column: str
    kind: Kind
    longest: int | None

    @property
    def arrow(self) -> pa.Field:
        """The column in the result shard; null where there is no answer."""
        return pa.field(self.column, _ARROW[self.kind])

    def value(self, answer: dict[str, Any] | None) -> Any:
        """The column's value for an answer, None without one."""
        if answer is None:
            return None
        value = answer[self.field]
        if value is not None and self.kind == "json":
            return json.dumps(value, ensure_ascii=False)
        return value


def answer_columns(task: Task, prefix: str, ids: list[IdColumn]) -> list[AnswerColumn]:
    """Columns of the task's answer, in the schema's order.

    Lists and nested objects become JSON text. Raises NotemillError when a column's name is taken.
    """
    definitions = task.json_schema.get("$defs", {})
    columns = []
    for field, schema in task.json_schema["properties"].items():
        kind, longest = _kind(schema, definitions)
        columns.append(AnswerColumn(field, f"{prefix}{field}", kind, longest))
    taken = OWN_COLUMNS | {column.name.lower() for column in ids}
    clash = {column.column.lower() for column in columns} & taken
    if clash:
        raise NotemillError(
            f"the answer's columns {', '.join(sorted(clash))} are taken by notemill or the ids",
            where=str(task.folder / SCHEMA),
            remedy="rename those fields, or set answer_prefix of the experiment",
        )
    return columns


def _kind(schema: dict[str, Any], definitions: dict[str, Any]) -> tuple[Kind, int | None]:
    """Kind of a field's schema and the longest text it allows."""
    if "$ref" in schema:
        return _kind(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        options = [
            _kind(part, definitions) for part in schema["anyOf"] if part.get("type") != "null"
        ]
        kinds = {kind for kind, _ in options}
        lengths = [length for _, length in options]
        if len(kinds) == 1:
            known = [length for length in lengths if length is not None]
            return kinds.pop(), max(known) if len(known) == len(lengths) else None
        return "json", None
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if values := [value for value in values if value is not None]:
        if all(isinstance(value, str) for value in values):
            return "text", max(map(len, values))
        if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            return "integer", None
        return "json", None
    kinds_by_type: dict[str, Kind] = {
        "string": "text",
        "integer": "integer",
        "number": "number",
        "boolean": "boolean",
    }
    return kinds_by_type.get(schema.get("type", ""), "json"), schema.get("maxLength")
