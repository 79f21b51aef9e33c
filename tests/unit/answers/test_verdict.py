"""notemill.answers.judge: the acceptance rule."""

from __future__ import annotations

import asyncio
import json
import warnings
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field

from notemill.answers.verdict import Status, Verdict, is_answer, judge
from notemill.engines.protocol import End, Reply
from notemill.errors import NotemillError
from notemill.logs import Terminated
from notemill.tasks.task import Task
from tests.unit.conftest import ANSWER, answer_text, replied, write_task

BASELINE, NUM_CTX = 15, 100


def judged(task: Task, reply: Reply) -> Verdict:
    return judge(reply, task.answer_model, baseline=BASELINE, num_ctx=NUM_CTX)


def test_an_answer_that_ended_by_itself_and_validates_counts(task: Task) -> None:
    verdict = judged(task, replied())
    assert verdict == Verdict(Status.ANSWERED, {"response": "yes", "reason": "because"})


@pytest.mark.parametrize(
    ("reply", "status", "detail"),
    [
        # an answer that was cut is truncated even if it happens to be whole JSON
        (replied(end=End.LENGTH), Status.TRUNCATED, "cut after 10 tokens"),
        (replied(end=End.ABORTED), Status.INVALID_JSON, "broke the answer off"),
        (replied(prompt_tokens=BASELINE), Status.SERVER_ERROR, "the prompt was not read whole"),
        (replied(prompt_tokens=0), Status.SERVER_ERROR, "the prompt was not read whole"),
        (replied(prompt_tokens=91), Status.TOO_LONG, "91 + 10 tokens, context 100"),
        (replied('{"response": "yes", '), Status.INVALID_JSON, "not JSON"),
        (replied(""), Status.INVALID_JSON, "not JSON"),
        (replied("yes"), Status.INVALID_JSON, "not JSON"),
        (replied(ANSWER + "}"), Status.INVALID_JSON, "not JSON"),
        (replied(answer_text(response="Yes")), Status.SCHEMA, "response: literal_error"),
        (replied('{"response": "yes"}'), Status.SCHEMA, "reason: missing"),
        (replied(answer_text(reason=1)), Status.SCHEMA, "reason: string_type"),
        (replied("[]"), Status.SCHEMA, "answer: model_type"),
    ],
)
def test_what_does_not_count_says_why(
    task: Task, reply: Reply, status: Status, detail: str
) -> None:
    verdict = judged(task, reply)
    assert verdict.status is status
    assert verdict.answer is None
    assert detail in verdict.detail


def test_the_largest_context_and_the_smallest_note_count(task: Task) -> None:
    assert judged(task, replied(prompt_tokens=90)).status is Status.ANSWERED
    assert judged(task, replied(prompt_tokens=BASELINE + 1)).status is Status.ANSWERED


def test_details_name_the_field_and__hints_say_what_was_wrong(task: Task) -> None:
    verdict = judged(task, replied(answer_text(response="PRIVATE")))
    assert "PRIVATE" not in verdict.detail
    assert "'yes' or 'no'" in verdict.hint


PRIVATE = st.text(max_size=3).map(lambda text: f"PRIVATE{text}")
KEYS = st.sampled_from(["response", "counts", "parts", "inner", "either"]) | PRIVATE
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just("yes") | PRIVATE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
)


@pytest.fixture(scope="module")
def rich_task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    schema = """
from typing import Literal
from pydantic import BaseModel

class Inner(BaseModel, extra="forbid"):
    response: Literal["yes"]

class Answer(BaseModel, extra="forbid"):
    response: Literal["yes", "no"]
    counts: dict[str, int]
    parts: list[Inner]
    inner: Inner
    either: Inner | int | dict[int, bool]
"""
    return write_task(tmp_path_factory.mktemp("tasks"), schema)


@given(values=st.dictionaries(KEYS, VALUES, max_size=6), cut=st.booleans())
def test_no_text_of_an_answer_reaches_a_detail(
    rich_task: Task, values: dict[str, Any], cut: bool
) -> None:
    verdict = judged(rich_task, replied(json.dumps(values) + "PRIVATE" * cut))
    assert verdict.detail or verdict.answer
    assert "PRIVATE" not in verdict.detail


def schema(*fields: str) -> str:
    return (
        "from pydantic import BaseModel, Field, field_validator\n\nclass Answer(BaseModel):\n"
        + ("\n".join(f"    {line}" for field in fields for line in field.splitlines()))
    )


def test_a_validator_of_the_user_decides(tmp_path: Path) -> None:
    validator = """days: int
@field_validator("days")
@classmethod
def _check(cls, days: int) -> int:
    if days % 5:
        raise ValueError("PRIVATE days are no weeks")
    return days"""
    task = write_task(tmp_path, schema(validator))
    assert judged(task, replied('{"days": 10}')).status is Status.ANSWERED
    verdict = judged(task, replied('{"days": 11}'))
    assert (verdict.status, verdict.detail) == (Status.SCHEMA, "days: value_error")
    assert "no weeks" in verdict.hint


@pytest.mark.parametrize(
    ("fields", "answer", "status"),
    [
        ("age: int", {"age": "7"}, Status.SCHEMA),  # strict: a text is no number
        ("age: float", {"age": 7}, Status.ANSWERED),
        ("sure: bool", {"sure": 1}, Status.SCHEMA),
        ("age: int", {"age": 2**63 - 1}, Status.ANSWERED),
        ("age: int", {"age": 2**63}, Status.SCHEMA),  # no column holds it
        ("age: int", {"age": -(2**63) - 1}, Status.SCHEMA),
        ("age: int | None", {"age": None}, Status.ANSWERED),
        ("ages: list[int]", {"ages": [2**70]}, Status.ANSWERED),  # JSON text
    ],
)
def test_values_are_taken_as_they_are_and_fit_their_columns(
    tmp_path: Path, fields: str, answer: dict[str, Any], status: Status
) -> None:
    task = write_task(tmp_path, schema(fields))
    assert judged(task, replied(json.dumps(answer))).status is status


