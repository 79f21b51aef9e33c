"""Which number of slots answers most on this kind of GPU, found while texts are answered.

One number after another, doubled each time, with an engine started for each. A step asks texts that
were not asked yet, and what it answers counts, so a sweep costs the starts of its engines alone. It
asks until its steady part, after each slot's first text and before its last, holds enough of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from notemill.answers.classes import tokens_of_bytes
from notemill.answers.classing import Classing
from notemill.answers.evened import Measured, evened
from notemill.answers.outcome import Outcome
from notemill.answers.pool import EngineLost, Text
from notemill.answers.sweep import EVENED_FROM, Step, Sweep, compared, fewest_of_fastest
from notemill.answers.work import Ended, ShardWork
from notemill.clock import now
from notemill.engines.gpu import Power
from notemill.engines.protocol import Engine
from notemill.errors import NotemillError
from notemill.logs import log

_A_GAIN = 1.05
"""A step that does not answer so much more than the best before it gains nothing."""
_TEXTS_A_SLOT = 3
_SHORTEST_S, _LONGEST_S = 1.0, 60.0
"""Of a step's steady part: not shorter, however fast; not longer, if it has EVENED_FROM."""
_NO_MORE_TEXTS = "the shard has no more texts to ask"
_NO_MORE_TIME = "its time was over (pilot.sweep_minutes)"


@dataclass(frozen=True)
class Limits:
    """How far a sweep goes. texts: of a step's steady part; minutes: after which none begins."""

    texts: int
    most_slots: int
    minutes: float


async def sweep(
    work: ShardWork,
    gpu: str,
    limits: Limits,
    *,
    classing: Classing,
    first: int = 1,
    also: int | None = None,
    max_failures: float | None = None,
    after_step: Callable[[], None] = lambda: None,
) -> Sweep:
    """Ask texts of the shard with more and more slots; answers are kept as in any job.

    classing: says which context most texts are to have; the sweep measures with it, and asks texts
    that fit it. also: slots that are measured before all others, and must be had. first: slots that
    the others begin with; halved until an engine can have them. max_failures: as for ShardWork.ask.
    after_step may raise to end the job.
    Raises NotemillError when `also`, or not even one slot, can be had, or for what ends any job.
    """
    deadline = time.monotonic() + 60 * limits.minutes
    measured: list[Measured] = []
    counted: dict[str, int] = {}
    context = classing.main()

    def count(text_sha256: str, outcome: Outcome) -> None:
        if outcome.attempts == 1 and outcome.prompt_tokens:
            # Of several tasks the longest prompt: a class holds a text with all of them.
            most = max(counted.get(text_sha256, 0), outcome.prompt_tokens)
            counted[text_sha256] = most

    async def measure(slots: int, until: float) -> None:
        needed = slots in (1, also)
        texts = work.drawn(classing.fitting(context))
        asked = _Asked(work, texts, context, max_failures, count)
        step = await asked.step(slots, limits.texts, until, needed=needed)
        after_step()
        if step.error and needed:
            raise step.error
        measured.append(step)

    if also:
        await measure(also, math.inf)
    slots = min(first, limits.most_slots)
    ended = "" if classing.fitting(context) else _NO_MORE_TEXTS
    if not limits.minutes:
        ended = "no other was to be tried (pilot.sweep_minutes)"
    while not ended:
        if slots != also:
            await measure(slots, deadline)
        more = bool(classing.fitting(context))
        ended = _why_ended(measured, slots, more, limits, deadline)
        none_yet = all(each.error for each in measured)
        slots = slots // 2 if none_yet else min(2 * slots, limits.most_slots)
    steps = evened(measured)
    done = Sweep(
        gpu=gpu,
        steps=steps,
        best=_best(steps, ended),
        ended=ended,
        measured_at=now(),
        context=context,
        tokens=tokens_of_bytes([(work.sizes[sha], tokens) for sha, tokens in counted.items()]),
    )
    for each in steps:
        log.info("sweep: %s", _told(each))
    if done.best is None:
        log.info("sweep: how many slots answer most on %s can't be told: %s", gpu, ended)
    else:
        log.info(
            "sweep: slots %s, the best of %d measured numbers on %s; it ended because %s",
            done.best,
            sum(not step.why_not for step in steps),
            gpu,
            ended,
        )
    return done


