"""task.yaml: which field of the answer says where in the note it rests, and how.

It is no part of what is asked, but for `numbered_sentences`: to name the field of a finished
experiment, or another one, asks nothing again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import Field, StringConstraints, ValidationError

from notemill.config.base import Section
from notemill.errors import NotemillError
from notemill.files import explained

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


_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _TaskFile(Section):
    evidence: _Text | None = None
    numbered_sentences: bool = Field(False, strict=True)
    no_evidence: _Text | list[_Text] = Field(default_factory=list)


def read_evidence(place: Path, task: str) -> Evidence | None:
    """What task.yaml in the task's folder says, None without one. Raises NotemillError."""
    path = place / TASK_FILE
    try:
        with explained(path):
            text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise NotemillError(
            f"{TASK_FILE} of task '{task}' is not UTF-8 text",
            where=str(path),
            remedy="save the file as UTF-8",
        ) from None
    try:
        values = yaml.safe_load(text)
        told = _TaskFile.model_validate({} if values is None else values)
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        raise _refused(
            path if line is None else f"{path}:{line + 1}", task, "is not YAML"
        ) from None
    except ValidationError as error:
        raise _refused(path, task, "; ".join(_problems(error))) from None
    if told.numbered_sentences and told.evidence is None:
        raise _refused(path, task, "numbers sentences, and does not say which field names numbers")
    if told.no_evidence and (told.evidence is None or told.numbered_sentences):
        raise _refused(path, task, "has no_evidence, which is for a field that quotes the note")
    if told.evidence is None:
        return None
    nothing = [told.no_evidence] if isinstance(told.no_evidence, str) else told.no_evidence
    return Evidence(field=told.evidence, numbered=told.numbered_sentences, nothing=tuple(nothing))


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


def _refused(where: Path | str, task: str, what: str) -> NotemillError:
    return NotemillError(
        f"{TASK_FILE} of task '{task}' {what}",
        where=str(where),
        remedy="it may hold `evidence: FIELD`, a field of the answer, and with it either "
        "`numbered_sentences: true` or `no_evidence: WORDS`; or leave the file out",
    )


def _problems(error: ValidationError) -> Iterator[str]:
    known = ", ".join(_TaskFile.model_fields)
    told = set()
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        key = str(next(iter(each["loc"]), ""))
        if each["type"] == "extra_forbidden":
            yield f"has the key '{key}', which is none of {known}"
        elif key and key not in told:
            told.add(key)
            yield f"has at '{key}' what can't stand there ({each['msg']})"
        elif not key:
            yield "holds no keys"
