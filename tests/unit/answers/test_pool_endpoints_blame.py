"""Which texts an endpoint's loss is laid to, and which not."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from notemill.engines.protocol import (
    AnswerTimeout,
    EngineGone,
    NotBegun,
    Question,
    Reply,
)
from notemill.errors import NotemillError
from notemill.tasks.task import Task
from tests.unit.answers.endpoints import Place, Pooled, quick
from tests.unit.answers.pools import CONTROL, DEATH
from tests.unit.conftest import ANSWER

__all__ = ["quick"]
pytestmark = pytest.mark.usefixtures("quick")


class Fragile(Place):
    """One whose guard goes with it when it dies of text 7, and is back a moment later."""

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        if not question.user.endswith("\ntext 7"):
            return await super().ask(question, timeout_s)
        self.engine.questions.append(question)
        self.state = "gone"
        raise DEATH

    def started(self) -> Any:
        self.state = "ready"
        return super().started()


def test_a_text_that_takes_whole_servers_with_it_ends_and_the_others_are_answered(
    task: Task,
) -> None:
    statuses = (job := Pooled(task, 60, *(Fragile(name, slots=4) for name in "abc"))).run().statuses
    assert statuses.pop("sha 7") == "server_error"
    assert Counter(statuses.values()) == {"answered": 59}
    assert Counter(job.asked())["text 7"] <= 4


@pytest.mark.parametrize("places", [1, 2, 4])
def test_a_deadly_text_kills_few_endpoints_and_the_others_are_answered(
    task: Task, places: int
) -> None:
    def answer(text: str) -> str | Exception:
        return DEATH if text == "text 7" else ANSWER

    job = Pooled(task, 60, *(Place(f"e{number}", answer=answer) for number in range(places)))
    statuses = job.run().statuses
    assert statuses.pop("sha 7") == "server_error"
    assert Counter(statuses.values()) == {"answered": 59}
    assert Counter(job.asked())["text 7"] <= 3
    tried_alone = [text for place in job.places.values() for text in place.alone]
    assert tried_alone.count("text 7") == 2, "a witness that may have died of another job's text"


@pytest.mark.parametrize("meets", [DEATH, AnswerTimeout()])
def test_a_broken_endpoint_bears_witness_against_no_text(task: Task, meets: Exception) -> None:
    broken = Place("broken", answer=lambda text: ANSWER if text == CONTROL else meets)
    job = Pooled(task, 40, broken, Place("other"), max_failures=0)
    assert Counter(job.run().statuses.values()) == {"answered": 40}


def test_an_endpoint_that_is_overloaded_by_others_blames_no_text(task: Task) -> None:
    """A text that waits behind others is not one that the model can't answer."""
    slow: Counter[str] = Counter()

    def answer(text: str) -> str | Exception:
        slow[text] += 1
        return AnswerTimeout() if slow[text] < 3 and text == "text 5" else ANSWER

    job = Pooled(task, 40, Place("busy", answer=answer), Place("too", answer=answer))
    assert Counter(job.run().statuses.values()) == {"answered": 40}


def test_a_request_that_was_not_begun_is_no_loss_of_its_text(task: Task) -> None:
    """An engine that another job's text killed refuses, and is back."""
    flapping = Place("flapping")
    job = Pooled(task, 60, flapping, max_failures=0, restarts=100)
    ask = flapping.ask
    count = 0

    async def refuses(question: object, timeout_s: float) -> object:
        nonlocal count
        count += 1
        if count % 5 == 0:
            raise NotBegun("it is starting")
        return await ask(question, timeout_s)  # type: ignore[arg-type]

    flapping.ask = refuses  # type: ignore[method-assign, assignment]
    assert Counter(job.run().statuses.values()) == {"answered": 60}


@pytest.mark.parametrize("at", [1, 7, 30])
def test_a_cancellation_leaves_all_endpoints_and_blames_no_text(task: Task, at: int) -> None:
    places = [Place("a"), Place("b")]
    job = Pooled(task, 60, *places)
    count = 0

    def after() -> None:
        nonlocal count
        count += 1
        if count == at:
            job.cancel()

    for place in places:
        place.after = after
    job.run_cancelled()
    assert set(job.statuses.values()) <= {"answered"}


def test_an_endpoint_that_dies_of_every_text_is_left_alone(task: Task) -> None:
    broken = Place("broken", answer=lambda text: EngineGone("out of memory"))
    job = Pooled(task, 10, broken, wait_s=1, restarts=2)
    with pytest.raises(NotemillError, match="lost 3 times without an answer between"):
        job.run()
    assert job.records == []
    assert broken.proofs == 3
