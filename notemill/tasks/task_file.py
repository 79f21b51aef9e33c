"""task.yaml: what a task says beside its prompts and schema: its evidence, and its gate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, StringConstraints, ValidationError

from notemill.config.base import Section
from notemill.errors import NotemillError
from notemill.files import explained
from notemill.tasks.evidence import TASK_FILE, Evidence
from notemill.tasks.gate_patterns import Patterns

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _TaskFile(Section):
    evidence: _Text | None = None
    numbered_sentences: bool = Field(False, strict=True)
    no_evidence: _Text | list[_Text] = Field(default_factory=list)
    gate: Patterns | None = None


@dataclass(frozen=True)
class TaskFile:
    """What task.yaml says; None where it says nothing of it."""

    evidence: Evidence | None = None
    gate: Patterns | None = None


def read_task_file(place: Path, task: str) -> TaskFile:
    """What task.yaml in the task's folder says, nothing without one. Raises NotemillError."""
    path = place / TASK_FILE
    try:
        with explained(path):
            text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return TaskFile()
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
    return TaskFile(_evidence(told), told.gate)


def _evidence(told: _TaskFile) -> Evidence | None:
    if told.evidence is None:
        return None
    nothing = [told.no_evidence] if isinstance(told.no_evidence, str) else told.no_evidence
    return Evidence(field=told.evidence, numbered=told.numbered_sentences, nothing=tuple(nothing))


def _refused(where: Path | str, task: str, what: str) -> NotemillError:
    of_gate = "at 'gate" in what
    return NotemillError(
        f"{TASK_FILE} of task '{task}' {what}",
        where=str(where),
        remedy="docs/gate.md shows what may stand at `gate`; a pattern is best put into single "
        "quotes"
        if of_gate
        else "it may hold `evidence: FIELD`, a field of the answer, and with it either "
        "`numbered_sentences: true` or `no_evidence: WORDS`; or leave the file out",
    )


def _problems(error: ValidationError) -> Iterator[str]:
    known = ", ".join(_TaskFile.model_fields)
    told = set()
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        key = str(next(iter(each["loc"]), ""))
        if key == "gate":
            yield f"has at '{_place(each['loc'])}' what can't stand there ({each['msg']})"
        elif each["type"] == "extra_forbidden":
            yield f"has the key '{key}', which is none of {known}"
        elif key and key not in told:
            told.add(key)
            yield f"has at '{key}' what can't stand there ({each['msg']})"
        elif not key:
            yield "holds no keys"


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(each) for each in loc if each != "[key]")
