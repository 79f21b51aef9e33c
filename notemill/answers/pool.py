"""Asks an engine about every text of a shard: all slots busy, every text ended exactly once.

A text may have several askings: they are put to one engine back to back, and each ends for itself.

Infrastructure never becomes data. The engine's words about a text (an answer, a wrong answer, "too
long") end it. Without a word there is no verdict, but these steps:

1. Side by side, all texts. One that got a server error in its last attempt, or a timeout while the
   engine talked to no one else, is set aside; so are those in flight when the engine is lost.
2. When all have been asked (or many wait), those set aside are tried, one at a time, by an engine
   that has talked since its start. Now a text without a word ends with what it met: the engine had
   a word for another question after each of its attempts (notemill.answers.asking). A text with
   which alone the engine was lost goes behind the others; lost again, it ends as deadly once the
   next engine talks.
3. An engine is lost when it closes the connection, or has no word for any question. It is started
   again, `restarts` times without a text ended between. A start that fails counts too; where an
   engine was ready before, with longer and longer pauses, for an address may be down for minutes.
   Then the job fails: what failed is recorded nowhere, answers are in the journal.

A cancellation (SIGTERM) at any point ends the engine and leaves.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import NamedTuple

from notemill.answers.asking import Asking
from notemill.answers.heard import Heard
from notemill.answers.outcome import Outcome
from notemill.answers.verdict import Status
from notemill.clock import now
from notemill.engines.protocol import Engine, EngineGone
from notemill.errors import EngineRefused, NotemillError
from notemill.logs import log
from notemill.progress import EVERY_S, Progress

_MOST_SET_ASIDE = 100
_DEADLY = 2
"""Losses of an engine that is alone with a text: one may be chance."""
_FIRST_PAUSE_S = 5.0
_PAUSE_GROWS = 5
_LONGEST_PAUSE_S = 600.0


class EngineLost(NotemillError):
    """The engine was lost more often in a row than is survived."""


class Text(NamedTuple):
    """A text, and who asks about it: one after another, on one engine, so that it keeps the text.

    text_sha256: in hex.
    """

    text_sha256: str
    text: str
    askings: tuple[Asking, ...]

    @property
    def apart(self) -> list[Text]:
        """The same for each asking alone, in their order."""
        return [self._replace(askings=(asking,)) for asking in self.askings]


Ended = Callable[[Asking, str, Outcome], None]
"""Of a text (hash) that ended for one who asked about it; may raise to end the job."""
StartEngine = Callable[[], AbstractAsyncContextManager[Engine]]
"""Starts a server, proves it, and ends it on leaving."""


class ShardAsking:
    """One shard's asking. `ended` is called once for each text and asking, when it has ended.

    asked: called after each asking of a text; beat: called every few seconds.
    restarts: losses of the engine in a row, with no text ended between them, that are survived.
    """

    def __init__(
        self,
        ended: Ended,
        progress: Progress,
        *,
        asked: Callable[[Asking], None],
        beat: Callable[[], None],
        slots: int,
        restarts: int,
    ) -> None:
        self._ended = ended
        self._progress = progress
        self._asked = asked
        self._beat = beat
        self._slots = slots
        self._restarts = restarts
        self._not_begun: deque[Text] = deque()  # before those that are still to come
        self._in_flight: list[Text] = []
        self._set_aside: list[Text] = []  # for one asking each, as those in flight
        self._lost_alone: Counter[Text] = Counter()  # engines by the text that was alone with them
        self._all_begun = False
        self._was_ready = False
        self._failed_starts = 0
        self._losses_in_a_row = 0

    async def run(self, texts: Iterator[Text], start_engine: StartEngine) -> None:
        """Ask about all texts. Raises NotemillError when too many fail or the engine stays away."""
        ticker = asyncio.create_task(self._tick())
        try:
            while not await self._one_engine(texts, start_engine):
                pass
        finally:
            ticker.cancel()
            await asyncio.gather(ticker, return_exceptions=True)
        log.info(self._progress.line())

    async def _one_engine(self, texts: Iterator[Text], start_engine: StartEngine) -> bool:
        """Ask until all has ended; False if the engine has gone before."""
        engine: Heard | None = None
        try:
            async with AsyncExitStack() as life:
                engine = await self._started(life, start_engine)
                while not self._all_begun or self._set_aside:
                    await self._ask_side_by_side(engine, texts)
                    await self._try_set_aside(engine)
        except EngineGone as loss:
            self._after_loss(loss, talked=engine is not None and engine.words > 0)
            return False
        return True

    async def _started(self, life: AsyncExitStack, start_engine: StartEngine) -> Heard:
        """A ready engine. Raises EngineGone when it does not come back."""
        if self._failed_starts and self._was_ready:
            pause = _FIRST_PAUSE_S * _PAUSE_GROWS ** (self._failed_starts - 1)
            await asyncio.sleep(min(pause, _LONGEST_PAUSE_S))
        try:
            engine = await life.enter_async_context(start_engine())
        except (EngineGone, NotemillError) as error:
            self._failed_starts += 1
            lasting = isinstance(error, EngineRefused) or not self._was_ready
            if isinstance(error, EngineGone) or lasting:
                raise
            raise EngineGone(f"it did not start again: {error.what}") from error
        self._was_ready = True
        self._failed_starts = 0
        return Heard(engine)

    async def _ask_side_by_side(self, engine: Heard, texts: Iterator[Text]) -> None:
        async def worker(number: int) -> None:
            while len(self._set_aside) < _MOST_SET_ASIDE:
                if (text := self._next(texts)) is None:
                    self._all_begun = True
                    return
                if number == self._slots and len(text.askings) > 1:
                    # Waiting, it would take the slot of a text that is about to be asked again.
                    self._not_begun.appendleft(text)
                    return
                await self._ask(engine, text)

        # One more than the slots, so that a freed slot finds its next note waiting.
        workers = [asyncio.create_task(worker(each)) for each in range(self._slots + 1)]
        try:
            # No TaskGroup: over a worker's error it forgets a cancellation that comes with it,
            # and SIGTERM comes to the engine and to this job at once.
            await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for each in workers:
                each.cancel()
            ends = await asyncio.gather(*workers, return_exceptions=True)
        if errors := [end for end in ends if isinstance(end, Exception)]:
            # A loss is the least of them: it can be mended by a new start.
            raise min(errors, key=lambda error: isinstance(error, EngineGone))

    def _next(self, texts: Iterator[Text]) -> Text | None:
        return self._not_begun.popleft() if self._not_begun else next(texts, None)

    async def _ask(self, engine: Heard, text: Text) -> None:
        """One asking after another; what an error leaves unasked goes back to the others."""
        left = deque(text.apart)
        try:
            while left:
                await self._ask_one(engine, left.popleft())
        finally:
            if left:
                askings = tuple(part.askings[0] for part in left)
                self._not_begun.append(text._replace(askings=askings))
                self._all_begun = False

    async def _ask_one(self, engine: Heard, text: Text) -> None:
        (asking,) = text.askings
        self._in_flight.append(text)
        end = await asking.ask(engine, text.text)
        self._in_flight.remove(text)
        self._asked(asking)
        if end.heard:
            self._end(text, end.outcome)
        else:
            self._set_aside.append(text)

    async def _try_set_aside(self, engine: Heard) -> None:
        while self._set_aside:
            text = self._set_aside[0]
            (asking,) = text.askings
            if not engine.words:
                await asking.control(engine)
            outcome = _deadly(engine)
            if self._lost_alone[text] < _DEADLY:
                try:
                    outcome = (await asking.ask(engine, text.text)).outcome
                except EngineGone:
                    self._lost_alone[text] += 1
                    self._losses_in_a_row -= 1  # the text's, as far as one knows
                    self._set_aside.append(self._set_aside.pop(0))
                    raise
                self._asked(asking)
            self._set_aside.pop(0)
            self._end(text, outcome)

    def _end(self, text: Text, outcome: Outcome) -> None:
        failed = outcome.status != Status.ANSWERED
        self._losses_in_a_row = 0
        self._progress.add(failed=failed, tokens=outcome.prompt_tokens + outcome.answer_tokens)
        self._ended(text.askings[0], text.text_sha256, outcome)

    def _after_loss(self, loss: EngineGone, *, talked: bool) -> None:
        self._losses_in_a_row += 1
        self._set_aside += self._in_flight
        self._in_flight.clear()
        if not talked:
            self._lost_alone.clear()  # this engine was lost on its own, and so perhaps were those
        log.warning(
            "the engine is gone (%s); %d texts are set aside and asked again",
            loss,
            len(self._set_aside),
        )
        if self._losses_in_a_row > self._restarts:
            if isinstance(loss.__cause__, NotemillError):
                raise loss.__cause__
            raise EngineLost(
                f"the engine was lost {self._losses_in_a_row} times without an answer between",
                where="the engine's log, beside this log",
                remedy="read the end of the engine's log; out of memory is the usual reason: "
                "fewer slots, a smaller num_ctx, or a larger mem_mb in the profile",
            )

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            self._progress.line_if_due()
            self._beat()


def _deadly(engine: Heard) -> Outcome:
    detail = (
        f"the engine was lost {_DEADLY} times with this note alone, which it was not with others"
    )
    return Outcome(
        Status.SERVER_ERROR.value, None, detail, 1, "", 0, 0, 0.0, engine.description, now()
    )
