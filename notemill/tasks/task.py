"""A task: the prompts and the answer's schema, as they stand in config/tasks/NAME/."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from notemill.errors import NotemillError
from notemill.files import explained
from notemill.logs import Terminated
from notemill.tasks import note_first as first
from notemill.tasks.evidence import TASK_FILE, Evidence, read_evidence
from notemill.tasks.importing import import_task, line_of
from notemill.tasks.sentences import numbered

NOTE_PLACE = "{note}"
SYSTEM_PROMPT = "system.md"
USER_PROMPT = "user.md"
SCHEMA = "schema.py"
ANSWER_CLASS = "Answer"

_LEFTOVER = re.compile(r"^(\.|#|__pycache__$|Thumbs\.db$)|(~|\.(pyc|swp|bak|orig|rej|tmp))$")
"""Names of what editors, Python and version control leave in a folder."""


@dataclass(frozen=True)
class Task:
    """The question put about each note.

    system_prompt: comes first, the same for every note, so that the engine can keep it.
    user_prompt: ends with the place for the note.
    schema_source: the text of schema.py, whose class `Answer` decides what counts, and of the
    helper modules beside it, each below its name; of other files the digest.
    files: sha256 (hex) of each other file of the folder, by its path in the folder, POSIX.
    evidence: what task.yaml says of it, which no other part holds.
    note_first: it is asked beside other tasks, so that both prompts come after the note.
    """

    name: str
    folder: Path
    system_prompt: str
    user_prompt: str
    schema_source: str
    files: dict[str, str] = field(default_factory=dict)
    evidence: Evidence | None = None
    note_first: bool = False

    @cached_property
    def answer_model(self) -> type[BaseModel]:
        """The class `Answer` of schema.py, imported on first use."""
        return _import_answer(self)

    @cached_property
    def json_schema(self) -> dict[str, Any]:
        """JSON schema of the answer, fields in the order of the class."""
        return self.schema_as()

    def schema_as(self, **how: Any) -> dict[str, Any]:
        """The answer's JSON schema as Pydantic writes it with these arguments."""
        try:
            return self.answer_model.model_json_schema(**how)
        except NotemillError:
            raise
        except Exception as error:
            raise NotemillError(
                f"the class {ANSWER_CLASS} has no JSON schema: {_first_line(error)}",
                where=str(self.folder / SCHEMA),
                remedy="use types that JSON can hold: str, int, float, bool, Literal, lists and "
                "classes of these",
            ) from error

    def as_sent(self, note: str) -> str:
        """The note as the user's message holds it: its sentences numbered where the task says so.

        Control tokens are for the asking to break up, of what this gives back.
        """
        return numbered(note) if self.evidence and self.evidence.numbered else note

    @property
    def system_message(self) -> str:
        """The system's message, the same for every note."""
        return first.SYSTEM_MESSAGE if self.note_first else self.system_prompt

    def user_message(self, note: str, hint: str = "") -> str:
        """The user's message about one note, as `as_sent` gives it; a hint (for a retry) stands
        before the prompt."""
        prompt = self.user_prompt.removesuffix(NOTE_PLACE)  # a hint may quote the place's name
        if self.note_first:
            return first.user_message(note, self.system_prompt, prompt, hint)
        return f"{hint}\n\n{prompt}{note}" if hint else prompt + note


def read_task(folder: Path, name: str) -> Task:
    """Read config/tasks/NAME. Raises NotemillError for a missing file or a prompt without place."""
    place = folder / name
    _must_be_there(folder, place)
    system, user = (_text(place / file, name) for file in (SYSTEM_PROMPT, USER_PROMPT))
    _check_user_prompt(user, f"{USER_PROMPT} of task '{name}'", str(place / USER_PROMPT))
    source = _text(place / SCHEMA, name)
    files = {}
    for path in task_files(place):
        inside = path.relative_to(place).as_posix()
        if inside in (SYSTEM_PROMPT, USER_PROMPT, SCHEMA):
            continue
        files[inside] = _digest(path)
        what = f"\n\n{_text(path, name)}" if path.suffix == ".py" else f": sha256 {files[inside]}"
        source += f"\n\n\n# {inside}{what}"
    return Task(name, place, system, user, source, files, read_evidence(place, name))


