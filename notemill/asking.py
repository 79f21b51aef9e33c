"""Asks an engine about one text, up to some attempts, each changing what made the last one fail."""

from __future__ import annotations

import asyncio
import time

from notemill.answers import Question, Status, Verdict, judge
from notemill.attempts import Attempt, first_attempt, next_attempt
from notemill.config import Options
from notemill.engines.control_tokens import OF_ANY_MODEL, ControlTokens
from notemill.engines.protocol import (
    AnswerTimeout,
    Engine,
    EngineGone,
    PromptTooLong,
    RequestFailed,
)
from notemill.journal import Outcome, now
from notemill.tasks import Task

_PAUSE_AFTER_ERROR_S = 1.0


class Asking:
    """One task's asking of one text after another, with the experiment's options.

    slots: the engine's, to tell a slow text from an engine that answers no one any more.
    timeout_s: seconds for a first request. control_tokens: the model's, broken up in each text.
    """

    def __init__(
        self,
        task: Task,
        options: Options,
        *,
        attempts: int,
        timeout_s: float,
        slots: int,
        control_tokens: ControlTokens = OF_ANY_MODEL,
    ) -> None:
        self._task = task
        self._options = options
        self._attempts = attempts
        self._timeout_s = timeout_s
        self._slots = slots
        self._control_tokens = control_tokens
        self._timeouts_in_a_row = 0

    async def outcome(self, engine: Engine, text: str) -> Outcome:
        """How the text ends. Raises EngineGone, and NotemillError for what ends the job."""
        started = time.monotonic()
        text, broken_up = self._control_tokens.broken_up(text)
        attempt: Attempt | None = first_attempt(self._options, self._timeout_s)
        while attempt is not None:
            last = attempt
            verdict, prompt_tokens, answer_tokens = await self._try(engine, text, attempt)
            attempt = None
            if verdict.status is not Status.ANSWERED and last.number < self._attempts:
                attempt = next_attempt(
                    last, verdict, prompt_tokens=prompt_tokens, num_ctx=self._options.num_ctx
                )
        return Outcome(
            status=verdict.status.value,
            answer=verdict.answer,
            detail=verdict.detail,
            attempts=last.number,
            changes=last.changes,
            prompt_tokens=prompt_tokens,
            answer_tokens=answer_tokens,
            seconds=round(time.monotonic() - started, 3),
            engine=engine.description,
            answered_at=now(),
            control_tokens=broken_up,
        )

    async def _try(self, engine: Engine, text: str, attempt: Attempt) -> tuple[Verdict, int, int]:
        hint, _ = self._control_tokens.broken_up(attempt.hint)  # it may quote an answer
        question = Question(
            system=self._task.system_prompt,
            user=self._task.user_message(text, hint),
            json_schema=self._task.json_schema,
            num_predict=attempt.num_predict,
            seed=attempt.seed,
            temperature=attempt.temperature,
        )
        try:
            reply = await engine.ask(question, attempt.timeout_s)
        except PromptTooLong as error:
            return Verdict(Status.TOO_LONG, detail=str(error)), 0, 0
        except AnswerTimeout:
            self._count_timeout()
            detail = f"no answer in {attempt.timeout_s:g} s"
            return Verdict(Status.TIMEOUT, detail=detail), 0, 0
        except RequestFailed as error:
            await asyncio.sleep(_PAUSE_AFTER_ERROR_S * attempt.number)
            return Verdict(Status.SERVER_ERROR, detail=str(error)), 0, 0
        self._timeouts_in_a_row = 0
        verdict = judge(
            reply,
            self._task.answer_model,
            baseline=engine.baseline,
            num_ctx=self._options.num_ctx,
        )
        return verdict, reply.prompt_tokens, reply.answer_tokens

    def _count_timeout(self) -> None:
        """A server that answers no one any more is as good as dead."""
        self._timeouts_in_a_row += 1
        # More than one note can bring about alone, and more than were in flight together.
        if self._timeouts_in_a_row >= 2 * max(self._slots, self._attempts):
            self._timeouts_in_a_row = 0
            raise EngineGone("no request was answered in time for a while")
