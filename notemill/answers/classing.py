"""How a job goes through its classes of length (notemill.answers.classes): plan, and asking.

What a text needs is an estimate from its bytes. One that does not fit its class after all is asked
from the start in the next, so the class is in no outcome, and a job that is killed may go on with
other classes.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import cached_property

from notemill.answers.classes import (
    LengthClass,
    Needs,
    contexts_below,
    main_context,
    most_of,
    planned,
    tokens_of_bytes,
)
from notemill.answers.pool import EngineLost
from notemill.answers.sweep import Sweep, TokensOfBytes, unmeasured_rate
from notemill.answers.work import ShardWork
from notemill.errors import EngineRefused, NotemillError
from notemill.logs import log
from notemill.tasks.task import Task

WITHOUT_A_MEASURE = 4
"""Slots where nothing could be measured: a small shard needs no more, and most GPUs hold them."""
_READY_S = 60.0
"""Of an engine's start, before one was seen."""
_COUNTED = 30
"""Answers of the shard from which its own prompts say what its texts need."""
_BYTES_A_TOKEN = 3.0
"""Rather few, before any prompt was counted: a text that is asked too early costs a refusal."""
_TEMPLATE = 64
"""Tokens of a chat's template, before any prompt was counted."""
BY_CONTEXT = ("minicpm", "minicpm3", "phi3", "phimoe")
"""Architectures whose positions llama.cpp scales by the context of a slot: answers depend on it."""


class Classing:
    """A shard's classes. sweep: what was measured on this kind of GPU, None for nothing yet."""

    def __init__(self, work: ShardWork, sweep: Sweep | None) -> None:
        self._work = work
        self._run = work.job.run
        self._sweep = sweep
        self._num_ctx = self._run.experiment.options.num_ctx

    @cached_property
    def contexts(self) -> list[int]:
        """Contexts below num_ctx to choose from, ascending; none where there is one class."""
        engine, options = self._run.engine, self._run.experiment.options
        if not engine.computes_here:
            return []
        if self._work.record.details.get("architecture", "") in BY_CONTEXT:
            return []
        if isinstance(engine.classes, list):
            return [context for context in engine.classes if context < options.num_ctx]
        if engine.classes == "off" or not engine.sizes_slots_alike:
            return []
        least = math.ceil(self.tokens.around) + 2 * options.num_predict
        return contexts_below(options.num_ctx, least)

    @cached_property
    def tokens(self) -> TokensOfBytes:
        """What texts need, as this shard's prompts, or the sweep's, or only characters tell.

        Of several tasks as the one needs that takes most.
        """
        asked = [work for work in self._work.together if work.left()] or [self._work]
        own = [self._counted(work) for work in asked]
        if None not in own:
            return most_of([each for each in own if each])
        if self._sweep and self._sweep.tokens:
            return self._sweep.tokens
        prompts = max(_prompts(work.job.run.task) for work in asked)
        return TokensOfBytes(
            around=prompts / _BYTES_A_TOKEN + _TEMPLATE, per_byte=1 / _BYTES_A_TOKEN
        )

    def _counted(self, work: ShardWork) -> TokensOfBytes | None:
        """What texts took by the journal, None for too few."""
        sizes = self._work.sizes
        counted = [
            (sizes[sha], outcome.prompt_tokens)
            for sha, outcome in work.journal.answers.items()
            if sha in sizes and outcome.attempts == 1 and outcome.prompt_tokens
        ]
        return tokens_of_bytes(counted) if len(counted) >= _COUNTED else None

    def fitting(self, context: int, among: Collection[str] | None = None) -> set[str]:
        """Texts that are to be asked with such a context or a shorter one.

        among: by default those that are missing.
        """
        texts = self._work.missing() if among is None else set(among)
        if context >= self._num_ctx:
            return texts
        num_predict = self._run.experiment.options.num_predict
        sizes, beyond = self._work.sizes, self._work.beyond
        return {
            sha
            for sha in texts
            if self.tokens.needed(sizes[sha], num_predict) <= context
            and beyond.get(sha, 0) < context
        }

    def slots_at(self, context: int) -> int:
        """Slots of an engine with such a context.

        A configured number is what memory holds at num_ctx, so that a shorter context has more.
        """
        configured, sweep = self._run.engine.slots, self._sweep
        if configured == "auto":
            best = sweep.slots_at(context, self._num_ctx) if sweep else None
            return best or WITHOUT_A_MEASURE
        most = self._run.experiment.pilot.most_slots
        if sweep and sweep.best and not sweep.held_by_memory:
            most = min(most, sweep.best)
        return max(configured, min(configured * self._num_ctx // context, most))

    def main(self) -> int:
        """The context that most of the work is to have; what a sweep measures with."""
        return main_context(self._needs(self._work.missing()), self.contexts, self._num_ctx)

    def plan(self, among: Collection[str] | None = None) -> list[LengthClass]:
        """The classes, ascending; the last one has num_ctx, and texts only if others leave any.

        among: the texts to ask, by default those that are missing.
        """
        num_ctx, contexts = self._num_ctx, self.contexts
        if isinstance(self._run.engine.classes, list):
            return [LengthClass(each, self.slots_at(each)) for each in (*contexts, num_ctx)]
        sweep = self._sweep
        told = sweep and sweep.best
        ready_s = max((step.ready_s for step in sweep.steps), default=0.0) if sweep else 0.0
        return planned(
            self._needs(self._work.missing() if among is None else among),
            contexts if told or self._run.engine.slots != "auto" else [],
            num_ctx,
            slots_at=self.slots_at,
            rate=sweep.rate if sweep and told else unmeasured_rate,
            ready_s=ready_s or _READY_S,
        )

    def _needs(self, texts: Collection[str]) -> Needs:
        sizes = (self._work.sizes[sha] for sha in texts) if self.contexts else ()
        return Needs.of(sizes, self.tokens, self._run.experiment.options.num_predict)

    async def ask(
        self,
        plan: list[LengthClass],
        among: Collection[str] | None = None,
        *,
        max_failures: float | None = None,
    ) -> None:
        """Ask the missing texts, those `among` these alone, class by class.

        Raises as ShardWork.ask does.
        """
        for each in plan:
            chosen = self.fitting(each.context)
            if among is not None:
                chosen.intersection_update(among)
            if chosen:
                if len(plan) > 1:
                    log.info(
                        "%d texts with %d tokens of context and %d slots",
                        len(chosen),
                        each.context,
                        each.slots,
                    )
                await self._ask_class(each, plan[-1], chosen, max_failures)

    async def _ask_class(
        self,
        each: LengthClass,
        last: LengthClass,
        chosen: set[str],
        max_failures: float | None,
    ) -> None:
        """Ask a class. One but the last that can't be had gets fewer slots, or its texts wait."""
        work, slots = self._work, each.slots
        while slots and (left := chosen & self.fitting(each.context)):
            work.ready_s = 0.0
            try:
                await work.ask(
                    work.texts(left),
                    slots,
                    context=each.context,
                    max_failures=max_failures,
                )
            except NotemillError as error:
                if each is last or (work.ready_s and not isinstance(error, EngineLost)):
                    raise
                fewer = 0 if isinstance(error, EngineRefused) else slots // 2
                slots = fewer if fewer >= last.slots else 0
                log.warning(
                    "%s; %s",
                    error.what,
                    f"{slots} slots are tried" if slots else "its texts wait for the next class",
                )
            else:
                return


def _prompts(task: Task) -> int:
    """Bytes of a task's prompts."""
    return len((task.system_message + task.user_message("")).encode())
