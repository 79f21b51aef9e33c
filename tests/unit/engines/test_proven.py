"""What each engine of a job proves, and what of it the ones before it have measured."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from notemill.config import Options
from notemill.engines import client as module
from notemill.engines.client import Client
from notemill.engines.protocol import PromptTooLong, Question, Reply, Start
from notemill.engines.record import ModelRecord
from notemill.errors import EngineRefused
from notemill.tasks.task import Task
from tests.unit.conftest import replied, write_task
from tests.unit.engines.test_probes import obeying


class Engine(Client):
    """Takes a token for each four characters, and refuses what its context does not hold."""

    address = "https://models.example/v1"
    description = "small 1"

    def __init__(self, *, sort: bool = False) -> None:
        self.asked: Counter[int] = Counter()
        self._sort = sort
        self._context = 0

    async def proven(self, start: Start) -> dict[str, int]:
        """Tokens around an empty note by task."""
        self._context = start.options.num_ctx
        await self.prove(start, 10, where="here", remedy="none")
        return {name: size.empty for name, size in self.prompts.items()}

    async def _chat(self, question: Question, its_turn: Callable[[], None]) -> Reply:
        tokens = (len(question.system) + len(question.user)) // 4
        if tokens >= self._context:
            raise PromptTooLong("longer than the context")
        self.asked[question.num_predict] += 1
        if question.num_predict == 96:
            return obeying(question, sort=self._sort)
        return replied("{", prompt_tokens=tokens)


@pytest.fixture(autouse=True)
def nothing_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_measured", {})


def start_of(num_ctx: int, *tasks: Task, num_predict: int = 100) -> Start:
    record = ModelRecord(
        engine="ollama", model="m:1", digest="d", weights_sha256="w", recorded_at="today"
    )
    options = Options(num_ctx=num_ctx, num_predict=num_predict)
    return Start(tasks[0], options, record, Path("/nosuch/log"), 1, 1, beside=tasks[1:])


def proven(start: Start, *, sort: bool = False) -> tuple[Engine, dict[str, int]]:
    engine = Engine(sort=sort)
    return engine, asyncio.run(engine.proven(start))


def test_prompts_are_measured_once_and_each_context_is_held_to_its_own_room(
    tmp_path: Path,
) -> None:
    """Of the longest task, too, which a shorter class has no room for."""
    short = write_task(tmp_path)
    long = write_task(tmp_path, name="fever", system="Look for fever. " * 200)
    first, sizes = proven(start_of(2000, short, long))
    again, same = proven(start_of(2000, short, long))
    assert same == sizes and sizes["fever"] > sizes["cough"] + 700
    assert first.asked[1] > 20 and again.asked[1] == 2
    with pytest.raises(EngineRefused, match="num_ctx 900 leaves none for the note"):
        proven(start_of(900, short, long))
    _, alone = proven(start_of(900, short))
    assert alone == {"cough": sizes["cough"]}
    with pytest.raises(EngineRefused, match="prompts alone do not fit"):
        proven(start_of(500, long))


def test_the_schema_is_proven_once_for_all_tasks(tmp_path: Path) -> None:
    tasks = [write_task(tmp_path, name=name) for name in ("cough", "fever", "rash")]
    engine, _ = proven(start_of(2000, *tasks))
    assert engine.asked[96] == 1


def test_a_lost_order_of_fields_is_refused_for_each_task_that_it_matters_to(
    tmp_path: Path,
) -> None:
    schema = "from pydantic import BaseModel\nclass Answer(BaseModel):\n    {}: str\n    {}: str\n"
    sorted_, other = (
        write_task(tmp_path, schema.format(*fields), name=name)
        for name, fields in {"cough": ("a", "b"), "fever": ("why", "sure")}.items()
    )
    proven(start_of(2000, sorted_), sort=True)
    with pytest.raises(EngineRefused, match=r"alphabetical order, .*\(why, sure\)"):
        proven(start_of(2000, sorted_, other), sort=True)
