"""notemill.tasks.schema_check: a test for each row of what engines enforce, ignore or die of."""

from __future__ import annotations

from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.tasks.schema_check import check_schema
from tests.unit.conftest import write_task

HEAD = """
import datetime
import enum
import uuid
from typing import Annotated, Any, Literal, Union

import pydantic
from pydantic import BaseModel, Field, RootModel


class Kind(enum.Enum):
    ACUTE = "acute"
    CHRONIC = "chronic"


class Finding(BaseModel):
    name: str


class Aliased(BaseModel):
    name: str = Field(alias="Name")


class Computing(BaseModel):
    name: str

    @pydantic.computed_field
    @property
    def longer(self) -> str:
        return self.name + "!"


class Tree(BaseModel):
    name: str
    parts: list["Tree"]


"""


def check(folder: Path, field: str) -> None:
    """Check a schema with one field, such as 'x: int'."""
    check_schema(write_task(folder, f"{HEAD}class Answer(BaseModel):\n    {field}\n"))


@pytest.mark.parametrize(
    "field",
    [
        "x: Kind",
        "x: Literal['a', 'b']",
        "x: Literal['a']",
        "x: Literal[1, 2]",
        "x: bool",
        "x: None",
        "x: str | None",
        "x: int | str",
        "x: Finding | None",
        "x: Finding",
        "x: list[Finding]",
        "x: Tree",
        "x: dict[str, int]",
        "x: int = Field(ge=0, le=10)",
        "x: int = Field(gt=0, lt=10)",
        "x: float",
        "x: datetime.date",
        "x: datetime.time",
        "x: datetime.datetime",
        "x: uuid.UUID",
        "x: str = Field(min_length=1, max_length=2000)",
        "x: list[str] = Field(min_length=1, max_length=20)",
        "x: str = Field(pattern='^[0-9]{2}$')",
        "x: str = Field(pattern=r'^a\\.b$')",
        "x: str = Field(description='(?x) is only a word here', title='not')",
    ],
)
def test_what_engines_hold_to_passes(tmp_path: Path, field: str) -> None:
    check(tmp_path, field)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("x: int = 1", "has a default"),
        ("x: str | None = None", "has a default"),
        ("x: Any = Field(json_schema_extra={'allOf': [{'type': 'string'}]})", "allOf"),
        ("x: float = Field(ge=0)", "bounds on a float"),
        ("x: float = Field(le=1)", "bounds on a float"),
        ("x: float = Field(gt=0)", "bounds on a float"),
        ("x: float = Field(lt=1)", "bounds on a float"),
        ("x: Annotated[float, Field(ge=0)] | None", "bounds on a float"),
        ("x: list[Annotated[float, Field(ge=0)]]", "bounds on a float"),
        ("x: dict[str, Annotated[float, Field(ge=0)]]", "bounds on a float"),
        ("x: tuple[Annotated[float, Field(ge=0)], int]", "bounds on a float"),
        ("x: int = Field(multiple_of=5)", "multiple_of is ignored"),
        ("x: set[str]", "unique items is ignored"),
        ("x: Any = Field(json_schema_extra={'not': {'type': 'null'}})", "not is ignored"),
        ("x: Any = Field(json_schema_extra={'if': {}})", "if/then is ignored"),
        ("x: Any = Field(json_schema_extra={'contains': {}})", "contains is ignored"),
        ("x: dict[Annotated[str, Field(pattern='^a$')], int]", "key patterns is ignored"),
        ("x: str = Field(json_schema_extra={'format': 'email'})", "format 'email' is ignored"),
        ("x: pydantic.AnyUrl", "format 'uri' is ignored"),
        ("x: datetime.timedelta", "format 'duration' is ignored"),
        ("x: bytes", "format 'binary' is ignored"),
        ("x: str = Field(max_length=2001)", "maxLength 2001 makes a grammar too large"),
        ("x: str = Field(min_length=5000)", "minLength 5000 makes a grammar too large"),
        ("x: list[str] = Field(max_length=3000)", "maxItems 3000 makes a grammar too large"),
        ("x: list[str] = Field(min_length=3000)", "minItems 3000 makes a grammar too large"),
        ("x: str = Field(pattern='[0-9]+')", "must start with"),
        ("x: str = Field(pattern='^[0-9]+')", "must start with"),
        ("x: str = Field(pattern='[0-9]+$')", "must start with"),
        (r"x: str = Field(pattern=r'^\d+$')", r"'\\d' is refused"),
        (r"x: str = Field(pattern=r'^\w$')", r"'\\w' is refused"),
        ("x: str = Field(pattern='^(?:a)$')", "kills the Ollama server"),
        ("x: str = Field(json_schema_extra={'pattern': '^(?=a)a$'})", "kills the Ollama server"),
    ],
)
def test_what_engines_ignore_or_die_of_is_named(tmp_path: Path, field: str, words: str) -> None:
    with pytest.raises(NotemillError, match=rf"Answer\.x.*: .*{words}") as refused:
        check(tmp_path, field)
    assert refused.value.where == str(tmp_path / "cough" / "schema.py")