@dataclass(frozen=True)
class _Asked:
    """What a step asks: texts by chance that fit the context, and who is told of their ends."""

    work: ShardWork
    texts: Iterator[Text]
    context: int
    max_failures: float | None
    told: Ended

    async def step(self, slots: int, texts: int, deadline: float, *, needed: bool) -> Measured:
        """Ask with so many slots until enough has ended. needed: a lost engine is started again."""
        work = self.work
        of_all = slots * work.job.servers  # what is measured is the job: its servers share its CPUs
        meter = _Meter(self.texts, of_all, max(texts, _TEXTS_A_SLOT * of_all), deadline)
        power = Power()
        work.ready_s = 0.0

        @asynccontextmanager
        async def start(slots: int, context: int, server: int) -> AsyncIterator[Engine]:
            started = work.engines.started(slots, context, server)
            async with started as engine, power.watched(once=server == 0):
                yield engine

        def ended(text_sha256: str, outcome: Outcome) -> None:
            meter.ended(outcome)
            self.told(text_sha256, outcome)

        problem = None
        try:
            await work.ask(
                iter(meter),
                slots,
                start=start,
                ended=ended,
                restarts=None if needed else 0,
                max_failures=self.max_failures,
                needs_all=not needed,
                context=self.context,
            )
        except NotemillError as error:
            if work.ready_s and not isinstance(error, EngineLost):
                raise
            problem = error
        step = Step(
            slots=slots,
            texts=len(meter.steady),
            tokens=sum(each.prompt_tokens + each.answer_tokens for each in meter.steady),
            seconds=round(meter.seconds, 3),
            ready_s=round(work.ready_s, 1),
            watts=power.mean,
            why_not=problem.what if problem else "",
        )
        return Measured(step, meter.steady, problem)


class _Meter:
    """Gives texts until enough have ended, and keeps those of the steady part."""

    def __init__(self, texts: Iterator[Text], slots: int, enough: int, deadline: float) -> None:
        self._texts = texts
        self._to_fill = slots  # texts that each slot ends first, with what an engine does once
        self._enough = enough
        self._deadline = deadline
        self._began: float | None = None
        self._over = False
        self.steady: list[Outcome] = []
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Text]:
        for text in self._texts:
            if self._has_enough():
                break
            yield text
        self._over = True  # from now on fewer than all slots are busy

    def ended(self, outcome: Outcome) -> None:
        """Count a text that has ended."""
        at = time.monotonic()
        if self._to_fill > 0:
            self._to_fill -= 1
            self._began = at
        elif self._began is not None and not self._over:
            self.steady.append(outcome)
            self.seconds = at - self._began

    def _has_enough(self) -> bool:
        if time.monotonic() >= self._deadline:
            return True
        texts = len(self.steady)
        if self.seconds >= _LONGEST_S and texts >= EVENED_FROM:
            return True
        return texts >= self._enough and self.seconds >= _SHORTEST_S


def _why_ended(
    measured: list[Measured], slots: int, more: bool, limits: Limits, deadline: float
) -> str:
    """Why there is no further step after this number of slots, empty when there is one.

    more: whether there are texts to ask.
    """
    if not more:
        return _NO_MORE_TEXTS
    if time.monotonic() >= deadline:
        return _NO_MORE_TIME
    if all(each.error for each in measured):
        return ""
    for step in (each.step for each in measured if each.error):
        return f"{step.slots} slots can't be had: {step.why_not}"
    if slots >= limits.most_slots:
        return "it was not to try more (pilot.most_slots)"
    up_to_now = [step for step in evened(measured) if step.slots <= slots]
    rates = [step.even_per_s for step in sorted(up_to_now, key=lambda step: step.slots)]
    # Two in a row: one may be chance.
    if len(rates) > 2 and max(rates[-2:]) < _A_GAIN * max(rates[:-2]):
        return "more slots answered no more"
    return ""


def _best(steps: list[Step], ended: str) -> int | None:
    """The fewest of the fastest. None where too little was measured: one slot alone, too."""
    cut_short = ended in (_NO_MORE_TEXTS, _NO_MORE_TIME)
    if cut_short and [step.slots for step in compared(steps)] == [1]:
        return None
    taken = fewest_of_fastest(steps)
    return taken.slots if taken else None


def _told(step: Step) -> str:
    if step.why_not:
        return f"{step.slots} slots can't be had: {step.why_not}"
    watts = f", {step.watts:.0f} W" if step.watts is not None else ""
    return (
        f"slots {step.slots}: {step.texts_per_s:.2f} texts/s ({step.even_per_s:.2f} for average "
        f"texts) over {step.texts} texts and {step.seconds:.1f} s, ready after "
        f"{step.ready_s:.1f} s{watts}"
    )
