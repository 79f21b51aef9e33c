"""notemill.engines.probes: what an engine must show before the first note."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from notemill.config import Options
from notemill.engines.probes import (
    PromptSize,
    measure_prompts,
    prove_long_prompt_refused,
    prove_schema,
)
from notemill.engines.protocol import (
    AnswerTimeout,
    End,
    PromptTooLong,
    Question,
    Reply,
    RequestFailed,
)
from notemill.errors import EngineRefused, NotemillError
from notemill.tasks.task import Task
from tests.unit.conftest import replied

OPTIONS = Options(num_ctx=1000, num_predict=100)


def asked(task: Task, note: str) -> Question:
    return Question(task.system_prompt, task.user_message(note), {}, 100, 1, 0)


class Client:
    """A server's client: answers as `answer` says, or raises it."""

    address = "https://models.example/v1"

    def __init__(self, answer: Callable[[Question], Reply] | Exception) -> None:
        self._answer = answer
        self.questions: list[Question] = []

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        self.questions.append(question)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer(question)


Probe = Callable[[Client, Task, Options], Coroutine[Any, Any, Any]]


def run(probe: Probe, answer: Callable[[Question], Reply] | Exception, task: Task) -> Any:
    return asyncio.run(probe(Client(answer), task, OPTIONS))


def obeying(question: Question, *, sort: bool = False) -> Reply:
    """The only answer that the question's schema allows."""
    properties = question.json_schema["properties"]
    fields = {name: schema["enum"][0] for name, schema in properties.items()}
    return replied(json.dumps(fields, sort_keys=sort))


class TestTheSchema:
    def test_that_is_obeyed_is_proven(self, task: Task) -> None:
        run(prove_schema, obeying, task)

    @pytest.mark.parametrize(
        "reply",
        [
            replied("Certainly! Here is a word: zulu"),
            replied('{"zulu": "q7x"}'),
            replied('{"zulu": "word", "alpha": "word"}'),
            replied('{"zulu": "q7x", "alpha": "v3k"}', End.LENGTH),
            replied(""),
        ],
    )
    def test_that_is_ignored_is_refused(self, task: Task, reply: Reply) -> None:
        with pytest.raises(NotemillError, match="does not hold to a JSON schema") as refused:
            run(prove_schema, lambda _: reply, task)
        assert "think" in refused.value.remedy

    def test_whose_order_is_lost_is_refused_where_the_order_matters(self, task: Task) -> None:
        with pytest.raises(NotemillError, match=r"alphabetical order.*\(response, reason\)"):
            run(prove_schema, lambda question: obeying(question, sort=True), task)

    def test_whose_order_is_the_alphabets_may_lose_it(self, task: Task) -> None:
        task.json_schema["properties"] = {"a": {}, "b": {}}
        run(prove_schema, lambda question: obeying(question, sort=True), task)


class Merging:
    """Counts tokens as a tokenizer that joins the end of the prompt with the note.

    A token is a word with the space before it, or a character that is neither.
    """

    def __init__(self, lost: str = "") -> None:
        self._lost = lost

    def __call__(self, question: Question) -> Reply:
        text = f"{question.system}\n{question.user}".replace(self._lost or "\0", "")
        return replied(prompt_tokens=len(re.findall(r" ?[a-z]+| ?[0-9]| |[^a-z0-9 ]", text, re.I)))