def test_a_number_beyond_all_numbers_is_no_answer(tmp_path: Path) -> None:
    task = write_task(tmp_path, schema("share: float"))
    verdict = judged(task, replied('{"share": 1e999}'))
    assert (verdict.status, verdict.detail) == (Status.SCHEMA, "share: number_out_of_range")
    assert verdict.hint


def test_fields_go_by_the_names_that_the_schema_gives_them(tmp_path: Path) -> None:
    task = write_task(tmp_path, schema('finding: str = Field(alias="Finding")'))
    assert list(task.json_schema["properties"]) == ["Finding"]
    assert judged(task, replied('{"Finding": "x"}')).answer == {"Finding": "x"}


@pytest.mark.parametrize(
    "raised", ["KeyError(value)", "SystemExit(0)", "KeyboardInterrupt", "GeneratorExit", "Own"]
)
def test_a_validator_that_breaks_is_named_and_not_the_answer(tmp_path: Path, raised: str) -> None:
    schema = """
from pydantic import BaseModel, field_validator


class Own(BaseException):
    pass


class Answer(BaseModel):
    response: str

    @field_validator("response")
    @classmethod
    def check(cls, value: str) -> str:
        raise RAISED
""".replace("RAISED", raised)
    task = write_task(tmp_path, schema=schema)
    name = raised.partition("(")[0]
    with pytest.raises(NotemillError, match=f"validator of the answer's class raised {name}") as e:
        judged(task, replied('{"response": "secret"}'))
    assert "secret" not in str(e.value)


@pytest.mark.parametrize("raised", [Terminated, asyncio.CancelledError])
def test_the_jobs_own_end_goes_through_a_validator(
    task: Task, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    """SIGTERM may come while a validator runs."""

    def end(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr(task.answer_model, "model_validate_json", end)
    with pytest.raises(raised):
        judged(task, replied())


@pytest.mark.parametrize(
    ("text", "status", "detail"),
    [
        ('{"response": "yes", "reason": "a", "response": "no"}', Status.SCHEMA, "repeated_key"),
        (
            '{"response": "yes", "reason": "a", "x": {"y": 1, "y": 1}}',
            Status.SCHEMA,
            "repeated_key",
        ),
        ('{"response": "yes", "reason": "a", "x": NaN}', Status.INVALID_JSON, "not JSON"),
        ('{"response": "yes", "reason": "a", "x": -Infinity}', Status.INVALID_JSON, "not JSON"),
        ('{"response": "yes", "reason": "\\ud800"}', Status.INVALID_JSON, "not JSON"),
        ('{"response": "yes", "reason": "\ud800"}', Status.SCHEMA, "string_unicode"),
        (
            '{"response": "yes", "reason": "a", "x": ' + "[" * 10_000,
            Status.INVALID_JSON,
            "not JSON",
        ),
        ("\ufeff" + ANSWER, Status.INVALID_JSON, "not JSON"),
        (ANSWER * 2, Status.INVALID_JSON, "not JSON"),
    ],
)
def test_what_is_no_plain_json_is_no_answer(
    task: Task, text: str, status: Status, detail: str
) -> None:
    verdict = judged(task, replied(text))
    assert verdict.status is status
    assert detail in verdict.detail


def test_an_answer_that_a_validator_changes_is_stored_as_it_left_it(tmp_path: Path) -> None:
    validator = """finding: str
@field_validator("finding")
@classmethod
def _tidy(cls, finding: str) -> str:
    return finding.strip().lower()"""
    task = write_task(tmp_path, schema(validator))
    verdict = judged(task, replied('{"finding": " Nodule "}'))
    assert verdict.answer == {"finding": "nodule"}
    assert is_answer(verdict.answer, task.answer_model)
    assert not is_answer({"finding": " Nodule "}, task.answer_model)


@pytest.mark.parametrize("change", ["finding + '!'", "'x' * 30", "7", "'\\ud800'"])
def test_an_answer_that_the_schema_refuses_as_a_validator_left_it_is_none(
    tmp_path: Path, change: str
) -> None:
    validator = f"""finding: str = Field(max_length=20)
@field_validator("finding")
@classmethod
def _break(cls, finding: str) -> str:
    return {change}"""
    task = write_task(tmp_path, schema(validator))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pydantic's, of a value of another type
        verdict = judged(task, replied('{"finding": "nodule"}'))
    assert (verdict.status, verdict.detail) == (Status.SCHEMA, "answer: not_valid_again")


class Untrue(BaseModel):
    """Its JSON schema says something else than its type."""

    x: str = Field(json_schema_extra={"type": "integer"})


def test_an_answer_that_its_column_would_not_take_is_none() -> None:
    assert judge(replied('{"x": "a"}'), Untrue, baseline=5, num_ctx=99).status is Status.SCHEMA


class Changing(BaseModel):
    x: Annotated[int, AfterValidator(lambda value: f"{value} secret")]


@pytest.mark.filterwarnings("error")
def test_no_warning_quotes_an_answer() -> None:
    assert judge(replied('{"x": 1}'), Changing, baseline=5, num_ctx=99).status is Status.SCHEMA
