"""notemill.answers.pool: all slots busy, every text ended exactly once, whatever happens."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notemill.answers.pool import Text
from notemill.engines.protocol import AnswerTimeout, PromptTooLong, RequestFailed
from notemill.errors import NotemillError
from notemill.tasks.task import Task
from tests.unit.answers.pools import DEATH, Job
from tests.unit.conftest import ANSWER, write_task

pytestmark = pytest.mark.usefixtures("no_pauses")


def test_every_text_is_asked_and_ended_once(task: Task) -> None:
    job = Job(task, lambda _: ANSWER, 20).run()
    assert job.statuses == {f"sha {number}": "answered" for number in range(20)}
    assert sorted(job.asked()) == sorted(f"text {number}" for number in range(20))
    assert job.asked()[:4] == ["text 0", "text 1", "text 2", "text 3"]  # in the given order
    assert (job.progress.done, job.progress.failed) == (20, 0)
    assert job.progress.tokens == 20 * 30


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_the_slots_are_kept_full_with_one_waiting(task: Task, slots: int) -> None:
    job = Job(task, lambda _: ANSWER, 30, slots=slots).run()
    assert job.engines[0].most_at_once == slots + 1


def test_no_text_at_all_is_fine(task: Task) -> None:
    assert Job(task, lambda _: ANSWER, 0).run().statuses == {}


def test_a_failed_text_is_recorded_and_the_rest_goes_on(task: Task) -> None:
    job = Job(task, lambda text: PromptTooLong("long") if text == "text 3" else ANSWER, 10).run()
    assert Counter(job.statuses.values()) == {"answered": 9, "too_long": 1}
    assert job.statuses["sha 3"] == "too_long"
    assert job.progress.failed == 1


def test_too_many_failures_end_the_job_with_the_remedy(task: Task) -> None:
    job = Job(task, lambda _: PromptTooLong("long"), 50, max_failures=5)
    with pytest.raises(NotemillError, match="6 of 50 texts have no valid answer") as refused:
        job.run()
    assert "max_failed_share" in refused.value.remedy
    assert 6 <= len(job.statuses) <= 6 + 3  # and those that ended in the same moment
    assert job.running == 0


def test_as_many_failures_as_allowed_do_not(task: Task) -> None:
    fail = {f"text {number}" for number in range(5)}
    job = Job(
        task, lambda text: RequestFailed("500") if text in fail else ANSWER, 50, max_failures=5
    )
    assert Counter(job.run().statuses.values()) == {"answered": 45, "server_error": 5}


def test_what_ends_the_job_is_told_before_a_death_beside_it(task: Task) -> None:
    wrong = NotemillError("wrong key", remedy="get another")

    def answer(text: str) -> str | Exception:
        return DEATH if text == "text 0" else wrong

    job = Job(task, answer, 10)
    with pytest.raises(NotemillError, match="wrong key"):
        job.run()
    assert len(job.engines) == 1


def test_a_damaged_shard_ends_the_job(task: Task) -> None:
    job = Job(task, lambda _: ANSWER, 3)

    def texts() -> Iterator[Text]:
        yield from job.texts()
        raise NotemillError("damaged", remedy="delete it")

    with pytest.raises(NotemillError, match="damaged"):
        asyncio.run(job.asking.run(texts(), job.start_engine))
    assert job.running == 0


@pytest.fixture(scope="module")
def shared_task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return write_task(tmp_path_factory.mktemp("tasks"))


replies = st.sampled_from(
    [ANSWER, ANSWER, ANSWER, "{}", DEATH, RequestFailed("500"), AnswerTimeout()]
)


@given(script=st.lists(replies, max_size=30), texts=st.integers(0, 12), slots=st.integers(1, 4))
@settings(max_examples=60)
def test_whatever_the_engine_does_no_text_is_lost_or_ended_twice(
    shared_task: Task, script: list[str | Exception], texts: int, slots: int
) -> None:
    queue = iter(script)
    job = Job(shared_task, lambda _: next(queue, ANSWER), texts, slots=slots, restarts=100).run()
    assert len(job.statuses) == texts
    assert job.progress.done == texts
