"""An engine from its start to its end, and what it has said: shared by all who ask it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from notemill.engines.protocol import Engine, PromptTooLong, Question, Reply
from notemill.logs import log


class Heard:
    """An Engine that counts its words: replies, and refusals of a long prompt.

    words: so far, to any question. one_control: held while it is asked the control question.
    context: tokens of each slot where they are fewer than the experiment's num_ctx, else None.
    alone: whether it is to answer nothing else meanwhile, of whomever.
    """

    alone = False
    _MOST_TOLD = 5

    def __init__(self, engine: Engine, context: int | None = None) -> None:
        self._engine = engine
        self.context = context
        self.description = engine.description
        self.words = 0
        self.one_control = asyncio.Lock()
        self._told: set[str] = set()

    def baseline(self, task: str) -> int:
        """See Engine."""
        return self._engine.baseline(task)

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        """See Engine."""
        if self.alone:
            question = replace(question, alone=True)
        try:
            reply = await self._engine.ask(question, timeout_s)
        except PromptTooLong:
            self.words += 1
            raise
        self.words += 1
        return reply

    def failed(self, told: str) -> None:
        """Log what it failed with, each kind once: a request that ends well at last tells no one.

        An Ollama whose runner dies loads the model again and again, and no note is lost by it.
        """
        if told not in self._told and len(self._told) < self._MOST_TOLD:
            self._told.add(told)
            log.warning(
                "the engine failed on a request (%s), which is asked again; of more that end so "
                "nothing is said",
                told,
            )
