"""What several unit tests share: a task, a small clinic in SQLite, and engines in this process."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from notemill.answers.recut import JournaledAnswers
from notemill.config import Cohort, Config, Database, read_config
from notemill.engines.protocol import End, Question, Reply
from notemill.notes.extract import extract
from notemill.notes.manifest import Manifest, read_frozen
from notemill.paths import Layout, cut_name
from notemill.tasks.task import Task, read_task

settings.register_profile(  # no timing asserted
    "notemill", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("notemill")

ANSWER = '{"response": "yes", "reason": "because"}'
SCHEMA = """
from typing import Literal

from pydantic import BaseModel


class Answer(BaseModel):
    response: Literal["yes", "no"]
    reason: str
"""


def write_task(
    folder: Path,
    schema: str = SCHEMA,
    *,
    name: str = "cough",
    system: str = "You read notes.",
    user: str = "Read:\n{note}",
) -> Task:
    """A task below `folder`, written and read."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "system.md").write_text(system + "\n")
    (place / "user.md").write_text(user + "\n")
    (place / "schema.py").write_text(schema)
    return read_task(folder, name)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return write_task(tmp_path / "tasks")


def config_values(**changes: Any) -> dict[str, Any]:
    """A complete configuration as YAML gives it; changes replace whole sections."""
    return {
        "database": {"url": "mysql+pymysql://db.example.org/clinic"},
        "cohorts": {
            "chest": {
                "query": "SELECT visit, note FROM notes",
                "id_columns": ["visit"],
                "text_column": "note",
            }
        },
        "engines": {"local": {"kind": "ollama", "models": "/models"}},
        "experiments": {
            "cough": {"task": "cough", "engine": "local", "model": "m:1", "results_table": "r"}
        },
        **changes,
    }


def config(**changes: Any) -> Config:
    return read_config(config_values(**changes))


class Clinic:
    """A database with one table of notes, and a results folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "clinic.sqlite"
        self.database = Database(url=f"sqlite:///{self.file}")
        self.layout = Layout(folder / "results")
        self.run("CREATE TABLE IF NOT EXISTS notes (visit, note)")

    def run(self, statement: str, rows: Iterable[tuple[Any, ...]] = ((),)) -> None:
        """Change the database."""
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.executemany(statement, rows)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Look into the database."""
        with closing(sqlite3.connect(self.file)) as connection:
            return connection.execute(query).fetchall()

    def columns(self, table: str) -> list[str]:
        """A table's columns, in their order."""
        return [row[1] for row in self.rows(f"PRAGMA table_info({table})")]

    def lie(self, table: str, column: str, value: str, when: str = "1 = 1") -> None:
        """Let a trigger put another value into each row of the table that is written from now on.

        value, when: SQL over the row NEW.
        """
        keys = {"experiments": ("cohort",), "notemill_evaluations": ("evaluation", "figure")}
        key = " AND ".join(f"{name} = NEW.{name}" for name in keys.get(table, ("visit",)))
        for event in ("INSERT", "UPDATE"):
            self.run(
                f"CREATE TRIGGER {event}_liar AFTER {event} ON {table} WHEN {when} "
                f"BEGIN UPDATE {table} SET {column} = {value} WHERE {key}; END"
            )

    def after(self, event: str, table: str, when: str, statement: str) -> None:
        """Let a trigger run a statement after each row that is written, where `when` holds."""
        self.run(
            f"CREATE TRIGGER after_{event} AFTER {event} ON {table} WHEN {when} "
            f"BEGIN {statement}; END"
        )

    def forbid(self, table: str) -> None:
        """Let a trigger refuse whatever is written into the table from now on."""
        for event in ("INSERT", "UPDATE", "DELETE"):
            self.run(
                f"CREATE TRIGGER {table}_{event} BEFORE {event} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'PRIVATE'); END"
            )

    def fill(self, *rows: tuple[Any, Any]) -> None:
        """Put (visit, note) rows into the table, after what is there; bytes become text."""
        self.run("INSERT INTO notes VALUES (?, ?)", rows)

    def cohort(self, **changes: Any) -> Cohort:
        values = {
            "query": "SELECT visit, note FROM notes",
            "id_columns": ["visit"],
            "text_column": "note",
            "shards": 3,
        }
        return Cohort(**(values | changes))

    def extract(self, name: str = "chest", **changes: Any) -> Manifest:
        answers = JournaledAnswers(self.layout, name)
        return extract(self.database, name, self.cohort(**changes), self.layout, answers)

    def cut(self, name: str = "chest") -> str:
        """The cut in force, after extract."""
        frozen = read_frozen(self.layout.frozen(name))
        assert frozen
        return cut_name(frozen.cut)

    def manifest(self, name: str = "chest") -> Path:
        """The manifest of the cut in force."""
        return self.layout.manifest(name, self.cut(name))

    def left_behind(self) -> list[str]:
        """Files below the results folder, without folders and locks."""
        return sorted(
            str(path.relative_to(self.layout.results))
            for path in self.layout.results.rglob("*")
            if not path.is_dir() and path.name != ".lock"
        )


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return Clinic(tmp_path)


@pytest.fixture
def new_clinic(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Clinic]:
    """Clinics for a test of many examples, each empty."""
    return lambda: Clinic(tmp_path_factory.mktemp("clinic"))


class SmallEngine:
    """An engine in this process: `answer` says what each note gets, by its text.

    answer: gives a reply's text, a Reply, or an exception to raise. Requests that run beside each
    other end in one turn of the loop, whatever else the machine does; so `most_at_once` is what
    the caller really keeps busy.
    """

    description = "small 1"

    def __init__(self, answer: Callable[[str], str | Reply | Exception] = lambda _: ANSWER) -> None:
        self._answer = answer
        self.now = 0
        self.questions: list[Question] = []
        self.timeouts: list[float] = []
        self.most_at_once = 0
        self._round: asyncio.Future[None] | None = None

    def baseline(self, task: str) -> int:
        return 5

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        self.questions.append(question)
        self.timeouts.append(timeout_s)
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        try:
            await self._with_others()
            reply = self._answer(question.user.rpartition("\n")[2])
        finally:
            self.now -= 1
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Reply) else replied(reply)

    async def _with_others(self) -> None:
        if self._round is None or self._round.done():
            self._round = asyncio.ensure_future(asyncio.sleep(0.001))
        await asyncio.shield(self._round)


def replied(
    text: str = ANSWER,
    end: End = End.STOP,
    *,
    prompt_tokens: int = 20,
    answer_tokens: int = 10,
) -> Reply:
    return Reply(text, end, prompt_tokens, answer_tokens)


def answer_text(**values: Any) -> str:
    """A reply's text with these fields changed."""
    return json.dumps(json.loads(ANSWER) | values)


def names_in(folder: Path) -> list[str]:
    """Names of what lies in the folder, hidden things too."""
    return sorted(path.name for path in folder.iterdir())
