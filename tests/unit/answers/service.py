"""A GPU as a model of its service times, on a clock that runs only while everyone sleeps.

An engine with n slots answers k <= n requests at once; each takes 1 / speed(k) seconds a token, as
continuous batching has it. So the best number of slots is known, and a sweep over minutes takes a
moment. What runs on it: notemill's own pool, asking, journal and sweep.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
import selectors
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.engines import Engines
from notemill.answers.opening import opened
from notemill.answers.shard_job import ShardJob
from notemill.engines.protocol import End, EngineGone, PromptTooLong, Question, Reply
from notemill.engines.record import ModelRecord
from notemill.errors import NotemillError
from notemill.paths import Layout
from notemill.plan.runs import plan_runs
from tests.unit.conftest import ANSWER, Clinic, config, write_task

COHORT = "chest"
_READY_S = 20.0
_NO_ROOM = "only 3.0 of 5.0 GiB of the model are on the GPU"


class Machine:
    """speed: tokens a second of one request when k are answered at once.

    most: slots that its memory holds; more are refused at the start. dies_at: slots with which the
    engine starts and is lost at its first request. fails: share of texts answered wrongly.
    memory: tokens of context that all slots together may have. grain: tokens between two looks at
    how many are answered at once.
    """

    def __init__(
        self,
        speed: Callable[[int], float],
        *,
        most: int = 1000,
        dies_at: int = 1000,
        fails: float = 0,
        longest: int = 1_000_000,
        deadly: str = "",
        memory: float = math.inf,
        grain: int = 16,
    ) -> None:
        self.speed = speed
        self.most = most
        self.dies_at = dies_at
        self.fails = fails
        self.longest = longest
        self.deadly = deadly
        self.memory = memory
        self.grain = grain
        self.starts: list[int] = []
        self.contexts: list[int] = []
        self.asked: list[str] = []

    def throughput(self, slots: int) -> float:
        """Tokens a second of all together."""
        return slots * self.speed(slots)

    def best(self, most: int = 64) -> float:
        """The throughput of the best number of slots that it holds."""
        held = min(most, self.most, self.dies_at - 1)
        return max(self.throughput(slots) for slots in range(1, held + 1))

    @asynccontextmanager
    async def started(self, slots: int, context: int) -> AsyncIterator[_Engine]:
        self.starts.append(slots)
        self.contexts.append(context)
        await asyncio.sleep(_READY_S)
        if slots > self.most or slots * context > self.memory:
            raise NotemillError(_NO_ROOM, remedy="fewer slots")
        yield _Engine(self, slots, context)


class _Engine:
    description = "model 1"

    def __init__(self, gpu: Machine, slots: int, context: int) -> None:
        self._gpu = gpu
        self._context = context
        self._slots = asyncio.Semaphore(slots)
        self._busy = 0
        self._lost = slots >= gpu.dies_at

    def baseline(self, task: str) -> int:
        return 5

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        text = question.user.rpartition("\n")[2]
        self._gpu.asked.append(text)
        if self._lost or text == self._gpu.deadly:
            await asyncio.sleep(0.1)
            raise EngineGone("out of memory")
        length = text.split()[1]
        tokens = int(length) if length.isdigit() else 10  # the pool's own question
        if tokens >= self._context:
            raise PromptTooLong("refused by the engine: longer than the context")
        async with self._slots:
            self._busy += 1
            for _ in range(0, tokens, self._gpu.grain):
                await asyncio.sleep(self._gpu.grain / self._gpu.speed(self._busy))
            self._busy -= 1
        if (answered := self._answered(question, text, tokens)) is not None:
            return Reply('{"response": "y', End.LENGTH, tokens, answered)
        chance = hashlib.sha256(text.encode()).digest()[-1] / 256
        wrong = chance < self._gpu.fails or len(text) > self._gpu.longest
        return Reply("{" if wrong else ANSWER, End.STOP, tokens, 20)

    def _answered(self, question: Question, text: str, tokens: int) -> int | None:
        """Tokens of an answer that num_predict or the context cut; None of a whole one."""
        wanted = int(text.split()[2]) if len(text.split()) > 3 else 20
        room = min(question.num_predict, self._context - tokens)
        return room if wanted > room else None


def texts_of(tokens: Iterable[tuple[int, int]], *, bytes_a_token: float = 4) -> list[str]:
    """Texts whose prompts and answers take so many tokens, and bytes as a note's would."""
    texts = []
    for number, (prompt, answer) in enumerate(tokens):
        begin = f"{number} {prompt} {answer} "
        texts.append(begin + "x" * max(int(bytes_a_token * prompt) - len(begin), 1))
    return texts


@contextmanager
def shard_on(
    gpu: Machine,
    clinic: Clinic,
    monkeypatch: pytest.MonkeyPatch,
    *,
    texts: int = 600,
    seed: int = 1,
) -> Iterator[ShardJob]:
    """A shard of texts of very different lengths, whose engines run on the model."""
    chance = random.Random(seed)
    lengths = [int(chance.lognormvariate(5.5, 0.6)) + 1 for _ in range(texts)]
    clinic.fill(*((number, f"{number} {length}") for number, length in enumerate(lengths)))
    clinic.extract(COHORT, shards=1)
    yield job_of(gpu, clinic, monkeypatch)


def job_of(
    gpu: Machine,
    clinic: Clinic,
    monkeypatch: pytest.MonkeyPatch,
    *,
    slots: int | str = "auto",
    classes: str | list[int] = "off",
    architecture: str = "llama",
    **changes: Any,
) -> ShardJob:
    """The job on the first shard; changes: of the experiment."""
    task = write_task(clinic.folder / "tasks")
    experiment = {"task": task.name, "engine": "local", "model": "m:1", "results_table": "r"}
    read = config(
        tasks=str(clinic.folder / "tasks"),
        results=str(clinic.layout.results),
        engines={
            "local": {"kind": "ollama", "models": "/models", "slots": slots, "classes": classes}
        },
        experiments={"cough": experiment | {"attempts": 1} | changes},
    )
    layout = Layout(read.results)
    (run,) = plan_runs(read)
    record = ModelRecord(
        engine="ollama",
        model="m:1",
        digest="d",
        weights_sha256="w",
        details={"architecture": architecture},
        recorded_at="today",
    )
    record.write(layout.model(run.model_id))

    @asynccontextmanager
    async def started(
        engines: Engines, slots: int, context: int, server: int = 0
    ) -> AsyncIterator[_Engine]:
        began = time.monotonic()
        async with gpu.started(slots, context) as engine:
            engines._ready(engine, began)
            yield engine

    monkeypatch.setattr(Engines, "started", started)
    return ShardJob(run, layout, COHORT, clinic.cut(COHORT), "0000", Path("/nosuch/log"), 1)


def journaled(job: ShardJob) -> set[str]:
    """Texts that the shard's journal has answers of."""
    with opened(job) as work:
        return set(work.journal.answers)


class _Selector(selectors.SelectSelector):
    """Lets the clock pass instead of waiting."""

    def __init__(self, clock: list[float]) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self._clock[0] += timeout
        return ready


def at_once(asking: Coroutine[Any, Any, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run it on a clock of its own."""
    clock = [1000.0]
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: clock[0])
        loop = asyncio.SelectorEventLoop(_Selector(clock))
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(asking)
