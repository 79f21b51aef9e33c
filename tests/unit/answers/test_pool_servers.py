"""Several servers, one queue: all kept busy, and what one loses the others end."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notemill.engines.protocol import AnswerTimeout, EngineGone, RequestFailed
from notemill.errors import EngineRefused, NotemillError
from notemill.tasks.task import Task
from tests.unit.answers.pools import CONTROL, DEATH, OUTAGE, Job
from tests.unit.conftest import ANSWER, SmallEngine, write_task

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture(scope="module")
def shared_tasks(tmp_path_factory: pytest.TempPathFactory) -> list[Task]:
    folder = tmp_path_factory.mktemp("tasks")
    return [write_task(folder, name=name, user=f"{name}:\n{{note}}") for name in "abc"]


def test_one_queue_keeps_the_slots_of_all_servers_full(task: Task) -> None:
    job = Job(task, lambda _: ANSWER, 400, servers=8, slots=4).run()
    assert [engine.most_at_once for engine in job.engines] == [5] * 8
    assert len(job.statuses) == 400
    assert min(len(engine.questions) for engine in job.engines) > 25


def test_what_a_lost_server_had_is_ended_by_the_others_while_it_is_away(task: Task) -> None:
    job = Job(task, lambda _: ANSWER, 60, servers=3)
    job.by_server[1] = lambda _: DEATH

    @asynccontextmanager
    async def start(server: int) -> AsyncIterator[SmallEngine]:
        if server == 1 and job.engines_of[1]:
            await asyncio.sleep(3600)  # it loads its model
        async with job.start_engine(server) as engine:
            yield engine

    job.start = start
    assert Counter(job.run().statuses.values()) == {"answered": 60}
    assert len(job.engines_of[1][0].questions) == 4
    assert job.asking.living == 3


@pytest.mark.parametrize("why", ["lost", "never ready", "does not come back"])
def test_a_server_that_stays_away_is_given_up_with_a_warning_and_the_others_go_on(
    task: Task, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = Job(task, lambda _: ANSWER, 200, servers=3, restarts=2)
    job.by_server[2] = lambda _: DEATH

    @asynccontextmanager
    async def start(server: int) -> AsyncIterator[SmallEngine]:
        starts = len(job.engines_of[2])
        if server == 2 and why != "lost" and (why == "never ready" or starts):
            raise NotemillError("no room on the GPU", remedy="fewer slots")
        async with job.start_engine(server) as engine:
            yield engine

    job.start = start
    with caplog.at_level(logging.WARNING):
        job.run()
    assert Counter(job.statuses.values()) == {"answered": 200}
    assert job.asking.living == 2
    assert "engine 3 of 3 is given up, 2 go on: " in caplog.text
    assert ("no room on the GPU" in caplog.text) == (why != "lost")


def test_the_job_fails_when_no_server_is_left_and_records_nothing(task: Task) -> None:
    job = Job(task, lambda _: DEATH, 50, servers=4, restarts=1)
    with pytest.raises(NotemillError, match="lost 2 times without an answer between"):
        job.run()
    assert job.records == []
    assert len(job.engines) == 8
    assert job.running == 0


def test_where_all_servers_are_needed_the_first_that_stays_away_ends_the_job(task: Task) -> None:
    job = Job(task, lambda _: ANSWER, 500, servers=2, restarts=0, needs_all=True)
    job.by_server[1] = lambda _: DEATH
    with pytest.raises(NotemillError, match="engine 2 of 2 was lost 1 times"):
        job.run()
    assert job.running == 0


def test_what_no_retry_can_mend_ends_the_job_whichever_server_meets_it(task: Task) -> None:
    job = Job(task, lambda _: ANSWER, 500, servers=3)

    @asynccontextmanager
    async def start(server: int) -> AsyncIterator[SmallEngine]:
        if server == 1:
            raise EngineRefused("other weights", remedy="put the former ones back")
        async with job.start_engine(server) as engine:
            yield engine

    job.start = start
    with pytest.raises(EngineRefused):
        job.run()
    assert job.running == 0


@pytest.mark.parametrize("servers", [2, 3, 5])
@pytest.mark.parametrize("deadly", [{0}, {0, 1, 2, 3}, set(range(0, 60, 7)), {57, 58, 59}])
def test_deadly_texts_are_found_and_give_up_no_server(
    task: Task, servers: int, deadly: set[int]
) -> None:
    bad = {f"text {number}" for number in deadly}
    job = Job(task, lambda text: DEATH if text in bad else ANSWER, 60, servers=servers).run()
    failed = {name for name, status in job.statuses.items() if status == "server_error"}
    assert failed == {f"sha {number}" for number in deadly}
    assert job.asking.living == servers
    assert max(Counter(job.asked())[text] for text in bad) <= 3


@pytest.mark.parametrize("meets", [DEATH, OUTAGE, AnswerTimeout()])
def test_a_broken_server_that_has_words_for_control_questions_bears_witness_against_no_text(
    task: Task, meets: Exception
) -> None:
    job = Job(task, lambda _: ANSWER, 40, servers=2, restarts=100, max_failures=0)
    job.by_server[0] = lambda text: ANSWER if text == CONTROL else meets
    assert Counter(job.run().statuses.values()) == {"answered": 40}


def test_the_last_server_alone_ends_what_others_were_lost_with(task: Task) -> None:
    job = Job(task, lambda text: DEATH if text == "text 3" else ANSWER, 30, servers=2, restarts=1)
    job.by_server[0] = lambda _: DEATH
    statuses = job.run().statuses
    assert statuses.pop("sha 3") == "server_error"
    assert Counter(statuses.values()) == {"answered": 29}
    assert job.asking.living == 1


def test_a_job_that_has_ended_waits_for_no_server_that_still_starts(task: Task) -> None:
    job = Job(task, lambda _: ANSWER, 3, servers=4)

    @asynccontextmanager
    async def start(server: int) -> AsyncIterator[SmallEngine]:
        if server:
            await asyncio.sleep(3600)
        async with job.start_engine(server) as engine:
            yield engine

    job.start = start
    assert len(job.run().statuses) == 3
    assert len(job.engines) == 1


@pytest.mark.parametrize("at", [1, 30, 59])
def test_a_cancellation_ends_all_servers_and_blames_no_text(task: Task, at: int) -> None:
    job = Job(task, lambda _: ANSWER, 60, servers=3)
    asked: list[str] = []

    def answer(text: str) -> str | Exception:
        before = text in asked  # who is lost again and again may be told to be deadly
        asked.append(text)
        count = len(asked)
        if count == at:
            job.cancel()
        if before:
            return ANSWER
        return DEATH if count % 5 == 0 else OUTAGE if count % 7 == 0 else ANSWER

    job.answer = answer

    job.run_cancelled()
    assert set(job.statuses.values()) <= {"answered"}


replies = st.sampled_from(
    [ANSWER, ANSWER, ANSWER, "{}", DEATH, RequestFailed("500"), AnswerTimeout()]
)


@given(
    scripts=st.lists(st.lists(replies, max_size=20), min_size=1, max_size=4),
    starts=st.lists(st.sampled_from([True, True, "gone", "refused"]), max_size=10),
    texts=st.integers(0, 12),
    slots=st.integers(1, 4),
    askings=st.integers(1, 3),
)
@settings(max_examples=80)
def test_whatever_the_servers_do_no_text_is_lost_or_ended_twice(
    shared_tasks: list[Task],
    scripts: list[list[str | Exception]],
    starts: list[bool | str],
    texts: int,
    slots: int,
    askings: int,
) -> None:
    """One server at least always starts."""
    queues = [iter(script) for script in scripts]
    given = iter(starts)
    first, *others = shared_tasks[:askings]
    job = Job(
        first,
        lambda _: ANSWER,
        texts,
        tasks=tuple(others),
        servers=len(scripts),
        slots=slots,
        restarts=100,
    )
    for number, queue in enumerate(queues):
        job.by_server[number] = lambda _, queue=queue: next(queue, ANSWER)  # type: ignore[misc]

    @asynccontextmanager
    async def start(server: int) -> AsyncIterator[SmallEngine]:
        how = next(given, True) if server else True
        if how == "gone":
            raise EngineGone("while it was proven")
        if how == "refused":
            raise NotemillError("no room", remedy="wait")
        async with job.start_engine(server) as engine:
            yield engine

    job.start = start
    job.run()
    assert len(job.statuses) == texts * askings
    assert job.progress.done == texts * askings
