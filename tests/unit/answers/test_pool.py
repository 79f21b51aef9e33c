"""notemill.answers.pool: all slots busy, every text ended exactly once, whatever happens."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notemill.answers import asking as asking_module
from notemill.answers import pool as shard_asking_module
from notemill.answers.asking import Asking
from notemill.answers.outcome import Outcome
from notemill.answers.pool import ShardAsking, Text
from notemill.config import Options
from notemill.engines.protocol import AnswerTimeout, EngineGone, PromptTooLong, Reply, RequestFailed
from notemill.errors import EngineRefused, NotemillError
from notemill.progress import EVERY_S, Progress
from notemill.tasks.task import Task
from tests.unit.conftest import ANSWER, SmallEngine, write_task

Answer = Callable[[str], str | Reply | Exception]
DEATH = EngineGone("connection closed")
CONTROL = asking_module._CONTROL_NOTE


@pytest.fixture(autouse=True, scope="module")
def no_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking_module, "_PAUSE_AFTER_ERROR_S", 0)
        patch.setattr(shard_asking_module, "_FIRST_PAUSE_S", 0)
        yield


class Job:
    """A shard's asking with engines in this process, and what came of it."""

    def __init__(self, task: Task, answer: Answer, texts: int, **changes: Any) -> None:
        given = {"slots": 3, "restarts": 3, "max_failures": texts} | changes
        self.answer = answer
        self.engines: list[SmallEngine] = []
        self.running = 0
        self.records: list[tuple[str, str]] = []
        self.progress = Progress("texts", total=texts)
        self._texts = iter([(f"sha {number}", f"text {number}") for number in range(texts)])
        self.asking = ShardAsking(
            Asking(task, Options(), attempts=2, timeout_s=1, spend_tokens=lambda _: None),
            self.record,
            self.progress,
            asked=lambda: None,
            beat=lambda: None,
            **given,
        )

    def record(self, sha: str, outcome: Outcome) -> None:
        self.records.append((sha, outcome.status))

    @asynccontextmanager
    async def start_engine(self) -> AsyncIterator[SmallEngine]:
        assert self.running == 0, "two engines at once"
        self.running += 1
        try:
            engine = SmallEngine(self.answer)
            self.engines.append(engine)
            yield engine
        finally:
            self.running -= 1

    def texts(self) -> Iterator[Text]:
        yield from self._texts

    async def run_async(self) -> None:
        await self.asking.run(self.texts(), self.start_engine)

    def run(self) -> Job:
        asyncio.run(self.run_async())
        assert self.running == 0
        return self

    @property
    def statuses(self) -> dict[str, str]:
        ended = Counter(sha for sha, _ in self.records)
        assert all(count == 1 for count in ended.values()), "a text ended twice"
        return dict(self.records)

    def asked(self) -> list[str]:
        """Texts in the order of the requests, over all engines."""
        questions = [question for engine in self.engines for question in engine.questions]
        texts = [question.user.rpartition("\n")[2] for question in questions]
        return [text for text in texts if text != CONTROL]


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

    job.asking._ended = watch
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


OUTAGE = RequestFailed("status 502")


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
    monkeypatch.setattr(shard_asking_module, "_FIRST_PAUSE_S", 4.0)
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


def test_a_cancellation_ends_the_engine_and_the_job(task: Task) -> None:
    def answer(text: str) -> str:
        if text == "text 7":
            task_of_the_job.cancel()
        return ANSWER

    job = Job(task, answer, 1000)

    async def main() -> None:
        nonlocal task_of_the_job
        task_of_the_job = asyncio.ensure_future(job.run_async())
        await task_of_the_job

    task_of_the_job: asyncio.Future[None]
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert job.running == 0
    assert len(job.engines) == 1
    assert len(job.statuses) < 20


def test_a_death_by_the_signal_that_cancels_the_job_starts_no_other_engine(task: Task) -> None:
    """Slurm sends SIGTERM to the engine and to the job at once."""

    def answer(text: str) -> str | Exception:
        task_of_the_job.cancel()
        return DEATH

    job = Job(task, answer, 1000)

    async def main() -> None:
        nonlocal task_of_the_job
        task_of_the_job = asyncio.ensure_future(job.run_async())
        await task_of_the_job

    task_of_the_job: asyncio.Future[None]
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert len(job.engines) == 1


@pytest.mark.parametrize("phase", ["side by side", "control", "one at a time", "pause"])
def test_a_cancellation_in_any_phase_ends_the_job_and_blames_no_text(
    task: Task, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_asking_module, "_FIRST_PAUSE_S", 60)

    def answer(text: str) -> str | Exception:
        if phase == "pause":
            return DEATH
        tries = job.asked().count("text 0")
        now = {
            "side by side": tries == 1,
            "control": text == CONTROL,
            "one at a time": tries > 2 and text == "text 0",
        }
        if now[phase]:
            job_task.cancel()
        return OUTAGE if text == "text 0" else ANSWER

    job = Job(task, answer, 6)

    @asynccontextmanager
    async def start() -> AsyncIterator[SmallEngine]:
        if job.engines:
            asyncio.get_running_loop().call_later(0.05, job_task.cancel)
            raise EngineGone("refused")
        async with job.start_engine() as engine:
            yield engine

    async def main() -> None:
        nonlocal job_task
        job_task = asyncio.ensure_future(job.asking.run(job.texts(), start))
        await job_task

    job_task: asyncio.Future[None]
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert job.running == 0
    assert set(job.statuses.values()) <= {"answered"}
    assert "sha 0" not in job.statuses


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
