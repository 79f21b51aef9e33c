"""notemill.tasks.new"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from notemill.errors import NotemillError
from notemill.tasks.evidence import Evidence
from notemill.tasks.new import (
    Draft,
    as_answers,
    check_name,
    default_question,
    plain,
    write_task,
)
from notemill.tasks.schema_check import check_schema
from notemill.tasks.task import Task, read_task
from tests.unit.conftest import names_in

QUESTION = default_question("lung_cancer")


def written(folder: Path, draft: Draft, name: str = "lung_cancer") -> Task:
    """A task as the plan reads it."""
    assert write_task(folder, name, draft) == folder / name
    task = read_task(folder, name)
    check_schema(task)
    return task


FILES = ["schema.py", "system.md", "task.yaml", "user.md"]


def test_a_task_is_four_files_that_the_plan_takes(tmp_path: Path) -> None:
    task = written(tmp_path, Draft(QUESTION))
    assert names_in(tmp_path) == ["lung_cancer"]
    assert names_in(tmp_path / "lung_cancer") == FILES
    assert "Does the note say that the patient has lung cancer now?" in task.system_prompt
    assert list(task.json_schema["properties"]) == ["evidence", "response"]
    assert enum_of(task) == ["yes", "no", "not stated"]
    for answer in enum_of(task):
        assert f'- "{answer}"' in task.system_prompt
        assert task.answer_model.model_validate({"evidence": "", "response": answer})


def test_evidence_of_a_new_task_is_a_quote_or_numbers_of_sentences(tmp_path: Path) -> None:
    quoting = written(tmp_path / "quoting", Draft("?"))
    assert quoting.evidence == Evidence(field="evidence")
    assert "copied exactly" in quoting.system_prompt
    numbered = written(tmp_path / "numbered", Draft("?", numbered=True))
    assert numbered.evidence == Evidence(field="evidence", numbered=True)
    assert "begins with its number in square brackets" in numbered.system_prompt
    answer = {"evidence": [1, 2, 3], "response": "yes"}
    assert numbered.answer_model.model_validate(answer)
    with pytest.raises(ValidationError):
        numbered.answer_model.model_validate(answer | {"evidence": "words"})
    assert written(tmp_path / "none", Draft("?", evidence=False)).evidence is None


def enum_of(task: Task) -> list[str]:
    enum: list[str] = task.json_schema["properties"]["response"]["enum"]
    return enum


@pytest.mark.parametrize("evidence", [True, False])
@pytest.mark.parametrize("unsure", ["not stated", ""])
@pytest.mark.parametrize("answers", ["number", "text", ("left", "right")])
def test_prompt_and_schema_say_the_same(
    tmp_path: Path, answers: Any, unsure: str, evidence: bool
) -> None:
    task = written(tmp_path, Draft("Where?", answers=answers, unsure=unsure, evidence=evidence))
    fields = task.json_schema["properties"]
    assert ("evidence" in fields, '"evidence"' in task.system_prompt) == (evidence, evidence)
    quote: dict[str, Any] = {"evidence": "words"} if evidence else {}

    def takes(response: Any) -> bool:
        try:
            task.answer_model.model_validate(quote | {"response": response}, strict=True)
        except ValidationError:
            return False
        return True

    is_value = isinstance(answers, str)
    assert takes(None) == ("is null" in task.system_prompt) == (is_value and bool(unsure))
    assert takes("not stated") == (answers == "text" or (not is_value and bool(unsure)))
    assert takes(3) == (answers == "number")
    assert takes("left") == (answers != "number")
    assert ("does not say" in task.system_prompt) == bool(unsure)


def test_what_a_list_says_of_itself_is_not_added_again(tmp_path: Path) -> None:
    task = written(tmp_path, Draft("Where?", answers=("left", "unknown"), unsure="unknown"))
    assert enum_of(task) == ["left", "unknown"]
    assert task.system_prompt.count('- "unknown"') == 1
    assert '"response" is "unknown"' in task.system_prompt


TYPED = [
    'quo"te',
    "it's",
    '"""',
    "'''",
    "back\\slash",
    "\\",
    "\\n",
    "two\nlines",
    "{note}",
    "{}",
    "#",
    '"]\nimport os\nx = ["',
    "größer",
    "肺炎",
    "🫁",
    "a\u2028b",
    "a\u202eb",
    "\ufeffa",
    "None",
    "--",
    "a, b",
    "%s",
]


