"""What the clients of all kinds share: a deadline for each question, and prompts read whole."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from notemill.engines.probes import PromptSize
from notemill.engines.protocol import AnswerTimeout, Question, Reply


class Client(ABC):
    """Client of one server with one model; an Engine once it is proven.

    prompts: what the task's prompts take, None until it is measured.
    """

    description: str
    prompts: PromptSize | None = None

    @property
    def baseline(self) -> int:
        """See Engine; 0 until it is measured."""
        return self.prompts.baseline if self.prompts else 0

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        """One answer; see Engine.ask."""
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._chat(question)
        except TimeoutError:
            raise AnswerTimeout from None
        if self.prompts:
            self.prompts.check(question, reply)
        return reply

    @abstractmethod
    async def _chat(self, question: Question) -> Reply:
        """The question as a request of this kind. Raises what Engine.ask does, but no timeout."""
