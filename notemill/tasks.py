"""A task: the prompts and the answer's schema, as they stand in config/tasks/NAME/."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from notemill.errors import NotemillError

NOTE_PLACE = "{note}"
SYSTEM_PROMPT = "system.md"
USER_PROMPT = "user.md"
SCHEMA = "schema.py"
ANSWER_CLASS = "Answer"


@dataclass(frozen=True)
class Task:
    """The question put about each note.

    system_prompt: comes first, the same for every note, so that the engine can keep it.
    user_prompt: ends with the place for the note.
    schema_source: the text of schema.py, whose class `Answer` decides what counts.
    """

    name: str
    folder: Path
    system_prompt: str
    user_prompt: str
    schema_source: str

    @cached_property
    def answer_model(self) -> type[BaseModel]:
        """The class `Answer` of schema.py, imported on first use."""
        return _import_answer(self.folder / SCHEMA, f"notemill_task_{self.name}")

    @cached_property
    def json_schema(self) -> dict[str, Any]:
        """JSON schema of the answer, fields in the order of the class."""
        return self.answer_model.model_json_schema()

    def user_message(self, note: str, hint: str = "") -> str:
        """The user's message about one note; a hint (for a retry) stands before the prompt."""
        prompt = self.user_prompt.removesuffix(NOTE_PLACE)  # a hint may quote the place's name
        return f"{hint}\n\n{prompt}{note}" if hint else prompt + note


def read_task(folder: Path, name: str) -> Task:
    """Read config/tasks/NAME. Raises NotemillError for a missing file or a prompt without place."""
    place = folder / name
    texts = {}
    for file in (SYSTEM_PROMPT, USER_PROMPT, SCHEMA):
        try:
            texts[file] = (place / file).read_text(encoding="utf-8").strip("\n")
        except FileNotFoundError:
            others = sorted(path.parent.name for path in folder.glob(f"*/{SCHEMA}"))
            raise NotemillError(
                f"task '{name}' has no {file}",
                where=str(place),
                remedy=f"write {file}, or name one of the tasks that are there: "
                f"{', '.join(others) or 'none yet'}",
            ) from None
        except UnicodeDecodeError:
            raise NotemillError(
                f"{file} of task '{name}' is not UTF-8 text",
                where=str(place / file),
                remedy="save the file as UTF-8",
            ) from None
    user = texts[USER_PROMPT]
    if user.count(NOTE_PLACE) != 1 or not user.endswith(NOTE_PLACE):
        raise NotemillError(
            f"{USER_PROMPT} of task '{name}' must hold {NOTE_PLACE} once, at its very end",
            where=str(place / USER_PROMPT),
            remedy=f"end the file with {NOTE_PLACE}: what comes before the note is the same for "
            "all notes, so the engine computes it once",
        )
    return Task(name, place, texts[SYSTEM_PROMPT], user, texts[SCHEMA])


def _import_answer(path: Path, module_name: str) -> type[BaseModel]:
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # Pydantic looks a class's annotations up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise NotemillError(
            f"schema.py does not import: {type(error).__name__}: {error}",
            where=str(path),
            remedy=f"make `python {path}` run without an error",
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
