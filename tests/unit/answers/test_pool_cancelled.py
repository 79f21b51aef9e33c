"""A job that is cancelled in any phase ends with its engine and blames no text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from notemill.answers import server
from notemill.engines.protocol import EngineGone
from notemill.tasks.task import Task
from tests.unit.answers.pools import CONTROL, DEATH, OUTAGE, Job
from tests.unit.conftest import ANSWER, SmallEngine

pytestmark = pytest.mark.usefixtures("no_pauses")


def test_a_cancellation_ends_the_engine_and_the_job(task: Task) -> None:
    def answer(text: str) -> str:
        if text == "text 7":
            job.cancel()
        return ANSWER

    job = Job(task, answer, 1000)

    job.run_cancelled()
    assert len(job.engines) == 1
    assert len(job.statuses) < 20


def test_a_death_by_the_signal_that_cancels_the_job_starts_no_other_engine(task: Task) -> None:
    """Slurm sends SIGTERM to the engine and to the job at once."""

    def answer(text: str) -> str | Exception:
        job.cancel()
        return DEATH

    job = Job(task, answer, 1000)

    job.run_cancelled()
    assert len(job.engines) == 1


@pytest.mark.parametrize("phase", ["side by side", "control", "one at a time", "pause"])
def test_a_cancellation_in_any_phase_ends_the_job_and_blames_no_text(
    task: Task, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_FIRST_PAUSE_S", 60)

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
            job.cancel()
        return OUTAGE if text == "text 0" else ANSWER

    job = Job(task, answer, 6)

    @asynccontextmanager
    async def start() -> AsyncIterator[SmallEngine]:
        if job.engines:
            asyncio.get_running_loop().call_later(0.05, job.cancel)
            raise EngineGone("refused")
        async with job.start_engine() as engine:
            yield engine

    job.start = lambda _: start()
    job.run_cancelled()
    assert set(job.statuses.values()) <= {"answered"}
    assert "sha 0" not in job.statuses
