"""An answer's fields as columns: of the result shard and, from there, of the results table."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from notemill.answers.outcome import OUTCOME_COLUMNS
from notemill.config.base import SQL_NAME_PATTERN
from notemill.database.keys import INT64, LONGEST_IN_ROW, WHOSE, IdColumn
from notemill.errors import NotemillError
from notemill.tasks.evidence import Evidence
from notemill.tasks.gate import Gate, Gated
from notemill.tasks.task import SCHEMA, Task

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["text", "integer", "number", "boolean", "json"]
MOST_FIELDS = 150
"""InnoDB keeps 41 bytes of each long column in half a page of 8,126, notemill's columns too."""
_ARROW = {
    "text": "large_string",
    "integer": "int64",
    "number": "float64",
    "boolean": "bool_",
    "json": "large_string",
}
GATE_RULE, GATE_SENT = "gate_rule", "gate_sent"
EVIDENCE_GRADE, EVIDENCE_START, EVIDENCE_END = "evidence_grade", "evidence_start", "evidence_end"
OWN_COLUMNS = frozenset(
    {
        *("text", "text_sha256", "text_state", "replaced_bytes"),
        *("notemill_row", "notemill_characters"),  # of notes shards too
        *(column.name for column in OUTCOME_COLUMNS),  # result shards and tables
        *(EVIDENCE_GRADE, EVIDENCE_START, EVIDENCE_END),
        *(GATE_RULE, GATE_SENT),
        *WHOSE,
    }
)
"""The columns that notemill adds to the id columns in its files and tables (docs/data-model.md)."""
_COLUMN = re.compile(SQL_NAME_PATTERN, re.ASCII)


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
        import pyarrow as pa  # noqa: PLC0415  (the plan needs names and kinds alone)

        return pa.field(self.column, getattr(pa, _ARROW[self.kind])())

    @property
    def in_row(self) -> bool:
        """Whether a table holds it as VARCHAR(255) and not as MEDIUMTEXT."""
        return self.kind == "text" and self.longest is not None and self.longest <= LONGEST_IN_ROW

    def value(self, answer: dict[str, Any] | None) -> Any:
        """The column's value for an answer, None without one."""
        if answer is None:
            return None
        value = answer[self.field]
        if value is not None and self.kind == "json":
            return json.dumps(value, ensure_ascii=False)
        return value

    def answered(self, stored: Any) -> Any:
        """The answer's value of one that the column holds: what `value` made of it, undone."""
        if stored is not None and self.kind == "json":
            return json.loads(stored)
        return stored


_EVIDENCE = [
    AnswerColumn(EVIDENCE_GRADE, EVIDENCE_GRADE, "text", 32),
    AnswerColumn(EVIDENCE_START, EVIDENCE_START, "integer", None),
    AnswerColumn(EVIDENCE_END, EVIDENCE_END, "integer", None),
]
_GATE = [
    AnswerColumn(GATE_RULE, GATE_RULE, "text", 64),
    AnswerColumn(GATE_SENT, GATE_SENT, "number", None),
]


def answer_columns(task: Task, prefix: str, ids: list[IdColumn]) -> list[AnswerColumn]:
    """Columns of the task's answer, in the schema's order.

    Lists and nested objects become JSON text. Raises NotemillError when a column's name is taken.
    """
    return columns_beside(task, prefix, [column.name for column in ids])


def evidence_columns(evidence: Evidence | None) -> list[AnswerColumn]:
    """Columns of the answers' evidence (answers/grading.py), none where the task names none."""
    return _EVIDENCE if evidence else []


def gate_columns(gate: Gate | None) -> list[AnswerColumn]:
    """Columns of what the task's gate did, of every note; none without a gate."""
    return _GATE if gate else []


def gate_values(gated: Gated, characters: int) -> dict[str, Any]:
    """What stands in them of a text of so many characters."""
    return {GATE_RULE: gated.rule or None, GATE_SENT: gated.share(characters)}


def columns_beside(task: Task, prefix: str, ids: Iterable[str]) -> list[AnswerColumn]:
    """Columns of the task's answer beside id columns of these names; see `answer_columns`."""
    columns = columns_of_schema(task.json_schema, prefix)
    _check_names([column.column for column in columns], {name.lower() for name in ids}, task)
    return columns


@cache
def fields_of(model: type[BaseModel]) -> list[AnswerColumn]:
    """Columns of an answer's class, as `unstorable` wants them."""
    return columns_of_schema(model.model_json_schema(), "")


def columns_of_schema(schema: dict[str, Any], prefix: str) -> list[AnswerColumn]:
    """Columns of an answer with this JSON schema, whatever else there is."""
    columns = []
    for field, part in schema.get("properties", {}).items():
        kind, longest = _kind(part, schema.get("$defs", {}))
        columns.append(AnswerColumn(field, f"{prefix}{field}", kind, longest))
    return columns


def unstorable(answer: dict[str, Any], columns: Iterable[AnswerColumn]) -> list[str]:
    """Fields whose value their column can't hold as it is: another type, too long, not finite."""
    return [column.field for column in columns if not _fits(answer.get(column.field), column)]


def _fits(value: Any, column: AnswerColumn) -> bool:
    if value is None:
        return True
    match column.kind:
        case "text":
            return isinstance(value, str) and len(value) <= (column.longest or len(value))
        case "integer":
            return type(value) is int and value in INT64
        case "number":
            return type(value) is float and math.isfinite(value)
        case "boolean":
            return type(value) is bool
        case "json":
            try:
                json.dumps(value, allow_nan=False)
            except (ValueError, TypeError):
                return False
            return True


def _check_names(names: list[str], ids: set[str], task: Task) -> None:
    if len(names) > MOST_FIELDS:
        raise NotemillError(
            f"the answer has {len(names)} fields, a table of MySQL takes {MOST_FIELDS}",
            where=str(task.folder / SCHEMA),
            remedy="put related fields into a nested class or a list (one column of JSON), or ask "
            "them in two experiments",
        )
    lower = [name.lower() for name in names]
    if clash := set(lower) & (OWN_COLUMNS | ids):
        raise NotemillError(
            f"the answer's columns {', '.join(sorted(clash))} are taken by notemill or the ids",
            where=str(task.folder / SCHEMA),
            remedy="rename those fields, or set answer_prefix of the experiment",
        )
    if twice := sorted({name for name in names if lower.count(name.lower()) > 1}):
        raise NotemillError(
            f"the answer's columns {', '.join(twice)} differ in upper and lower case alone, which "
            "databases do not tell apart",
            where=str(task.folder / SCHEMA),
            remedy="give the fields names that differ in their letters",
        )
    if odd := [name for name in names if not _COLUMN.match(name)]:
        raise NotemillError(
            f"the answer's columns {', '.join(odd)} have names that a database does not take",
            where=str(task.folder / SCHEMA),
            remedy="use letters without accents, digits and underscores, and with answer_prefix "
            "64 characters at most",
        )


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
