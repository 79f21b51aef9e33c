"""The shipped model as an oracle: right notes and prompts give right answers, others do not.

Its own accuracy on held-out notes is on its card; these bounds leave room for 80 notes' chance.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from models.notes import draw
from tests.servers.shard_site import ShardSite
from tests.workflow.project import REPOSITORY

NOTES = draw(80, seed=7)
TASKS = REPOSITORY / "config" / "tasks"
ENGINE = {
    "kind": "openai",
    "weights": str(REPOSITORY / "models" / "notemill-tiny.gguf"),
    "slots": 1,
    "gpu": "off",
}
EXPERIMENT: dict[str, Any] = {
    "model": "notemill-tiny",
    "options": {"num_ctx": 1024, "num_predict": 200},
}


def accuracy(folder: Path, task: str, tasks: Path = TASKS, shift: int = 0) -> float:
    """Share of right answers through extract, engine, validation and result shard.

    shift: holds each answer against the note so many places on, as if ids were mixed up.
    """
    texts = [note.text for note in NOTES]
    site = ShardSite(folder, texts, ENGINE, EXPERIMENT | {"task": task}, tasks=tasks)
    rows = site.answer()
    right = [note.answers[task].response for note in NOTES]
    given = [row["llm_response"] for row in rows]
    given = given[shift:] + given[:shift]
    return sum(a == b for a, b in zip(right, given, strict=True)) / len(NOTES)


@pytest.mark.parametrize("task", ["pneumonia", "pleural_effusion"])
def test_the_right_prompt_and_note_give_the_right_answer(tmp_path: Path, task: str) -> None:
    assert accuracy(tmp_path, task) >= 0.7


def test_the_other_tasks_system_prompt_shows(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    shutil.copytree(TASKS, tasks)
    shutil.copy(TASKS / "pleural_effusion" / "system.md", tasks / "pneumonia")
    assert accuracy(tmp_path, "pneumonia", tasks) <= 0.5


def test_answers_on_the_wrong_notes_show(tmp_path: Path) -> None:
    assert accuracy(tmp_path, "pneumonia", shift=1) <= 0.5
