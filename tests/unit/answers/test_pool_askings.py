"""Several askings of one text: back to back on one engine, each ended once for itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from notemill.engines.protocol import PromptTooLong
from notemill.tasks.task import Task
from tests.unit.answers.pools import DEATH, OUTAGE, Answer, Job
from tests.unit.conftest import ANSWER, write_task

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def others(tmp_path: Path) -> tuple[Task, ...]:
    return tuple(
        write_task(tmp_path / "tasks", name=name, user=f"{name}:\n{{note}}") for name in ("b", "c")
    )


def test_a_texts_askings_come_one_after_another_and_none_waits_in_their_slots(
    task: Task, others: tuple[Task, ...]
) -> None:
    job = Job(task, lambda _: ANSWER, 30, tasks=others, slots=3).run()
    (engine,) = job.engines
    assert engine.most_at_once == 3
    assert len(job.statuses) == job.progress.done == 90
    for text in {*job.asked()}:
        of_it = [each.user for each in engine.questions if each.user.endswith(f"\n{text}")]
        assert [user.partition(":")[0] for user in of_it] == ["Read", "b", "c"]
    asked = job.asked()
    assert all(asked.index(f"text {n}") < 3 * n + 3 for n in range(30))  # begun in order
    assert max(len(asked) - 1 - asked[::-1].index(t) - asked.index(t) for t in {*asked}) <= 3 * 3


def test_one_asking_that_fails_leaves_the_others_of_its_text_alone(
    task: Task, others: tuple[Task, ...]
) -> None:
    job = Job(task, lambda _: ANSWER, 4, tasks=others)
    job.refuse = {("b", "text 2"): PromptTooLong("long"), ("c", "text 1"): OUTAGE}
    statuses = job.run().statuses
    failed = {name: status for name, status in statuses.items() if status != "answered"}
    assert failed == {"sha 2.1": "too_long", "sha 1.2": "server_error"}
    assert len(statuses) == 12


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_a_question_that_kills_the_engine_ends_alone(
    task: Task, others: tuple[Task, ...], slots: int
) -> None:
    job = Job(task, lambda _: ANSWER, 6, tasks=others, slots=slots)
    job.refuse = {("b", "text 3"): DEATH}
    statuses = job.run().statuses
    assert statuses.pop("sha 3.1") == "server_error"
    assert Counter(statuses.values()) == {"answered": 17}


def test_what_a_loss_left_unasked_of_a_text_is_asked_and_ends_once(
    task: Task, others: tuple[Task, ...]
) -> None:
    died = 0

    def answer(_: str) -> str | Exception:
        nonlocal died
        died += 1
        return DEATH if died in (1, 9) else ANSWER

    given: Answer = answer
    statuses = Job(task, given, 5, tasks=others, slots=2).run().statuses
    assert Counter(statuses.values()) == {"answered": 15}