@given(st.lists(st.sampled_from(TYPED) | st.text(max_size=30), min_size=1, max_size=12))
@example(TYPED)
@example([f"answer {n}" for n in range(200)])
@example(["a", "\ud800"])
@example(["a", "\x00"])
@example(["a", " "])
def test_the_schema_takes_what_was_typed_or_it_is_refused(typed: list[str]) -> None:
    try:
        answers = as_answers(typed)
    except NotemillError:
        clean = [answer.strip() for answer in typed]
        controls = any(ord(sign) < 32 or 126 < ord(sign) < 160 for sign in "".join(typed))
        surrogates = any(0xD800 <= ord(sign) < 0xE000 for sign in "".join(typed))
        few = len(clean) < 2 or "" in clean or len(set(clean)) < len(clean)
        assert few or controls or surrogates
        return
    with tempfile.TemporaryDirectory() as folder:
        task = written(Path(folder), Draft("\n".join(answers), answers=answers))
        if isinstance(answers, str):
            return
        assert enum_of(task)[: len(answers)] == list(answers) == [each.strip() for each in typed]
        assert task.user_prompt.count("{note}") == 1
        assert names_in(Path(folder) / "lung_cancer") == FILES
        for answer in answers:
            assert task.answer_model.model_validate({"evidence": "", "response": answer})
        with pytest.raises(ValidationError):
            task.answer_model.model_validate({"evidence": "", "response": "never typed by anyone"})


def test_kinds_are_words_of_their_own_when_they_stand_alone() -> None:
    assert as_answers(["yes/no"]) == ("yes", "no")
    assert as_answers([" Number "]) == "number"
    assert as_answers(["text"]) == "text"
    assert as_answers(["text", "image"]) == ("text", "image")


@pytest.mark.parametrize("typed", [[], [""], ["a", " "], ["a", "a"], ["a", "a "], ["a"]])
def test_answers_that_are_none_are_refused(typed: list[str]) -> None:
    with pytest.raises(NotemillError, match="answers"):
        as_answers(typed)


def test_one_answer_alone_is_refused_with_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(NotemillError, match="none to choose from"):
        write_task(tmp_path / "tasks", "cough", Draft("?", answers=("yes",), unsure=""))
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["", "9lives", "a-b", "a b", "../a", "a/b", ".a", "é", "a\n", "a" * 41]
)
def test_names_are_those_that_the_configuration_takes(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotemillError, match="can't be a task's name"):
        check_name(name)
    with pytest.raises(NotemillError, match="can't be a task's name"):
        write_task(tmp_path, name, Draft("?"))
    assert names_in(tmp_path) == []


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in names_in(tmp_path):
        with pytest.raises(NotemillError, match=f"there is a '{name}' already") as refused:
            write_task(tmp_path, name, Draft("?"))
        assert refused.value.where == str(tmp_path / name)
    assert names_in(tmp_path) == ["file", "folder", "link"]
    assert names_in(tmp_path / "folder") == []
    assert (tmp_path / "file").read_text() == "mine"


def test_a_task_holds_no_note_and_has_the_usual_mode(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_task(tmp_path / "tasks", "cough", Draft("?"))
    finally:
        os.umask(before)
    place = tmp_path / "tasks" / "cough"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [place, *place.iterdir()]}
    files = dict.fromkeys(FILES, 0o644)
    assert modes == {"cough": 0o755, **files}


def test_a_folder_that_cant_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "tasks").write_text("a file")
    with pytest.raises(NotemillError, match="a file, not a folder"):
        write_task(tmp_path / "tasks", "cough", Draft("?"))


def test_text_loses_white_space_around_it_and_nothing_else() -> None:
    assert plain(" two\nlines\t\n", "question") == "two\nlines"
    for sign in "\x00\x1b\x7f\r\ud800":
        with pytest.raises(NotemillError, match=r"question: the character U\+"):
            plain(f"a{sign}b", "question")


def test_the_comments_examples_are_ones_that_notemill_takes(tmp_path: Path) -> None:
    """The fields that schema.py shows in comments, taken in."""
    written(tmp_path, Draft("?"))
    schema = tmp_path / "lung_cancer" / "schema.py"
    lines = schema.read_text().splitlines(keepends=True)
    shown = [
        line.replace("# ", "", 1)
        for line in lines
        if any(f"# {field}:" in line for field in ("since_year", "side", "reason"))
    ]
    assert len(shown) == 3
    schema.write_text("".join(lines) + "".join(shown))
    check_schema(read_task(tmp_path, "lung_cancer"))