class TestTheBaseline:
    ENDS = (
        "Note: {note}",
        "Note:{note}",
        "Note:\n{note}",
        "Read\n\n{note}",
        "See ({note}",
        "x{note}",
        "I see clea{note}",
    )
    SHORT = ("a", "I", "7", ".", ")", "no", "ok", "B", "x.", "9 mm", "-", "e", "\u00e9", "r")

    def sized(self, task: Task) -> PromptSize:
        size: PromptSize = run(measure_prompts, Merging(), task)
        return size

    def test_is_what_the_prompts_take_around_an_empty_note(self, task: Task) -> None:
        client = Client(lambda _: replied(prompt_tokens=42))
        size = asyncio.run(measure_prompts(client, task, OPTIONS))
        assert size == PromptSize(empty=42, least=42, characters=len("Read:\n"))
        assert client.questions[0].user == "Read:\n"
        assert client.questions[0].system == "You read notes."
        assert all(question.num_predict == 1 for question in client.questions)

    @pytest.mark.parametrize("end", ENDS)
    def test_is_exceeded_by_the_shortest_note_whatever_the_prompt_ends_in(
        self, task: Task, end: str
    ) -> None:
        task = replace(task, user_prompt=end)
        size = self.sized(task)
        for note in self.SHORT:
            question = asked(task, note)
            assert Merging()(question).prompt_tokens > size.baseline
            size.check(question, Merging()(question))

    def test_counts_a_note_that_merges_with_the_prompts_space(self, task: Task) -> None:
        task = replace(task, user_prompt="Note: {note}")
        size = self.sized(task)
        assert Merging()(asked(task, "x")).prompt_tokens == size.empty == size.baseline + 1

    @pytest.mark.parametrize("end", ENDS)
    def test_is_not_exceeded_without_the_system_prompt(self, task: Task, end: str) -> None:
        task = replace(task, user_prompt=end, system_prompt="You read notes and say what is so.")
        size = self.sized(task)
        for note in self.SHORT:
            lost = Merging(lost=task.system_prompt)(asked(task, note))
            assert lost.prompt_tokens <= size.baseline

    @pytest.mark.parametrize("end", ENDS)
    def test_a_missing_note_is_seen(self, task: Task, end: str) -> None:
        task = replace(task, user_prompt=end)
        size, note = self.sized(task), "Clear lungs. " * 30
        question = asked(task, note)
        size.check(question, Merging()(question))
        with pytest.raises(RequestFailed, match="the prompt was not read whole"):
            size.check(question, Merging(lost=note)(question))

    def test_of_a_prompt_that_ends_its_line_sees_a_short_note_that_is_missing(
        self, task: Task
    ) -> None:
        size = self.sized(task)
        assert Merging(lost="ok")(asked(task, "ok")).prompt_tokens <= size.baseline

    def test_is_measured_once_for_servers_that_take_an_empty_note_alike(self, task: Task) -> None:
        first = asyncio.run(measure_prompts(Client(Merging()), task, OPTIONS))
        second = Client(Merging())
        assert asyncio.run(measure_prompts(second, task, OPTIONS, known=first)) == first
        assert len(second.questions) == 1
        other = replace(first, empty=first.empty + 1, least=1)
        assert asyncio.run(measure_prompts(second, task, OPTIONS, known=other)) == first

    def test_must_be_told(self, task: Task) -> None:
        with pytest.raises(EngineRefused, match="does not say how many tokens"):
            run(measure_prompts, lambda _: replied(prompt_tokens=0), task)

    def test_must_leave_room_for_a_note(self, task: Task) -> None:
        assert run(measure_prompts, lambda _: replied(prompt_tokens=899), task).empty == 899
        with pytest.raises(EngineRefused, match="900 tokens and the answer up to 100") as refused:
            run(measure_prompts, lambda _: replied(prompt_tokens=900), task)
        assert "raise num_ctx" in refused.value.remedy


_refused = partial(prove_long_prompt_refused, where="there", remedy="another")


class TestAPromptBeyondTheContext:
    @pytest.mark.parametrize("refusal", [PromptTooLong("too long"), RequestFailed("400")])
    def test_is_refused(self, task: Task, refusal: Exception) -> None:
        run(_refused, refusal, task)

    def test_or_the_engine_is(self, task: Task) -> None:
        with pytest.raises(EngineRefused, match="cuts prompts without a word") as refused:
            run(_refused, lambda _: replied(), task)
        assert (refused.value.where, refused.value.remedy) == ("there", "another")

    def test_is_longer_than_the_context_in_any_tokens(self, task: Task) -> None:
        client = Client(lambda _: replied())
        with pytest.raises(EngineRefused):
            asyncio.run(_refused(client, task, OPTIONS))
        assert len(client.questions[0].user.split()) > OPTIONS.num_ctx


@pytest.mark.parametrize("probe", [prove_schema, measure_prompts])
@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (AnswerTimeout(), "gave no answer in 600 s"),
        (RequestFailed("status 500"), "fails before the first note: status 500"),
        (PromptTooLong(), "prompts alone do not fit"),
    ],
)
def test_an_engine_that_fails_the_probes_ends_the_job(
    task: Task, probe: Probe, failure: Exception, words: str
) -> None:
    with pytest.raises(NotemillError, match=words) as refused:
        run(probe, failure, task)
    assert refused.value.remedy
    if not isinstance(failure, PromptTooLong):
        assert Client.address in str(refused.value.where)
