"""A shard's job with engines in this process, and what they may meet."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from notemill.answers import asking
from notemill.answers.allowed import refuse_more_failures
from notemill.answers.asking import Asking
from notemill.answers.outcome import Outcome
from notemill.answers.pool import ShardAsking, Text
from notemill.config import Options
from notemill.engines.protocol import Engine, EngineGone, Question, Reply, RequestFailed
from notemill.progress import Progress
from notemill.tasks.task import Task
from tests.unit.conftest import SmallEngine

Answer = Callable[[str], str | Reply | Exception]
DEATH = EngineGone("connection closed")
OUTAGE = RequestFailed("status 502")
CONTROL = asking._CONTROL_NOTE


class _Engine(SmallEngine):
    """refuse: what is raised by the question's first word and its text."""

    def __init__(self, answer: Answer, refuse: dict[tuple[str, str], Exception]) -> None:
        super().__init__(answer)
        self._refuse = refuse

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        asker, text = question.user.partition(":")[0], question.user.rpartition("\n")[2]
        reply = await super().ask(question, timeout_s)
        if refused := self._refuse.get((asker, text)):
            raise refused
        return reply


class Job:
    """A shard's asking with engines in this process, and what came of it."""

    def __init__(
        self,
        task: Task,
        answer: Answer,
        texts: int,
        *,
        tasks: tuple[Task, ...] = (),
        servers: int = 1,
        max_failures: float = math.inf,
        **changes: Any,
    ) -> None:
        given = {"slots": 3, "restarts": 3} | changes
        self.answer = answer
        self.start: Callable[[int], AbstractAsyncContextManager[Engine]] = self.start_engine
        self.refuse: dict[tuple[str, str], Exception] = {}
        self.servers = servers
        self.by_server: dict[int, Answer] = {}
        self.engines: list[SmallEngine] = []
        self.engines_of: dict[int, list[SmallEngine]] = {number: [] for number in range(servers)}
        self._up: set[int] = set()
        self.records: list[tuple[str, str]] = []
        self.progress = Progress("texts", total=texts)
        askings = tuple(
            Asking(each, Options(), attempts=2, timeout_s=1, spend_tokens=lambda _: None)
            for each in (task, *tasks)
        )
        self._names = {id(asking): number for number, asking in enumerate(askings)}
        self._texts = iter(
            [Text(f"sha {number}", f"text {number}", askings) for number in range(texts)]
        )
        self._allowed = max_failures
        self.asking = ShardAsking(
            self.ended,
            self.progress,
            asked=lambda _: None,
            beat=lambda: None,
            **given,
        )

    def ended(self, asking: Asking, sha: str, outcome: Outcome) -> None:
        number = self._names[id(asking)]
        self.record(f"{sha}.{number}" if number else sha, outcome)
        refuse_more_failures(self.progress.failed, self.progress.total or 0, self._allowed)

    def record(self, sha: str, outcome: Outcome) -> None:
        self.records.append((sha, outcome.status))

    @asynccontextmanager
    async def start_engine(self, server: int = 0) -> AsyncIterator[SmallEngine]:
        assert server not in self._up, "two engines at once"
        self._up.add(server)
        try:
            engine = _Engine(self.by_server.get(server, self.answer), self.refuse)
            self.engines.append(engine)
            self.engines_of[server].append(engine)
            yield engine
        finally:
            self._up.remove(server)

    @property
    def running(self) -> int:
        return len(self._up)

    def texts(self) -> Iterator[Text]:
        yield from self._texts

    async def run_async(self) -> None:
        starts = [partial(self.start, number) for number in range(self.servers)]
        await self.asking.run(self.texts(), *starts)

    def run(self) -> Job:
        asyncio.run(self.run_async())
        assert self.running == 0
        return self

    def cancel(self) -> None:
        """As SIGTERM does to a job that is cancelled by something that its engine meets."""
        self._asyncio_task.cancel()

    def run_cancelled(self) -> Job:
        """Run it until `cancel` is called; that it ends with nothing left is seen to."""

        async def main() -> None:
            self._asyncio_task = asyncio.ensure_future(self.run_async())
            await self._asyncio_task

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(main())
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
