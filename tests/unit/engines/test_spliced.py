"""notemill.engines.spliced: the bytes of a body are those of the body written whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notemill.config import Options
from notemill.engines.ollama.client import OllamaClient
from notemill.engines.openai.client import OpenAiClient
from notemill.engines.protocol import Question, RequestFailed
from notemill.engines.spliced import USER, Spliced, as_json

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text('"\\\x00\n\u2028\ue000/😀')
SCHEMA = {"type": "object", "properties": {"response": {"enum": ["(1) Ja, möglich", '"']}}}


def body_of(question: Question) -> dict[str, Any]:
    return {
        "messages": [question.system, USER],
        "schema": question.json_schema,
        "options": [question.num_predict, question.seed, question.temperature],
    }


QUESTIONS = st.builds(
    Question,
    TEXT,
    TEXT,
    st.sampled_from([SCHEMA, {}, {"type": "object"}]),
    st.integers(1, 3),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.3]),
)


@given(st.lists(QUESTIONS, max_size=8))
def test_a_body_is_that_of_its_own_question_whatever_was_asked_before(
    questions: list[Question],
) -> None:
    spliced = Spliced(body_of)
    for question in questions:
        whole = body_of(question)
        whole["messages"][1] = question.user
        assert spliced.body(question) == as_json(whole)


@pytest.mark.parametrize("attempts", [10, 1000])
def test_constant_parts_are_written_once_and_kept_within_bounds(attempts: int) -> None:
    written: list[Question] = []
    spliced = Spliced(lambda question: (written.append(question), body_of(question))[1])
    question = Question("You read notes.", "", SCHEMA, 100, 1, 0.0)
    for number in range(attempts):
        body = json.loads(spliced.body(replace(question, user=str(number))))
        assert body["messages"][1] == str(number)
    assert len(written) == 1
    for seed in range(attempts):
        assert json.loads(spliced.body(replace(question, seed=seed)))["options"][1] == seed
    assert len(spliced._kept) <= 256


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_half_a_character_fails_its_own_request_alone(kind: str) -> None:
    client = (
        OpenAiClient("http://127.0.0.1:1/v1", "", "m", Options())
        if kind == "openai"
        else OllamaClient("http://127.0.0.1:1", "m", Options(), {})
    )
    question = Question("You read notes.", "Sputum with blood \ud800", SCHEMA, 100, 1, 0.0)
    with pytest.raises(RequestFailed, match="lone surrogate") as failed:
        client._bodies.body(question)
    assert "Sputum" not in str(failed.value)
    assert failed.value.__suppress_context__
    assert b"a whole one" in client._bodies.body(replace(question, user="a whole one"))
