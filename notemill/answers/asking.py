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
from notemill.counts import INTERRUPTED, Counts
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
from notemill.tasks.note_first import MARKS
from notemill.tasks.run import Run
from notemill.tasks.task import Task

_OF_THE_LAYOUT = ControlTokens(MARKS)
_LONGEST_TOKEN = 256
"""Characters, of any vocabulary. What is longer than a context of such tokens is not sent: an
engine reads megabytes for long before it refuses them."""
_PAUSE_AFTER_ERROR_S = 1.0
"""Before the second attempt; each later pause is longer by as much."""
_ERRORS_ALONE = 6
"""At least, before a server's failures are an end. Whatever kills runners one after another has
15 s of pauses and five loads of the model to be over; a text that kills them costs that, once."""
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
    control_tokens: the model's, broken up in each text; with them the layout's own marks. counts:
    where requests and retries are counted.
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
        counts: Counts | None = None,
    ) -> None:
        self._task = task
        self._options = options
        self._attempts = attempts
        self._timeout_s = timeout_s
        self._spend_tokens = spend_tokens
        self._control_tokens = control_tokens
        self._counts = counts or Counts()

    @classmethod
    def of_run(
        cls,
        run: Run,
        model: ModelRecord,
        spend_tokens: Callable[[int], None],
        counts: Counts | None = None,
    ) -> Self:
        """A run's asking of this model, as configured."""
        return cls(
            run.task,
            run.experiment.options,
            attempts=run.experiment.attempts,
            timeout_s=run.engine.answer_timeout_s,
            spend_tokens=spend_tokens,
            control_tokens=ControlTokens(model.control_tokens),
            counts=counts,
        )

    async def ask(self, engine: Heard, text: str, *, alone: bool = False) -> Asked:
        """How the text ends. Raises EngineGone, and NotemillError for what ends the job.

        alone: whether the engine does nothing else, and what it fails at is the text's end.
        """
        started = time.monotonic()
        # Broken up last, so that no number of a sentence makes one whole again.
        text, broken_up = self._broken_up(self._task.as_sent(text))
        attempt: Attempt | None = first_attempt(self._options, self._timeout_s)
        errors = 0
        while attempt is not None:
            last = attempt
            try:
                verdict, prompt_tokens, answer_tokens, heard = await self._try(
                    engine, text, attempt
                )
            except (EngineGone, asyncio.CancelledError) as loss:
                self._counts.retries[INTERRUPTED] += not isinstance(loss, NotBegun)
                raise
            attempt = None
            errors += (is_error := verdict.status is Status.SERVER_ERROR)
            # A server's failures are no tries of the note: they may not make another end of it.
            tries = errors if is_error else last.number - errors
            most = self._attempts
            if alone and is_error and not heard:
                most = max(most, _ERRORS_ALONE)
            if verdict.status is not Status.ANSWERED and tries < most:
                attempt = next_attempt(
                    last, verdict, prompt_tokens=prompt_tokens, num_ctx=self._options.num_ctx
                )
            if attempt and engine.context and prompt_tokens + attempt.num_predict > engine.context:
                verdict, attempt = _BEYOND, None
            if attempt:
                self._counts.retries[verdict.status.value] += 1
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
        if len(text) > _LONGEST_TOKEN * self._options.num_ctx:
            detail = f"{len(text)} characters, more than {self._options.num_ctx} tokens can be"
            return Verdict(Status.TOO_LONG, detail=detail), 0, 0, True
        words = engine.words
        try:
            reply = await self._request(engine, text, attempt)
        except PromptTooLong as error:
            return Verdict(Status.TOO_LONG, detail=str(error)), 0, 0, True
        except AnswerTimeout:
            talked_to_others = engine.words > words
            detail = f"no answer in {attempt.timeout_s:g} s"
            engine.failed(detail)
            await self._check(engine, engine.words)
            return Verdict(Status.TIMEOUT, detail=detail), 0, 0, talked_to_others
        except RequestFailed as error:
            words = engine.words
            engine.failed(str(error))
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
        hint, _ = self._broken_up(attempt.hint)  # it may quote an answer
        question = Question(
            system=self._task.system_message,
            user=self._task.user_message(text, hint),
            json_schema=self._task.json_schema,
            num_predict=attempt.num_predict,
            seed=attempt.seed,
            temperature=attempt.temperature,
            task=self._task.name,
        )
        reply = await self._timed(engine, question, attempt.timeout_s)
        prompt_tokens, answer_tokens = _counted(reply.prompt_tokens), _counted(reply.answer_tokens)
        self._counts.prompt_tokens += prompt_tokens
        self._counts.answer_tokens += answer_tokens
        self._spend_tokens(prompt_tokens + answer_tokens)
        return reply

    def _broken_up(self, text: str) -> tuple[str, int]:
        """The text without what ends the note's place in the prompt, and how many were in it."""
        marks = 0
        if self._task.note_first:
            text, marks = _OF_THE_LAYOUT.broken_up(text)
        text, tokens = self._control_tokens.broken_up(text)
        return text, marks + tokens

    async def _timed(self, engine: Heard, question: Question, timeout_s: float) -> Reply:
        """The reply; its seconds are counted however the request ends, but by cancellation."""
        counts, began = self._counts, time.monotonic()
        counts.in_flight += 1
        try:
            reply = await engine.ask(question, timeout_s)
        except Exception:
            counts.requests.add(time.monotonic() - began)
            raise
        finally:
            counts.in_flight -= 1
        counts.requests.add(time.monotonic() - began)
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
