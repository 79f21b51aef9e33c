"""Asks an engine about one text, up to some attempts, each changing what made the last one fail.

An attempt that the engine left without a word (a server error, no reply in time) says nothing of
the text unless the engine talks to others. So before the next attempt it must have had a word for
another text, or for a control question, about no one's note; if it has none, it counts as gone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from notemill.answers.attempts import Attempt, first_attempt, next_attempt
from notemill.answers.heard import Heard
from notemill.answers.outcome import Outcome
from notemill.answers.verdict import Status, Verdict, judge
from notemill.clock import now
from notemill.config import Options
from notemill.engines.control_tokens import OF_ANY_MODEL, ControlTokens
from notemill.engines.protocol import (
    AnswerTimeout,
    End,
    EngineGone,
    NotBegun,
    PromptTooLong,
    Question,
    Reply,
    RequestFailed,
)
from notemill.engines.record import ModelRecord
from notemill.tasks.run import Run
from notemill.tasks.task import Task

_PAUSE_AFTER_ERROR_S = 1.0
_CONTROL_NOTE = "No further information."
_CONTROL_TRIES = 5
_BEYOND = Verdict(Status.TOO_LONG, detail="beyond the context of its class")
"""Seen by no one: the text is asked with a longer context (notemill.answers.pool)."""
_LARGEST_COUNT = 2**31 - 1
"""Of the columns for tokens; an engine may say anything."""


@dataclass(frozen=True)
class Asked:
    """How one asking of a text ended.

    heard: False when the engine had no word about the text, though it talks to others: ask again.
    """

    outcome: Outcome
    heard: bool


class Asking:
    """One task's asking of one text after another, with the experiment's options.

    timeout_s: seconds for a first request. spend_tokens: told the tokens of each reply.
    control_tokens: the model's, broken up in each text.
    """

    def __init__(
        self,
        task: Task,
        options: Options,
        *,
        attempts: int,
        timeout_s: float,
        spend_tokens: Callable[[int], None],
        control_tokens: ControlTokens = OF_ANY_MODEL,
    ) -> None:
        self._task = task
        self._options = options
        self._attempts = attempts
        self._timeout_s = timeout_s
        self._spend_tokens = spend_tokens
        self._control_tokens = control_tokens

    @classmethod
    def of_run(cls, run: Run, model: ModelRecord, spend_tokens: Callable[[int], None]) -> Self:
        """A run's asking of this model, as configured."""
        return cls(
            run.task,
            run.experiment.options,
            attempts=run.experiment.attempts,
            timeout_s=run.engine.answer_timeout_s,
            spend_tokens=spend_tokens,
            control_tokens=ControlTokens(model.control_tokens),
        )

    async def ask(self, engine: Heard, text: str) -> Asked:
        """How the text ends. Raises EngineGone, and NotemillError for what ends the job."""
        started = time.monotonic()
        # Broken up last, so that no number of a sentence makes one whole again.
        text, broken_up = self._control_tokens.broken_up(self._task.as_sent(text))
        attempt: Attempt | None = first_attempt(self._options, self._timeout_s)
        while attempt is not None:
            last = attempt
            verdict, prompt_tokens, answer_tokens, heard = await self._try(engine, text, attempt)
            attempt = None
            if verdict.status is not Status.ANSWERED and last.number < self._attempts:
                attempt = next_attempt(
                    last, verdict, prompt_tokens=prompt_tokens, num_ctx=self._options.num_ctx
                )
            if attempt and engine.context and prompt_tokens + attempt.num_predict > engine.context:
                verdict, attempt = _BEYOND, None
        outcome = Outcome(
            status=verdict.status.value,
            answer=verdict.answer,
            detail=verdict.detail,
            attempts=last.number,
            changes=last.changes,
            prompt_tokens=_counted(prompt_tokens),
            answer_tokens=_counted(answer_tokens),
            seconds=round(time.monotonic() - started, 3),
            engine=engine.description,
            answered_at=now(),
            control_tokens=broken_up,
        )
        return Asked(outcome, heard)

    async def control(self, engine: Heard) -> None:
        """A question about no one's note, for a word of any kind. Raises EngineGone without one."""
        attempt = first_attempt(self._options, self._timeout_s)
        for number in range(1, _CONTROL_TRIES + 1):
            try:
                await self._request(engine, _CONTROL_NOTE, attempt)
                return
            except PromptTooLong:
                return
            except AnswerTimeout:
                break
            except RequestFailed:
                await asyncio.sleep(_PAUSE_AFTER_ERROR_S * number)
        raise EngineGone("it has had no word for any question for a while")

    async def _try(
        self, engine: Heard, text: str, attempt: Attempt
    ) -> tuple[Verdict, int, int, bool]:
        """One attempt: its verdict, tokens of prompt and answer, whether the engine had a word."""
        words = engine.words
        try:
            reply = await self._request(engine, text, attempt)
        except PromptTooLong as error:
            return Verdict(Status.TOO_LONG, detail=str(error)), 0, 0, True
        except AnswerTimeout:
            talked_to_others = engine.words > words
            await self._check(engine, engine.words)
            detail = f"no answer in {attempt.timeout_s:g} s"
            return Verdict(Status.TIMEOUT, detail=detail), 0, 0, talked_to_others
        except RequestFailed as error:
            words = engine.words
            await asyncio.sleep(_PAUSE_AFTER_ERROR_S * attempt.number)
            await self._check(engine, words)
            return Verdict(Status.SERVER_ERROR, detail=str(error)), 0, 0, False
        if _ran_into_context(engine.context, reply, attempt):
            return _BEYOND, reply.prompt_tokens, reply.answer_tokens, True
        verdict = judge(
            reply,
            self._task.answer_model,
            baseline=engine.baseline(self._task.name),
            num_ctx=self._options.num_ctx,
        )
        return verdict, reply.prompt_tokens, reply.answer_tokens, True

    async def _request(self, engine: Heard, text: str, attempt: Attempt) -> Reply:
        hint, _ = self._control_tokens.broken_up(attempt.hint)  # it may quote an answer
        question = Question(
            system=self._task.system_message,
            user=self._task.user_message(text, hint),
            json_schema=self._task.json_schema,
            num_predict=attempt.num_predict,
            seed=attempt.seed,
            temperature=attempt.temperature,
            task=self._task.name,
        )
        reply = await engine.ask(question, attempt.timeout_s)
        self._spend_tokens(_counted(reply.prompt_tokens) + _counted(reply.answer_tokens))
        return reply

    async def _check(self, engine: Heard, words: int) -> None:
        """Make sure that the engine talks: it has since `words` were counted, or does now."""
        async with engine.one_control:
            if engine.words == words:
                try:
                    await self.control(engine)
                except NotBegun as loss:  # but the text was
                    raise EngineGone(str(loss)) from None


def _ran_into_context(context: int | None, reply: Reply, attempt: Attempt) -> bool:
    """Whether a context that is shorter than the experiment's may have ended the answer."""
    if context is None:
        return False
    cut = reply.end is End.LENGTH and reply.answer_tokens < attempt.num_predict
    return cut or reply.prompt_tokens + reply.answer_tokens >= context


def _counted(tokens: int) -> int:
    return min(max(tokens, 0), _LARGEST_COUNT)
