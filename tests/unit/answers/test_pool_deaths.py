"""Engines that die or hang: the text that kills them is found, no other is blamed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from notemill.answers.outcome import Outcome
from notemill.engines.protocol import AnswerTimeout, EngineGone, RequestFailed
from notemill.errors import NotemillError
from notemill.tasks.task import Task
from tests.unit.answers.pools import CONTROL, DEATH, Job
from tests.unit.conftest import ANSWER, SmallEngine

pytestmark = pytest.mark.usefixtures("no_pauses")


def test_a_death_in_the_middle_costs_no_text(task: Task) -> None:
    answered = 0

    def answer(text: str) -> str | Exception:
        nonlocal answered
        answered += 1
        return DEATH if answered in (5, 15) else ANSWER

    job = Job(task, answer, 20).run()
    assert set(job.statuses.values()) == {"answered"}
    assert len(job.statuses) == 20
    assert len(job.engines) == 3


def test_a_text_that_kills_the_engine_is_found_and_the_others_are_answered(task: Task) -> None:
    job = Job(task, lambda text: DEATH if text == "text 5" else ANSWER, 20).run()
    assert job.statuses.pop("sha 5") == "server_error"
    assert Counter(job.statuses.values()) == {"answered": 19, "server_error": 1}
    assert job.asked().count("text 5") == 3  # beside others, then alone, and once more
    assert len(job.engines) == 4


def test_those_in_flight_at_a_death_are_asked_at_the_end_one_at_a_time(task: Task) -> None:
    died = False

    def answer(text: str) -> str | Exception:
        nonlocal died
        if text == "text 2" and not died:
            died = True
            return DEATH
        return ANSWER

    job = Job(task, answer, 20)
    alone: list[int] = []
    record = job.record

    def watch(sha: str, outcome: Outcome) -> None:
        alone.append(job.engines[-1].now)
        record(sha, outcome)

    job.record = watch  # type: ignore[method-assign]
    job.run()
    assert set(job.statuses.values()) == {"answered"}
    last = job.asked()[-3:]
    assert set(last) <= {f"text {number}" for number in range(8)}
    assert alone[-3:] == [0, 0, 0]


@pytest.mark.parametrize("texts", [1, 3, 4, 20])
@pytest.mark.parametrize("until", [1, 2, 3])
def test_an_engine_that_dies_on_any_request_until_a_later_start_ends_no_text(
    task: Task, texts: int, until: int
) -> None:
    job = Job(task, lambda _: ANSWER if len(job.engines) > until else DEATH, texts)
    job.run()
    assert job.statuses == {f"sha {number}": "answered" for number in range(texts)}
    assert len(job.engines) == until + 1


@pytest.mark.parametrize(("texts", "until"), [(1, 2), (2, 3), (3, 3), (20, 3)])
def test_an_engine_that_answers_only_the_control_question_blames_no_text_that_it_answers_later(
    task: Task, texts: int, until: int
) -> None:
    """Two notes and more bear witness for each other; one alone has the control question only."""

    def answer(text: str) -> str | Exception:
        return ANSWER if text == CONTROL or len(job.engines) > until else DEATH

    job = Job(task, answer, texts)
    job.run()
    assert set(job.statuses.values()) == {"answered"}


@pytest.mark.parametrize("texts", [1, 2, 20])
def test_a_deadly_text_is_found_wherever_it_stands(task: Task, texts: int) -> None:
    for place in {0, texts // 2, texts - 1}:
        job = Job(task, lambda text: DEATH if text == f"text {place}" else ANSWER, texts)  # noqa: B023
        statuses = job.run().statuses
        assert statuses.pop(f"sha {place}") == "server_error"
        assert set(statuses.values()) <= {"answered"}
        assert len(statuses) == texts - 1


def test_several_deadly_texts_are_each_found(task: Task) -> None:
    deadly = {"text 1", "text 2", "text 17", "text 18", "text 19"}
    job = Job(task, lambda text: DEATH if text in deadly else ANSWER, 20).run()
    assert Counter(job.statuses.values()) == {"answered": 15, "server_error": 5}


def test_deaths_that_come_and_go_blame_no_text(task: Task) -> None:
    """Every fifteenth request meets one, control questions too; a text needs two of them alone."""
    count = 0

    def answer(_: str) -> str | Exception:
        nonlocal count
        count += 1
        return DEATH if count % 15 == 0 else ANSWER

    assert set(Job(task, answer, 100).run().statuses.values()) == {"answered"}


def test_runners_that_die_again_and_again_under_one_text_blame_it_only_after_a_while(
    task: Task,
) -> None:
    """They may be killed by something else; the engine itself stays."""
    asked = 0

    def answer(text: str) -> str | Exception:
        nonlocal asked
        asked += text == "text 7"
        return RequestFailed("status 500") if text == "text 7" and asked <= deaths else ANSWER

    deaths = 7  # two attempts beside others, five alone
    assert set(Job(task, answer, 20).run().statuses.values()) == {"answered"}
    asked, deaths = 0, 8
    assert Job(task, answer, 20).run().statuses["sha 7"] == "server_error"


def test_an_engine_that_dies_whatever_it_is_asked_ends_the_job(task: Task) -> None:
    job = Job(task, lambda _: DEATH, 20, restarts=2)
    with pytest.raises(NotemillError, match="lost 3 times without an answer between") as refused:
        job.run()
    assert "memory" in refused.value.remedy
    assert len(job.engines) == 3
    assert job.running == 0


def test_deaths_with_answers_between_them_are_survived(task: Task) -> None:
    count = 0

    def answer(_: str) -> str | Exception:
        nonlocal count
        count += 1
        return DEATH if count % 9 == 0 else ANSWER

    job = Job(task, answer, 60, restarts=1).run()
    assert len(job.engines) > 5
    assert len(job.statuses) == 60


def test_an_engine_that_dies_before_it_is_ready_is_started_again(task: Task) -> None:
    job = Job(task, lambda _: ANSWER, 5)
    starts = 0

    @asynccontextmanager
    async def start() -> AsyncIterator[SmallEngine]:
        nonlocal starts
        starts += 1
        if starts < 3:
            raise EngineGone("while it was proven")
        async with job.start_engine() as engine:
            yield engine

    asyncio.run(job.asking.run(job.texts(), start))
    assert len(job.statuses) == 5


@pytest.mark.parametrize("texts", [1, 3, 10])
def test_an_engine_that_hangs_is_started_again_and_ends_no_text(task: Task, texts: int) -> None:
    job = Job(task, lambda _: AnswerTimeout() if len(job.engines) == 1 else ANSWER, texts, slots=2)
    job.run()
    assert len(job.engines) == 2
    assert job.statuses == {f"sha {number}": "answered" for number in range(texts)}


def test_slow_texts_are_not_the_engines_fault(task: Task) -> None:
    slow = {"text 3", "text 4", "text 5", "text 6", "text 7"}
    job = Job(task, lambda text: AnswerTimeout() if text in slow else ANSWER, 30, slots=2).run()
    assert Counter(job.statuses.values()) == {"answered": 25, "timeout": 5}
    assert len(job.engines) == 1
