"""Which field of the answer says where in the note it rests, and how (task.yaml).

It is no part of what is asked, but for `numbered_sentences`: to name the field of a finished
experiment, or another one, asks nothing again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from notemill.config.base import Section
from notemill.errors import NotemillError

if TYPE_CHECKING:
    from notemill.tasks.task import Task

TASK_FILE = "task.yaml"
_QUOTES = "str, str | None or list[str]"
_NUMBERS = "int, int | None or list[int]"


class Evidence(Section):
    """How an answer says where in the note it rests.

    field: of the answer. With numbered sentences it holds their numbers, else words of the note.
    nothing: what is answered in the place of a quote where there is none.
    """

    field: str
    numbered: bool = False
    nothing: tuple[str, ...] = ()


def check_evidence(task: Task) -> None:
    """Raise NotemillError unless the answer has the field that task.yaml names, of its type."""
    if task.evidence is None:
        return
    schema, field = task.json_schema, task.evidence.field
    fields = schema.get("properties", {})
    path = task.folder / TASK_FILE
    if field not in fields:
        raise NotemillError(
            f"{TASK_FILE} of task '{task.name}' names '{field}' as evidence, and the answer has no "
            "such field",
            where=str(path),
            remedy=f"name one that schema.py has: {', '.join(fields) or 'none yet'}",
        )
    wanted = "integer" if task.evidence.numbered else "string"
    if not _is_of(fields[field], wanted, schema.get("$defs", {})):
        remedy = f"make '{field}' of the answer {_NUMBERS if wanted == 'integer' else _QUOTES}"
        if wanted == "string":
            remedy += f"; of sentences' numbers say `numbered_sentences: true` in {TASK_FILE}"
        raise NotemillError(
            f"{TASK_FILE} of task '{task.name}' names '{field}' as evidence, which can't hold "
            + ("numbers of sentences" if wanted == "integer" else "a quote"),
            where=str(path),
            remedy=f"{remedy}; or name another field",
        )


def _is_of(field: dict[str, Any], kind: str, definitions: dict[str, Any]) -> bool:
    """Whether a field is of this type, a list of it, or either or null; no choice of a few."""
    kinds = [part for part in _alternatives(field, definitions) if part.get("type") != "null"]
    if len(kinds) != 1:
        return False
    if kinds[0].get("type") == "array":
        kinds = list(_alternatives(kinds[0].get("items", {}), definitions))
    return len(kinds) == 1 and kinds[0].get("type") == kind and not kinds[0].keys() & _NOT_FREE


_NOT_FREE = {"enum", "const", "format"}


def _alternatives(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The types that a value may have, references followed."""
    if "$ref" in schema:
        yield from _alternatives(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    elif parts := schema.get("anyOf", schema.get("oneOf")):
        for part in parts:
            yield from _alternatives(part, definitions)
    else:
        yield schema
