"""Tasks that were asked together are asked again one by one, and as they were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from notemill.comparison import repeat
from notemill.comparison.repeat import RepeatJob, run_repeat
from notemill.config import Engine
from notemill.engines.protocol import Start
from tests.unit.answers import ward as wards
from tests.unit.answers.ward import Ward
from tests.unit.conftest import Clinic


def test_each_task_is_asked_again_what_it_was_and_nothing_that_its_gate_settled(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward = Ward(clinic, monkeypatch)
    ward.fill(40, 300, 900, 2000, 4200, 60, shards=2)
    prompts: dict[str, list[str]] = defaultdict(list)
    ask = wards.Server.ask

    async def noted(server, question, timeout_s):  # type: ignore[no-untyped-def]
        prompts[question.task].append(question.system + question.user)
        return await ask(server, question, timeout_s)

    @asynccontextmanager
    async def proven(_: Engine, start: Start) -> AsyncIterator[wards.Server]:
        assert not start.beside
        yield wards.Server(start, lambda server, pair: None, ward)

    monkeypatch.setattr(wards.Server, "ask", noted)
    monkeypatch.setattr(repeat, "proven_engine", proven)
    ward.run()
    before = {task: sorted(asked) for task, asked in prompts.items()}
    for job in ward.jobs(repeat={"notes": 100}):
        prompts.clear()
        record = run_repeat(RepeatJob(job.run, job.layout, "chest", job.cut, job.engine_log, 1))
        task = job.run.task.name
        assert record.texts == record.of_texts == (3 if task == "fever" else 6)
        assert record.same.value == 1
        assert {name: sorted(asked) for name, asked in prompts.items()} == {task: before[task]}
