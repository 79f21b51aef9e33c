"""The shipped model as an oracle: right notes and prompts give right answers, others do not.

Its own accuracy on held-out notes is on its card.
"""

from __future__ import annotations

import dataclasses
import functools
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from notemill.engines.openai.client import OpenAiClient
from notemill.engines.protocol import Question, Reply
from tests.audited import AUDITED, check_audit
from tests.oracle import (
    EMBEDDED,
    NOTES,
    RIGHT,
    TASKS,
    WEIGHTS,
    WRONG,
    config,
    experiment,
    rows,
    share_right,
    write_sqlite,
)
from tests.servers.mariadb import MariaDB
from tests.servers.real_ollama import THREADS, make_store
from tests.servers.shard_site import ShardSite
from tests.servers.slurm import SlurmCluster
from tests.workflow.project import REPOSITORY, Project


def answers(folder: Path, task: str, engine: dict[str, Any] = EMBEDDED, **changes: Any) -> Any:
    """NOTES' rows of a result shard, in order. changes: options, or the folder of tasks."""
    tasks = changes.pop("tasks", REPOSITORY / "config" / "tasks")
    wanted = experiment(task)
    wanted["options"] |= changes
    folder.mkdir(exist_ok=True)
    site = ShardSite(folder, [note.text for note in NOTES], engine, wanted, tasks=tasks)
    return site.answer()


def responses(rows: list[dict[str, Any]]) -> list[str | None]:
    return [row["llm_response"] for row in rows]


@pytest.fixture(scope="module")
def given_by(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[dict[str, Any]]]:
    """NOTES' rows by task, asked once."""
    return functools.cache(lambda task: answers(tmp_path_factory.mktemp(task), task))


@pytest.mark.parametrize("task", TASKS)
def test_the_right_prompt_and_note_give_the_right_answer(
    given_by: Callable[[str], list[dict[str, Any]]], task: str
) -> None:
    given = given_by(task)
    assert share_right(responses(given), task) >= RIGHT
    # What decided stands in the note, word for word.
    quoted = sum(
        row["llm_explanation"] in note.text for row, note in zip(given, NOTES, strict=True)
    )
    unaddressed = sum(note.kinds[task] in ("past", "mention", "absent") for note in NOTES)
    assert quoted >= 0.8 * (len(NOTES) - unaddressed)


def test_answers_on_the_wrong_notes_show(
    given_by: Callable[[str], list[dict[str, Any]]],
) -> None:
    given = responses(given_by("pneumonia"))
    assert share_right(given[1:] + given[:1], "pneumonia") <= WRONG


def test_the_other_tasks_system_prompt_shows(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    shutil.copytree(REPOSITORY / "config" / "tasks", tasks)
    shutil.copy(tasks / "pleural_effusion" / "system.md", tasks / "pneumonia")
    given = answers(tmp_path, "pneumonia", tasks=tasks)
    assert share_right(responses(given), "pneumonia") <= WRONG


def test_a_dropped_system_prompt_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = OpenAiClient.ask

    async def dropping(self: OpenAiClient, question: Question, timeout_s: float) -> Reply:
        return await ask(self, dataclasses.replace(question, system=""), timeout_s)

    monkeypatch.setattr(OpenAiClient, "ask", dropping)
    given = answers(tmp_path, "pneumonia")
    assert share_right(responses(given), "pneumonia") <= WRONG


def test_a_context_too_small_shows_and_invents_nothing(tmp_path: Path) -> None:
    given = answers(tmp_path, "pneumonia", num_ctx=256, num_predict=60)
    assert share_right(responses(given), "pneumonia") <= RIGHT - 0.1
    assert {row["status"] for row in given} == {"answered", "too_long", "truncated"}
    answered = [
        row["llm_response"] == note.answers["pneumonia"].response
        for row, note in zip(given, NOTES, strict=True)
        if row["status"] == "answered"
    ]
    assert sum(answered) >= RIGHT * len(answered)
    assert responses(given).count(None) == len(NOTES) - len(answered)


def test_sqlite_and_this_machine(tmp_path: Path) -> None:
    write_sqlite(tmp_path / "notes.sqlite")
    database = {"url": f"sqlite:///{tmp_path}/notes.sqlite"}
    project = Project(tmp_path / "project", config(database, EMBEDDED))
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    with sqlite3.connect(tmp_path / "notes.sqlite") as connection:
        for task in TASKS:
            given = loaded(connection.execute(joined(task)))
            assert share_right(given, task) >= RIGHT
            if task == AUDITED:
                check_audit(project, given)
    connection.close()


def test_mariadb_and_slurm(tmp_path: Path, database: MariaDB, cluster: SlurmCluster) -> None:
    database.drop_tables()
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE notes (patientvisitid VARCHAR(20), accession VARCHAR(20), note_text TEXT)"
        )
        cursor.executemany("INSERT INTO notes VALUES (%s, %s, %s)", rows())
        connection.commit()
    access = {
        "url": f"mysql+pymysql://{database.host}:{database.port}/{database.database}",
        "option_file": str(database.option_file(tmp_path / "my.cnf")),
    }
    project = Project(tmp_path / "project", config(access, EMBEDDED), cluster.environment)
    done = project.on_slurm()
    assert done.returncode == 0, done.stdout
    for task in TASKS:
        given = loaded(database.execute(joined(task, f"{database.database}.")))
        assert share_right(given, task) >= RIGHT
        assert share_right(given[1:] + given[:1], task) <= WRONG


def test_a_real_ollama_answers_as_the_embedded_engine_does(
    tmp_path: Path, real_ollama: Path
) -> None:
    _, _, modelfile = WEIGHTS.with_name("Modelfile").read_text().partition("\n")  # after FROM
    store = make_store(real_ollama, WEIGHTS, tmp_path, "notemill-tiny", modelfile)
    engine = {
        "command": [str(real_ollama)],
        "models": str(store),
        "runner_options": THREADS,
        "environment": {},
        "slots": 1,
    }
    for task in TASKS:
        theirs = responses(answers(tmp_path / f"ollama-{task}", task, engine))
        ours = responses(answers(tmp_path / f"embedded-{task}", task))
        assert share_right(theirs, task) >= RIGHT
        assert sum(a == b for a, b in zip(theirs, ours, strict=True)) >= 0.99 * len(NOTES)


def joined(task: str, schema: str = "") -> str:
    """SQL for the responses to NOTES in their order, NULL where there is none."""
    return (
        f"SELECT r.llm_response FROM {schema}notes n LEFT JOIN {schema}{task}_results r "
        "ON r.patientvisitid = n.patientvisitid AND r.accession = n.accession "
        "ORDER BY n.patientvisitid"
    )


def loaded(found: Any) -> list[str | None]:
    return [response for (response,) in found]
