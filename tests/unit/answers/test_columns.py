"""notemill.answers.columns"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from notemill.answers.columns import AnswerColumn, Kind, answer_columns, unstorable
from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.tasks.task import Task
from tests.unit.conftest import write_task

IDS = [IdColumn(name="visit", kind="integer")]
HEAD = """
import datetime
import enum
from typing import Annotated, Literal

from pydantic import BaseModel, Field


class Kind(enum.Enum):
    ACUTE = "acute"
    CHRONIC = "chronic"


class Grade(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Finding(BaseModel):
    name: str


"""


def column(folder: Path, annotation: str) -> AnswerColumn:
    task = write_task(folder, f"{HEAD}class Answer(BaseModel):\n    x: {annotation}\n")
    (found,) = answer_columns(task, "llm_", IDS)
    return found


@pytest.mark.parametrize(
    ("annotation", "kind", "longest"),
    [
        ("str", "text", None),
        ("str = Field(max_length=80)", "text", 80),
        ("str | None", "text", None),
        ("Annotated[str, Field(max_length=80)] | None", "text", 80),
        ("Annotated[str, Field(max_length=80)] | Literal['none']", "text", 80),
        ("Annotated[str, Field(max_length=80)] | datetime.date", "text", None),
        ("datetime.date", "text", None),
        ("Literal['a', 'bcd']", "text", 3),
        ("Literal['abcd']", "text", 4),
        ("Literal['a', None]", "text", 1),
        ("Literal['a', 'bcd'] | None", "text", 3),
        ("Kind", "text", 7),
        ("Kind | None", "text", 7),
        ("int", "integer", None),
        ("int | None", "integer", None),
        ("Literal[1, 2]", "integer", None),
        ("Literal[1]", "integer", None),
        ("Grade", "integer", None),
        ("float", "number", None),
        ("float | None", "number", None),
        ("bool", "boolean", None),
        ("bool | None", "boolean", None),
        ("list[str]", "json", None),
        ("list[Finding] | None", "json", None),
        ("Finding", "json", None),
        ("Finding | None", "json", None),
        ("dict[str, int]", "json", None),
        ("int | str", "json", None),
        ("Literal[1, 'a']", "json", None),
        ("Literal[True]", "json", None),
    ],
)
def test_each_kind_of_field_has_its_kind_of_column(
    tmp_path: Path, annotation: str, kind: str, longest: int | None
) -> None:
    assert column(tmp_path, annotation) == AnswerColumn("x", "llm_x", kind, longest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("annotation", "answer", "value"),
    [
        ("str", "caf\xe9", "caf\xe9"),
        ("int | None", None, None),
        ("list[str]", ["caf\xe9"], '["caf\xe9"]'),
        ("list[str] | None", None, None),
        ("Finding", {"name": "x"}, '{"name": "x"}'),
        ("int | str", "a", '"a"'),
        ("bool", False, False),
    ],
)
def test_lists_and_objects_become_json_text(
    tmp_path: Path, annotation: str, answer: Any, value: Any
) -> None:
    found = column(tmp_path, annotation)
    assert found.value({"x": answer}) == value
    assert pa.array([value, None], found.arrow.type).to_pylist() == [value, None]
    assert found.value(None) is None


def test_columns_come_in_the_schemas_order(task: Task) -> None:
    assert [found.column for found in answer_columns(task, "", IDS)] == ["response", "reason"]


@pytest.mark.parametrize(
    ("field", "prefix", "taken"),
    [
        ("visit", "", "visit"),
        ("VISIT", "", "visit"),
        ("it", "vis", "visit"),
        ("status", "", "status"),
        ("cohort", "", "cohort"),
        ("experiment", "", "experiment"),
        ("query_meta", "", "query_meta"),
        ("meta", "query_", "query_meta"),
    ],
)
def test_a_name_that_is_taken_is_refused(
    tmp_path: Path, field: str, prefix: str, taken: str
) -> None:
    task = write_task(tmp_path, f"{HEAD}class Answer(BaseModel):\n    {field}: str\n")
    with pytest.raises(NotemillError, match=f"columns {taken} are taken") as refused:
        answer_columns(task, prefix, IDS)
    assert "answer_prefix" in refused.value.remedy
    assert refused.value.where == str(task.folder / "schema.py")


@pytest.mark.parametrize(
    ("fields", "prefix", "words"),
    [
        (["Pain", "pain"], "llm_", "llm_Pain, llm_pain differ in upper and lower case alone"),
        (["gr\xf6\xdfe"], "", "names that a database does not take"),
        (["x" * 61], "llm_", "names that a database does not take"),
    ],
)
def test_a_name_that_no_table_can_have_is_refused(
    tmp_path: Path, fields: list[str], prefix: str, words: str
) -> None:
    lines = "".join(f"    {field}: str\n" for field in fields)
    task = write_task(tmp_path, f"{HEAD}class Answer(BaseModel):\n{lines}")
    with pytest.raises(NotemillError, match=words):
        answer_columns(task, prefix, IDS)


def test_a_name_of_64_characters_passes(tmp_path: Path) -> None:
    task = write_task(tmp_path, f"{HEAD}class Answer(BaseModel):\n    {'x' * 60}: str\n")
    assert len(answer_columns(task, "llm_", IDS)[0].column) == 64


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("text", ["", "abc", None], ["abcd", 1, ["a"]]),
        ("integer", [0, -(2**63), None], [2**63, True, 1.0, "1"]),
        ("number", [0.0, 1e308, None], [float("inf"), float("nan"), 1, True, "1"]),
        ("boolean", [True, False, None], [1, 0, "true"]),
        ("json", [[1, {"a": None}], "a", 1, None], [[float("nan")], object()]),
    ],
)
def test_a_value_that_its_column_would_change_is_told(
    kind: Kind, good: list[Any], bad: list[Any]
) -> None:
    column = AnswerColumn("x", "llm_x", kind, 3 if kind == "text" else None)
    assert [value for value in good if unstorable({"x": value}, [column])] == []
    assert [value for value in bad if not unstorable({"x": value}, [column])] == []