def test_every_problem_is_named_at_once_and_nested_ones_by_their_class(tmp_path: Path) -> None:
    schema = f"""{HEAD}
class Part(BaseModel):
    share: float = Field(ge=0)

class Answer(BaseModel):
    a: int = 1
    b: list[Part]
    c: str = Field(pattern='x')
"""
    with pytest.raises(NotemillError) as refused:
        check_schema(write_task(tmp_path, schema))
    lines = [line.strip().partition(": ")[0] for line in refused.value.what.splitlines()[1:]]
    assert lines == ["Answer.a", "Answer.c", "Part.share"]


@pytest.mark.parametrize(
    "answer",
    [
        "class Answer(BaseModel): pass",
        "class Answer(RootModel[str]): pass",
        "class Answer(RootModel[dict[str, int]]): pass",
        "class Answer(BaseModel):\n    parts: list['Answer']",
    ],
)
def test_an_answer_without_fields_of_its_own_is_refused(tmp_path: Path, answer: str) -> None:
    with pytest.raises(NotemillError, match="Answer: has no fields"):
        check_schema(write_task(tmp_path, HEAD + answer))


@pytest.mark.parametrize(
    "field",
    [
        "x: int = Field(alias='y')",
        "x: int = Field(validation_alias='y')",
        "x: int = Field(validation_alias=pydantic.AliasChoices('x', 'y'))",
        "x: int = Field(validation_alias=pydantic.AliasPath('x', 0))",
        "x_y: int\n    model_config = {'alias_generator': str.upper}",
        "x: Aliased",
        "x: list[Aliased] | None",
    ],
)
def test_an_alias_is_refused(tmp_path: Path, field: str) -> None:
    with pytest.raises(NotemillError, match="has an alias; name the field itself"):
        check(tmp_path, field)


@pytest.mark.parametrize(
    "field",
    [
        "x: int = Field(serialization_alias='y')",
        "x: int = Field(exclude=True)",
        "x: int\n    @pydantic.field_serializer('x')\n    def s(self, v): return str(v)",
        "x: str\n    @pydantic.field_serializer('x')\n    def s(self, v) -> str: return v + '!'",
        "x: Annotated[str, pydantic.PlainSerializer(lambda v: v + '!')]",
        "x: Annotated[str, pydantic.WrapSerializer(lambda v, h: h(v) + '!')]",
        "x: list[Annotated[str, pydantic.PlainSerializer(lambda v: v + '!')]]",
        "x: int\n    @pydantic.model_serializer\n    def s(self): return {'y': 1}",
        "x: int\n    @pydantic.computed_field\n    @property\n    def y(self) -> int: return 1",
        "x: Computing",
        "x: list[Computing]",
        "x: Annotated[int, pydantic.PlainValidator(lambda v: v)]",
        "x: Annotated[bool, pydantic.BeforeValidator(bool, json_schema_input_type=str)]",
        "x: pydantic.Json",
        "x: __import__('decimal').Decimal",
    ],
)
def test_what_would_be_stored_otherwise_than_answered_is_refused(
    tmp_path: Path, field: str
) -> None:
    with pytest.raises(NotemillError, match="stored otherwise than it was answered"):
        check(tmp_path, field)


@pytest.mark.parametrize(
    "field",
    [
        "x: str\n    @pydantic.field_validator('x')\n    def v(cls, v): return v.strip()",
        "x: Annotated[str, pydantic.AfterValidator(str.strip)]",
        "x: Annotated[str, pydantic.StringConstraints(strip_whitespace=True, max_length=9)]",
        "x: RootModel[list[int]]",
        "x: tuple[int, str]",
        "x: int\n    model_config = {'extra': 'forbid'}",
    ],
)
def test_validators_that_keep_the_type_pass(tmp_path: Path, field: str) -> None:
    check(tmp_path, field)


def test_keys_without_a_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotemillError, match="further keys, which have no column"):
        check(tmp_path, "x: int\n    model_config = {'extra': 'allow'}")
