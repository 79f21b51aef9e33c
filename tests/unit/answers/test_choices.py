"""notemill.answers.choices"""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from notemill.answers.choices import choices_of, free_texts


class Side(Enum):
    LEFT = "left"
    RIGHT = "right"


class Finding(BaseModel):
    side: Side | None
    words: str


class Answer(BaseModel):
    response: Literal["yes", "no"]
    one: Literal["only"]
    grade: Literal[1, 2, None]
    acute: bool
    chronic: bool | None
    side: Side
    side_or_words: Side | str
    nothing: None
    reason: str
    size: int
    findings: list[Finding]
    pairs: dict[str, str]
    anything: Any


SCHEMA = Answer.model_json_schema()


@pytest.mark.parametrize(
    ("field", "choices"),
    [
        ("response", ["yes", "no"]),
        ("one", ["only"]),
        ("grade", [1, 2, None]),
        ("acute", [True, False]),
        ("chronic", [True, False, None]),
        ("side", ["left", "right"]),
        *((name, None) for name in ("side_or_words", "nothing", "reason", "size", "findings")),
        *((name, None) for name in ("pairs", "anything", "of another schema")),
    ],
)
def test_choices_are_told_from_what_is_free(field: str, choices: list[Any] | None) -> None:
    assert choices_of(SCHEMA, field) == choices


def test_free_texts_are_all_strings_but_choices_wherever_they_stand() -> None:
    answer = {
        "response": "yes",
        "side": "left",
        "side_or_words": "at the back",
        "reason": "because",
        "size": 3,
        "findings": [{"side": "right", "words": "right"}, {"side": None, "words": "b"}],
        "pairs": {"key": "value"},
        "anything": [["c", {"d": "e"}], None, True],
        "of another schema": "f",
    }
    free = ["at the back", "because", "right", "b", "value", "c", "e", "f"]
    assert list(free_texts(answer, SCHEMA)) == free
    everything = ["yes", "left", *free[:2], "right", *free[2:]]
    assert list(free_texts(answer, None)) == everything


def test_true_is_no_1() -> None:
    schema = {"properties": {"grade": {"anyOf": [{"enum": [0, 1]}, {"type": "boolean"}]}}}
    assert list(map(repr, choices_of(schema, "grade") or [])) == ["0", "1", "True", "False"]
