"""A server that is away for a while, or for good: no text ends by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from notemill.answers import server
from notemill.engines.protocol import AnswerTimeout, EngineGone
from notemill.errors import EngineRefused, NotemillError
from notemill.progress import EVERY_S
from notemill.tasks.task import Task
from tests.unit.answers.pools import DEATH, OUTAGE, Job
from tests.unit.conftest import ANSWER, SmallEngine

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.mark.parametrize("texts", [1, 2, 20])
@pytest.mark.parametrize("length", [1, 3, 8, 30])
@pytest.mark.parametrize("begin", [0, 1, 7, 19])
def test_an_outage_of_the_server_ends_no_text(
    task: Task, texts: int, length: int, begin: int
) -> None:
    """Whatever is asked, notes or control questions, gets 502 for so many requests."""
    count = 0

    def answer(_: str) -> str | Exception:
        nonlocal count
        count += 1
        return OUTAGE if begin < count <= begin + length else ANSWER

    job = Job(task, answer, texts, restarts=10).run()
    assert job.statuses == {f"sha {number}": "answered" for number in range(texts)}


def test_an_address_that_is_down_for_a_while_is_waited_for(task: Task) -> None:
    job = Job(task, lambda text: OUTAGE if len(job.asked()) > 5 and down else ANSWER, 20)
    down = 3
    ready = False

    @asynccontextmanager
    async def start() -> AsyncIterator[SmallEngine]:
        nonlocal down, ready
        if ready:
            down -= 1
            if down:
                raise NotemillError("the engine does not answer", remedy="is the server up?")
        ready = True
        async with job.start_engine() as engine:
            yield engine

    asyncio.run(job.asking.run(job.texts(), start))
    assert set(job.statuses.values()) == {"answered"}
    assert len(job.statuses) == 20


def test_an_address_that_stays_down_fails_the_job_with_its_reason_and_records_nothing(
    task: Task,
) -> None:
    job = Job(task, lambda text: OUTAGE if len(job.asked()) > 5 else ANSWER, 20)
    ready = False

    @asynccontextmanager
    async def start() -> AsyncIterator[SmallEngine]:
        nonlocal ready
        if ready:
            raise NotemillError("the engine does not answer", remedy="is the server up?")
        ready = True
        async with job.start_engine() as engine:
            yield engine

    with pytest.raises(NotemillError, match="does not answer"):
        asyncio.run(job.asking.run(job.texts(), start))
    assert set(job.statuses.values()) == {"answered"}
    assert len(job.statuses) <= 5


def test_pauses_before_a_new_try_grow_when_the_engine_does_not_start(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(server, "_FIRST_PAUSE_S", 4.0)
    job = Job(task, lambda _: ANSWER, 1)
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds not in (0.001, EVERY_S):
            slept.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)

    job.answer = lambda _: DEATH

    @asynccontextmanager
    async def start() -> AsyncIterator[SmallEngine]:
        if job.engines:
            raise EngineGone("refused")
        async with job.start_engine() as engine:
            yield engine

    with pytest.raises(NotemillError, match="lost 4 times"):
        asyncio.run(job.asking.run(job.texts(), start))
    assert slept == [4, 20]


def test_what_no_retry_can_mend_is_not_tried_again(task: Task) -> None:
    job = Job(task, lambda text: DEATH if text == "text 3" else ANSWER, 20)
    starts = 0

    @asynccontextmanager
    async def start() -> AsyncIterator[SmallEngine]:
        nonlocal starts
        starts += 1
        if starts > 1:
            raise EngineRefused("other weights", remedy="put the former ones back")
        async with job.start_engine() as engine:
            yield engine

    with pytest.raises(EngineRefused):
        asyncio.run(job.asking.run(job.texts(), start))
    assert starts == 2


@pytest.mark.parametrize("texts", [1, 2, 20])
@pytest.mark.parametrize(
    ("failure", "status"), [(OUTAGE, "server_error"), (AnswerTimeout(), "timeout")]
)
def test_a_text_alone_without_a_word_ends_after_all_others(
    task: Task, texts: int, failure: Exception, status: str
) -> None:
    job = Job(task, lambda text: failure if text == "text 0" else ANSWER, texts).run()
    statuses = job.statuses
    assert statuses.pop("sha 0") == status
    assert set(statuses.values()) <= {"answered"}
    assert len(job.engines) == 1
    if status == "server_error":
        assert job.records[-1][0] == "sha 0"


def test_many_that_are_set_aside_are_tried_before_the_shards_end(task: Task) -> None:
    bad = {f"text {number}" for number in range(0, 900, 3)}
    job = Job(task, lambda text: OUTAGE if text in bad else ANSWER, 900, max_failures=10)
    with pytest.raises(NotemillError, match="11 of 900 texts have no valid answer"):
        job.run()
    assert len(job.asked()) < 900


def test_failures_of_the_engine_do_not_spend_the_allowance_for_failed_texts(task: Task) -> None:
    count = 0

    def answer(_: str) -> str | Exception:
        nonlocal count
        count += 1
        return OUTAGE if 10 < count <= 40 else DEATH if 60 < count <= 63 else ANSWER

    job = Job(task, answer, 40, max_failures=0, restarts=5).run()
    assert set(job.statuses.values()) == {"answered"}