def with_prompts(task: Task, system: str | None, user: str | None, *, where: str) -> Task:
    """The task with other prompts, read as its files are; None leaves the file's.

    Raises NotemillError for a user prompt without place.
    """
    if system is not None:
        task = replace(task, system_prompt=_lines(system))
    if user is not None:
        task = replace(task, user_prompt=_lines(user))
        _check_user_prompt(task.user_prompt, "the user prompt", where)
    return task


def task_files(place: Path) -> list[Path]:
    """All files of a task's folder that can change an answer, sorted.

    Not task.yaml, whose part in that is said apart; not hidden ones, caches or backups.
    """
    found = []
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if not _LEFTOVER.search(name)]
        found += [Path(folder, name) for name in names if not _LEFTOVER.search(name)]
    return sorted(path for path in found if path.is_file() and path != place / TASK_FILE)


def _check_user_prompt(prompt: str, what: str, where: str) -> None:
    if prompt.count(NOTE_PLACE) != 1 or not prompt.endswith(NOTE_PLACE):
        raise NotemillError(
            f"{what} must hold {NOTE_PLACE} once, at its very end",
            where=where,
            remedy=f"end it with {NOTE_PLACE}: what comes before the note is the same for all "
            "notes, so the engine computes it once",
        )


def _lines(prompt: str) -> str:
    """As a text file gives it: lines end with LF, and blank ones around it fall away."""
    return prompt.replace("\r\n", "\n").replace("\r", "\n").strip("\n")


def _must_be_there(folder: Path, place: Path) -> None:
    if not folder.is_dir():
        raise NotemillError(
            "the folder of the tasks is not there",
            where=f"tasks: {folder}, which is {folder.absolute()}",
            remedy="correct `tasks` in the configuration; a relative path is taken from the folder "
            "that the workflow runs in (`snakemake --directory`), so an absolute one is safest",
        )
    for file in (SYSTEM_PROMPT, USER_PROMPT, SCHEMA):
        if not (place / file).is_file():
            others = {path.parent.name for path in folder.glob(f"*/{SCHEMA}")} - {place.name}
            raise NotemillError(
                f"task '{place.name}' has no {file}",
                where=str(place),
                remedy=f"write {file}, or name another task that is there: "
                f"{', '.join(sorted(others)) or 'none yet'}",
            )


def _text(path: Path, name: str) -> str:
    try:
        with explained(path):
            return path.read_text(encoding="utf-8").strip("\n")
    except UnicodeDecodeError:
        raise NotemillError(
            f"{path.name} of task '{name}' is not UTF-8 text",
            where=str(path),
            remedy="save the file as UTF-8",
        ) from None


def _digest(path: Path) -> str:
    """sha256 of a file, the same whether git or an editor ends its lines with CR LF or LF."""
    with explained(path):
        return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _import_answer(task: Task) -> type[BaseModel]:
    path = task.folder / SCHEMA
    try:
        module = import_task(task.folder, task.name, task_files(task.folder))
    except (NotemillError, KeyboardInterrupt, Terminated):
        raise
    except BaseException as error:  # SystemExit too: Snakemake would end without a word
        raise NotemillError(
            f"schema.py does not import: {type(error).__name__}: {_first_line(error)}",
            where=line_of(error, task.folder),
            remedy=f"make `python {path}` run to its end without an error; a helper lies beside "
            "schema.py, a package is installed into the environment",
        ) from error
    answer = getattr(module, ANSWER_CLASS, None)
    if not (isinstance(answer, type) and issubclass(answer, BaseModel)):
        raise NotemillError(
            f"schema.py has no class {ANSWER_CLASS}",
            where=str(path),
            remedy=f"write `class {ANSWER_CLASS}(pydantic.BaseModel):` with a field for each "
            "thing to answer",
        )
    return answer


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]
