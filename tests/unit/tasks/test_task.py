"""notemill.tasks.task"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.logs import Terminated
from notemill.tasks.task import Task, read_task
from tests.unit.conftest import SCHEMA, write_task


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
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotemillError, match="none yet"):
        read_task(tmp_path / "empty", "cough")


def test_a_folder_of_tasks_that_is_not_there_is_named_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotemillError, match="folder of the tasks is not there") as refused:
        read_task(Path("config/tasks"), "cough")
    assert str(tmp_path / "config" / "tasks") in str(refused.value.where)
    assert "--directory" in refused.value.remedy


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


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("\nimport nosuch", "ModuleNotFoundError: No module named 'nosuch'"),
        ("\nclass Answer", "SyntaxError"),
        ("\n1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit('tried')", "SystemExit: tried"),
        ("\nraise SystemExit", "SystemExit: no message"),
        ("class Stop(BaseException): pass\nraise Stop('first\\nsecond')", "Stop: first$"),
        ("def f():\n    1 / 0\nf()", "ZeroDivisionError"),
    ],
)
def test_a_schema_that_does_not_import_ends_in_one_message(
    tmp_path: Path, schema: str, words: str
) -> None:
    task = write_task(tmp_path, schema)
    with pytest.raises(NotemillError) as refused:
        task.json_schema  # noqa: B018
    assert re.search(words, refused.value.what)
    assert refused.value.where == f"{tmp_path / 'cough' / 'schema.py'}:2"


@pytest.mark.parametrize("error", [KeyboardInterrupt, Terminated])
def test_a_signal_while_the_schema_is_imported_goes_through(
    tmp_path: Path, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise error

    monkeypatch.setattr("notemill.tasks.task.import_task", interrupted)
    with pytest.raises(error):
        write_task(tmp_path).json_schema  # noqa: B018


def test_what_a_schema_prints_goes_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_task(tmp_path, f"{SCHEMA}\nprint('here')\n").json_schema  # noqa: B018
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "here\n")


def test_a_type_without_a_json_schema_is_named(tmp_path: Path) -> None:
    schema = "from typing import Callable\nfrom pydantic import BaseModel\n"
    task = write_task(tmp_path, f"{schema}class Answer(BaseModel):\n    x: Callable[[], int]\n")
    with pytest.raises(NotemillError, match="has no JSON schema: ") as refused:
        task.json_schema  # noqa: B018
    assert refused.value.where == str(task.folder / "schema.py")


def test_what_a_schema_uses_stands_in_the_source_that_the_row_tells(tmp_path: Path) -> None:
    folder = write_task(tmp_path).folder
    (folder / "codes.py").write_text("CODES = 1\n")
    (folder / "list.txt").write_text("a\n")
    source = read_task(tmp_path, "cough").schema_source
    digest = hashlib.sha256(b"a\n").hexdigest()
    assert source.startswith(SCHEMA.strip("\n"))
    assert source.endswith(f"\n\n# codes.py\n\nCODES = 1\n\n\n# list.txt: sha256 {digest}")


def test_two_tasks_keep_their_own_answers(tmp_path: Path) -> None:
    schema = "from pydantic import BaseModel\nclass Answer(BaseModel): {}: int"
    one = write_task(tmp_path, schema.format("one"), name="one")
    two = write_task(tmp_path, schema.format("two"), name="two")
    assert [list(task.json_schema["properties"]) for task in (one, two)] == [["one"], ["two"]]
