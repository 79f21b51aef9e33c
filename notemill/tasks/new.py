"""Writes a new task: the files of its folder, from what is to be asked of each note."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from notemill.config.base import NAME_PATTERN
from notemill.errors import NotemillError
from notemill.files import explained
from notemill.tasks.evidence import TASK_FILE
from notemill.tasks.schema_check import check_schema
from notemill.tasks.task import NOTE_PLACE, SCHEMA, SYSTEM_PROMPT, USER_PROMPT, read_task

ROLE = (
    "You are a careful clinical reader. You read one note about one patient and answer one "
    "question about it."
)
YES_NO = ("yes", "no")
UNSURE = "not stated"
KINDS = ("yes/no", "number", "text")
"""What may be said of answers in the place of a list."""
EVIDENCE_FIELD = "evidence"


@dataclass(frozen=True)
class Draft:
    """What a task asks. answers: all that are possible, or the kind of value.

    role: what the model is told that it is. unsure: what it answers when the note does not say;
    a number or a text is null then; empty for nothing. evidence: whether it says where in the note
    it rests, by quoting it or, numbered, by the numbers of sentences.
    """

    question: str
    role: str = ROLE
    answers: tuple[str, ...] | Literal["number", "text"] = YES_NO
    evidence: bool = True
    numbered: bool = False
    unsure: str = UNSURE

    @property
    def choices(self) -> list[str]:
        """All answers of a list, the one for what is not said among them; empty for a value."""
        if isinstance(self.answers, str):
            return []
        return list(dict.fromkeys([*self.answers, *filter(None, [self.unsure])]))


def default_question(name: str) -> str:
    """A question to begin with, after the task's name."""
    return f"Does the note say that the patient has {name.replace('_', ' ')} now?"


def check_name(name: str) -> None:
    """Raise NotemillError unless the configuration takes it as a task's name."""
    if not re.fullmatch(NAME_PATTERN.strip("^$"), name):
        raise NotemillError(
            f"'{name}' can't be a task's name",
            where="NAME",
            remedy="use letters, digits and underscores, a letter first, 40 at most",
        )


def check_free(folder: Path, name: str) -> None:
    """Raise NotemillError if the task is there, or anything in its place."""
    place = folder / name
    if os.path.lexists(place):
        raise NotemillError(
            f"there is a '{name}' already, and nothing of it was touched",
            where=str(place),
            remedy="take another name, or edit the files that are there",
        )


def plain(text: str, what: str) -> str:
    """The text without white space around it. Raises NotemillError for what no file can hold."""
    for sign in text:
        if unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\t":
            raise NotemillError(
                f"{what}: the character U+{ord(sign):04X} is no printable text",
                where=what,
                remedy="leave it out, or write it otherwise",
            )
    return text.strip()


def as_answers(typed: list[str]) -> tuple[str, ...] | Literal["number", "text"]:
    """Answers as typed, one an item, or one of KINDS alone. Raises NotemillError."""
    answers = [plain(answer, "answers") for answer in typed]
    match [answer.lower() for answer in answers]:
        case ["yes/no"]:
            return YES_NO
        case ["number"]:
            return "number"
        case ["text"]:
            return "text"
    if not answers or "" in answers:
        raise _refused("an empty answer", "say in words what it stands for")
    if doubled := [answer for answer in answers if answers.count(answer) > 1]:
        raise _refused(f"'{doubled[0]}' stands there twice", "give each answer once")
    if len(answers) < 2:
        raise _refused("one alone is none to choose from", "give two or more")
    return tuple(answers)


def write_task(folder: Path, name: str, draft: Draft) -> Path:
    """Write the task's folder below `folder`, whole or not at all; returns it.

    Raises NotemillError for a name or an answer that can't be, and when it is there.
    """
    check_name(name)
    check_free(folder, name)
    if not isinstance(draft.answers, str) and len(draft.choices) < 2:
        raise _refused("one alone is none to choose from", "give two or more")
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
        try:
            (aside / name).mkdir()
            for file, text in _files(draft).items():
                (aside / name / file).write_text(text, encoding="utf-8")
            check_schema(read_task(aside, name))
            shutil.rmtree(aside / name / "__pycache__", ignore_errors=True)
            _rename(aside / name, folder / name)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return folder / name


def _rename(made: Path, place: Path) -> None:
    """Not over anything that came meanwhile; of folders rename replaces an empty one alone."""
    check_free(place.parent, place.name)
    made.rename(place)


def _refused(what: str, remedy: str) -> NotemillError:
    return NotemillError(f"answers: {what}", where="answers", remedy=remedy)


