"""What the clients of all kinds share: the proofs, a deadline, and prompts read whole."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType

from notemill.counts import OwnMetrics
from notemill.engines.probes import (
    PromptSize,
    measure_prompts,
    prove_long_prompt_refused,
    prove_schema,
)
from notemill.engines.protocol import AnswerTimeout, Question, Reply, Start
from notemill.errors import EngineRefused

_measured: dict[str, PromptSize] = {}
"""By engine, model and prompts."""


def key_refused(address: str) -> EngineRefused:
    """What to say of an endpoint that refuses the key it is given, or that it is given none."""
    return EngineRefused(
        "the endpoint refuses the key",
        where=address,
        remedy="put the right key into engines.*.api_key_file; in a folder of endpoints: end this "
        "server and start another, which gets a new token",
    )


class Client(ABC):
    """Client of one server with one model; an Engine once it is proven.

    address: where it is; key: what it asks for, empty if nothing; prompts: what a task's prompts
    take, by its name, as far as it is measured; own_metrics: what a server that was started here
    tells of itself, if it does.
    """

    address: str
    key: str = ""
    description: str
    prompts: Mapping[str, PromptSize] = MappingProxyType({})
    own_metrics: OwnMetrics | None = None

    def baseline(self, task: str) -> int:
        """See Engine; 0 until it is measured."""
        return self.prompts[task].baseline if task in self.prompts else 0

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        """One answer; see Engine.ask. Alone, its time begins with its turn."""
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(None if question.alone else timeout_s) as deadline:

                def its_turn() -> None:
                    if deadline.when() is None:
                        deadline.reschedule(now() + timeout_s)

                reply = await self._chat(question, its_turn)
        except TimeoutError:
            raise AnswerTimeout from None
        if size := self.prompts.get(question.task):
            size.check(question, reply)
        return reply

    async def prove(self, start: Start, timeout_s: float, *, where: str, remedy: str) -> None:
        """Prove the schema, measure the prompts, and see that none is cut without a word.

        where, remedy: for an engine that does cut. Raises NotemillError.
        """
        options, prompts = start.options, {}
        await prove_schema(self, start.task, options, timeout_s, beside=start.beside)
        for task in (start.task, *start.beside):
            # A sweep, a restart, several servers measure the same: each request is a GPU's time.
            asked = (task.system_message, task.user_message(""), options)
            model = start.record.digest
            key = str((self.description, model, *asked)) if model else ""
            prompts[task.name] = await measure_prompts(
                self, task, options, timeout_s, known=_measured.get(key)
            )
            if key:
                _measured[key] = prompts[task.name]
        self.prompts = prompts
        await prove_long_prompt_refused(
            self, start.task, options, timeout_s, where=where, remedy=remedy
        )

    @abstractmethod
    async def _chat(self, question: Question, its_turn: Callable[[], None]) -> Reply:
        """The question as a request of this kind. Raises what Engine.ask does, but no timeout.

        its_turn: called once the server answers it alone, where the question wants that.
        """
