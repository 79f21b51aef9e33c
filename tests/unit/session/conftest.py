"""A folder as an analyst has it: a configuration, a task, and the tiny model."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import yaml

from models.notes import draw
from notemill import Session
from tests.processes import below, command_of
from tests.unit.conftest import write_task
from tests.unit.engines.waiting import until

REPOSITORY = Path(__file__).parents[3]
SCHEMA = """
from typing import Literal

from pydantic import BaseModel, Field


class Answer(BaseModel):
    response: Literal["yes", "no"]
"""
FIELDS = """
    days: int | None
    sure: bool
    share: float
    words: list[Literal["a", "b"]] = Field(max_length=2)
"""
"""A column of every type."""
TYPES = {
    "llm_response": "string",
    "llm_days": "Int64",
    "llm_sure": "boolean",
    "llm_share": "Float64",
    "llm_words": "string",
    "status": "string",
    "detail": "string",
    "attempts": "int64",
    "changes": "string",
    "prompt_tokens": "int64",
    "answer_tokens": "int64",
    "seconds": "float64",
    "engine": "string",
    "answered_at": "datetime64[us, UTC]",
    "control_tokens": "int64",
}
"""The new columns in their order."""


def write_site(folder: Path, schema: str = SCHEMA, **changes: Any) -> None:
    """The configuration; changes are keys of the experiment, or of the engine."""
    write_task(folder / "config" / "tasks", schema)
    experiment = {
        "task": "cough",
        "engine": "tiny",
        "model": "notemill-tiny",
        "options": {"num_ctx": 512, "num_predict": 128},
        "results_table": "r",
        "max_failed_share": 0,
    }
    engine = {
        "kind": "llamacpp",
        "weights": str(REPOSITORY / "models" / "notemill-tiny.gguf"),
        "slots": 2,
        "gpu": "off",
    }
    values = {
        "database": {"url": "sqlite:///notes.sqlite"},
        "cohorts": {
            "chest": {
                "query": "SELECT visit, note FROM notes",
                "id_columns": ["visit"],
                "text_column": "note",
            }
        },
        "engines": {"tiny": engine | {k: v for k, v in changes.items() if k in ENGINE_KEYS}},
        "experiments": {
            "cough": experiment | {k: v for k, v in changes.items() if k not in ENGINE_KEYS}
        },
    }
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(values))


ENGINE_KEYS = {"weights", "slots", "restarts", "setup"}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The folder, with its configuration in config/config.yaml."""
    write_site(tmp_path)
    return tmp_path


@pytest.fixture
def new_session(site: Path) -> Iterator[Callable[..., Session]]:
    """Makes sessions in the site, and ends them."""
    sessions: list[Session] = []

    def make(**given: Any) -> Session:
        sessions.append(Session(**in_site(site, **given)))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One session for many tests, whose engine starts once; its answers have all types."""
    folder = tmp_path_factory.mktemp("site")
    write_site(folder, SCHEMA + FIELDS)
    with Session(**in_site(folder)) as session:
        yield session


def in_site(folder: Path, **given: Any) -> dict[str, Any]:
    """A session's arguments."""
    return {"experiment": "cough", "directory": folder, "threads": 1, **given}


def notes(count: int, seed: int = 5) -> pd.DataFrame:
    """Synthetic notes with ids."""
    texts = [note.text for note in draw(count, seed)]
    return pd.DataFrame({"visit": range(count), "note_text": texts})


def servers() -> list[psutil.Process]:
    """Running servers of this process."""
    return [
        child
        for child in below(os.getpid())
        if any("program.py" in word for word in command_of(child))
    ]


def meanwhile(session: Session, do: Callable[[], None]) -> AbstractContextManager[None]:
    """Once the next texts are answered."""
    before = len(work_of(session)._answers) if session._work else 0
    return once(lambda: bool(session._work) and len(work_of(session)._answers) > before, do)


def as_it_starts(do: Callable[[], None]) -> AbstractContextManager[None]:
    """Once there is a server, which can't be ready yet."""
    return once(lambda: bool(servers()), do)


def work_of(session: Session):  # type: ignore[no-untyped-def]
    assert session._work
    return session._work


@contextmanager
def once(true: Callable[[], bool], do: Callable[[], None]) -> Iterator[None]:
    """Around an asking: does something in the midst of it."""

    def wait() -> None:
        until(true)
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        thread.join()