def _files(draft: Draft) -> dict[str, str]:
    files = {
        SYSTEM_PROMPT: _system(draft),
        USER_PROMPT: f"Read the note and answer the question.\n\nNote:\n{NOTE_PLACE}\n",
        SCHEMA: _schema(draft),
    }
    if draft.evidence:
        files[TASK_FILE] = f"{_TASK_HEAD}evidence: {EVIDENCE_FIELD}\n"
    if draft.evidence and draft.numbered:
        files[TASK_FILE] += "numbered_sentences: true\n"
    return files


def _system(draft: Draft) -> str:
    lines = [draft.role, "", f"Question: {draft.question}", ""]
    if draft.evidence:
        lines += [
            "Answer in JSON with two fields, in this order:",
            _NUMBERS_ASKED if draft.numbered else _QUOTE_ASKED,
        ]
    else:
        lines += ["Answer in JSON with one field:"]
    match draft.answers:
        case "number":
            lines += ['"response": a whole number.']
        case "text":
            lines += ['"response": the answer in a few words.']
        case _:
            lines += ['"response": one of these, word for word:']
            lines += [f"- {_quoted(answer)}" for answer in draft.answers]
    if draft.unsure and isinstance(draft.answers, str):
        lines += ['If the note does not say, "response" is null.']
    elif draft.unsure:
        if draft.unsure not in draft.answers:
            lines += [f"- {_quoted(draft.unsure)}"]
        lines += [f'If the note does not say, "response" is {_quoted(draft.unsure)}.']
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """As it stands in JSON, which is what the model writes."""
    return json.dumps(text, ensure_ascii=False)


_HEAD = '''\
"""What an answer may be. `notemill check` says what an engine would not hold to.

Each field of Answer becomes a column of the results table (llm_response and so on). The model never
sees this file: say in system.md what each field is. The engine can write nothing else than fits
here, and what it wrote counts only if it does. Any change of this folder's files, of a comment too,
makes a new experiment: new results beside the old ones.
"""

'''
_TASK_HEAD = """\
# Which field of the answer says where in the note it rests: it is graded, and marked by
# `notemill look` (docs/evidence.md).
"""
_QUOTE_ASKED = (
    '"evidence": the words of the note that decide, copied exactly, 30 words at most; an empty '
    "text if there are none."
)
_NUMBERS_ASKED = (
    "Each sentence of the note stands on a line that begins with its number in square brackets. "
    '"evidence": the numbers of the sentences that decide, three at most; an empty list if there '
    "are none."
)
_EVIDENCE = """\
    # Fields are written in this order: to look for words of the note first makes a better answer.
    # task.yaml says that they quote the note.
    evidence: str = Field(max_length=400)
"""
_NUMBERS = """\
    # Fields are written in this order: to look for sentences first makes a better answer.
    # Their numbers; task.yaml says that the note's sentences are numbered.
    evidence: list[int] = Field(max_length=3)
"""
_MORE = """\
    # Further things to ask, if you need them; each in system.md too. No field has a default, as an
    # answer that was left out would look like one that was given:
    # since_year: int | None = Field(ge=1900, le=2100)    # null when the note does not say
    # side: Literal["left", "right", "both"]
    # reason: str = Field(max_length=200)                 # a bound, or it may run on
"""


def _schema(draft: Draft) -> str:
    or_null = " | None" if draft.unsure else ""
    match draft.answers:
        case "number":
            response = (
                "    # A whole number; `float` for others. Bounds, of an int alone:\n"
                f"    # response: int{or_null} = Field(ge=0, le=150)\n"
                f"    response: int{or_null}\n"
            )
        case "text":
            response = (
                "    # Any text up to so many characters. A list of answers counts better.\n"
                f"    response: str{or_null} = Field(max_length=200)\n"
            )
        case _:
            answers = "".join(f"        {_literal(answer)},\n" for answer in draft.choices)
            response = (
                "    # One of these, exactly. The same words stand in system.md.\n"
                f"    response: Literal[\n{answers}    ]\n"
            )
    names = {"BaseModel", *(["Field"] if "= Field(" in _code(response + _evidence(draft)) else [])}
    imports = f"from pydantic import {', '.join(sorted(names))}\n"
    if draft.choices:
        imports = f"from typing import Literal\n\n{imports}"
    return f"{_HEAD}{imports}\n\nclass Answer(BaseModel):\n{_evidence(draft)}{response}{_MORE}"


def _evidence(draft: Draft) -> str:
    if not draft.evidence:
        return ""
    return _NUMBERS if draft.numbered else _EVIDENCE


def _code(lines: str) -> str:
    return "\n".join(line for line in lines.splitlines() if not line.lstrip().startswith("#"))


def _literal(text: str) -> str:
    """A text as Python's source, on one line, which shows all that is in it."""
    return json.dumps(text, ensure_ascii=False) if text.isprintable() else repr(text)
