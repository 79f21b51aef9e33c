"""notemill.tasks"""

from __future__ import annotations

from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.tasks import Task, read_task

from .conftest import write_task


def test_a_task_is_read(task: Task) -> None:
    assert task.system_prompt == "You read notes."
    assert task.user_prompt == "Read:\n{note}"
    assert list(task.json_schema["properties"]) == ["response", "reason"]
    assert task.answer_model.model_validate({"response": "yes", "reason": ""})


def test_the_note_comes_last_and_a_hint_first(task: Task) -> None:
    assert task.user_message("a cough") == "Read:\na cough"
    assert task.user_message("a cough", "Mind.") == "Mind.\n\nRead:\na cough"


def test_braces_in_a_note_or_a_hint_are_no_places(task: Task) -> None:
    assert task.user_message("{note} {x}") == "Read:\n{note} {x}"
    assert task.user_message("a cough", "not '{note}'") == "not '{note}'\n\nRead:\na cough"


@pytest.mark.parametrize("file", ["system.md", "user.md", "schema.py"])
def test_a_missing_file_is_named(tmp_path: Path, file: str) -> None:
    write_task(tmp_path, name="fever")
    write_task(tmp_path)
    (tmp_path / "cough" / file).unlink()
    with pytest.raises(NotemillError, match=f"task 'cough' has no {file}") as refused:
        read_task(tmp_path, "cough")
    assert refused.value.where == str(tmp_path / "cough")
    assert "fever" in refused.value.remedy


def test_a_misspelt_task_is_answered_with_those_that_are_there(tmp_path: Path) -> None:
    write_task(tmp_path)
    with pytest.raises(NotemillError, match=r"task 'cuogh' has no system\.md") as refused:
        read_task(tmp_path, "cuogh")
    assert "cough" in refused.value.remedy
    with pytest.raises(NotemillError, match="none yet"):
        read_task(tmp_path / "empty", "cough")


@pytest.mark.parametrize("user", ["Read.", "{note} Read.", "{note}\n{note}", "Read: {Note}", ""])
def test_the_prompt_must_end_with_the_place_for_the_note(tmp_path: Path, user: str) -> None:
    with pytest.raises(NotemillError, match=r"must hold \{note\} once, at its very end") as refused:
        write_task(tmp_path, user=user)
    assert refused.value.where == str(tmp_path / "cough" / "user.md")


def test_a_prompt_in_another_encoding_is_named(tmp_path: Path) -> None:
    write_task(tmp_path)
    (tmp_path / "cough" / "system.md").write_bytes("caf\xe9".encode("latin-1"))
    with pytest.raises(NotemillError, match="not UTF-8") as refused:
        read_task(tmp_path, "cough")
    assert "system.md" in str(refused.value.where)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("import nosuch", "ModuleNotFoundError: No module named 'nosuch'"),
        ("class Answer", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("", "no class Answer"),
        ("class Answer: pass", "no class Answer"),
        ("Answer = 'yes'", "no class Answer"),
        ("from pydantic import BaseModel\nclass answer(BaseModel): x: int", "no class Answer"),
    ],
)
def test_a_schema_that_is_none_is_named(tmp_path: Path, schema: str, words: str) -> None:
    task = write_task(tmp_path, schema)
    with pytest.raises(NotemillError, match=words) as refused:
        task.json_schema  # noqa: B018
    assert refused.value.where == str(tmp_path / "cough" / "schema.py")
    assert refused.value.remedy


def test_two_tasks_keep_their_own_answers(tmp_path: Path) -> None:
    schema = "from pydantic import BaseModel\nclass Answer(BaseModel): {}: int"
    one = write_task(tmp_path, schema.format("one"), name="one")
    two = write_task(tmp_path, schema.format("two"), name="two")
    assert [list(task.json_schema["properties"]) for task in (one, two)] == [["one"], ["two"]]
