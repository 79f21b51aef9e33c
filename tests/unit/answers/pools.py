"""A shard's job with engines in this process, and what they may meet."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from notemill.answers import asking
from notemill.answers.asking import Asking
from notemill.answers.outcome import Outcome
from notemill.answers.pool import ShardAsking, Text
from notemill.answers.work import refuse_more_failures
from notemill.config import Options
from notemill.engines.protocol import EngineGone, Question, Reply, RequestFailed
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
        max_failures: float = math.inf,
        **changes: Any,
    ) -> None:
        given = {"slots": 3, "restarts": 3} | changes
        self.answer = answer
        self.refuse: dict[tuple[str, str], Exception] = {}
        self.engines: list[SmallEngine] = []
        self.running = 0
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
    async def start_engine(self) -> AsyncIterator[SmallEngine]:
        assert self.running == 0, "two engines at once"
        self.running += 1
        try:
            engine = _Engine(self.answer, self.refuse)
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
