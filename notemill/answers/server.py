"""One server of a job, from its first start until all texts have ended or it stays away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from notemill.answers.asking import Asked, Asking
from notemill.answers.heard import Heard
from notemill.answers.outcome import Outcome
from notemill.answers.texts import Aside, Queue, Text
from notemill.answers.verdict import Status
from notemill.clock import now
from notemill.engines.protocol import Engine, EngineDraining, EngineGone, NotBegun
from notemill.errors import EngineRefused, NotemillError
from notemill.logs import log

_DEADLY = 2
"""Losses of an engine that is alone with a text: one may be chance."""
_FIRST_PAUSE_S = 5.0
_PAUSE_GROWS = 5
_LONGEST_PAUSE_S = 600.0


class EngineLost(NotemillError):
    """The engine was lost more often in a row than is survived."""


StartEngine = Callable[[], AbstractAsyncContextManager[Engine]]
"""Starts a server, proves it, and ends it on leaving."""


class StaysAway(Exception):
    """A server that does not come back; `why` for the user."""

    def __init__(self, why: NotemillError) -> None:
        super().__init__(why.what)
        self.why = why


class Server:
    """Asks what the queue has, with all slots.

    number: among the job's servers, from 0. ended: told of each asking's end; asked: after each
    asking of a text. restarts: losses in a row, with no text ended here between them, that are
    survived. context: as Heard has it. called: what messages call it. ready: whether its engine has
    started and not ended.
    """

    def __init__(
        self,
        number: int,
        start: StartEngine,
        queue: Queue,
        *,
        ended: Callable[[Text, Outcome], None],
        asked: Callable[[Asking], None],
        slots: int,
        restarts: int,
        context: int | None = None,
        called: str = "the engine",
    ) -> None:
        self._number = number
        self._start = start
        self._queue = queue
        self._ended = ended
        self._asked = asked
        self._slots = slots
        self._restarts = restarts
        self._context = context
        self._called = called
        self.ready = False
        self._was_ready = False
        self._failed_starts = 0
        self._losses_in_a_row = 0

    async def serve(self) -> None:
        """Ask until all texts of all servers have ended.

        Raises StaysAway when it is lost for good, NotemillError for what ends the job.
        """
        while not self._queue.ended:
            await self._one_engine()

    async def _one_engine(self) -> None:
        """Ask until all has ended, or the engine has gone."""
        engine: Heard | None = None
        try:
            async with AsyncExitStack() as life:
                engine = await self._started(life)
                self.ready = self._was_ready = True
                self._failed_starts = 0
                await self._work(engine)
        except EngineGone as loss:
            self._after_loss(loss, talked=engine is not None and engine.words > 0)
        finally:
            self.ready = False

    async def _work(self, engine: Heard) -> None:
        """Ask until all has ended."""
        while not self._over:
            await self._ask_side_by_side(engine)
            await self._try_set_aside(engine)
            if not self._over and self._queue.idle_for(self._number):
                await self._queue.something()

    @property
    def _over(self) -> bool:
        return self._queue.ended

    async def _turn(self) -> bool:
        """Wait until this server may begin a text; whether it may begin any."""
        return True

    def _turn_over(self) -> None:
        """The text that it had a turn for has ended, or there was none."""

    def _heard(self, end: Asked) -> bool:
        """Whether the engine had a word for a text that was asked beside others."""
        return end.heard

    async def _started(self, life: AsyncExitStack) -> Heard:
        """A ready engine. Raises EngineGone when it does not come back."""
        if self._failed_starts and self._was_ready:
            pause = _FIRST_PAUSE_S * _PAUSE_GROWS ** (self._failed_starts - 1)
            await asyncio.sleep(min(pause, _LONGEST_PAUSE_S))
        try:
            engine = await life.enter_async_context(self._start())
        except (EngineGone, NotemillError) as error:
            self._failed_starts += 1
            if isinstance(error, EngineGone | EngineRefused):
                raise
            if not self._was_ready:
                raise StaysAway(error) from error
            raise EngineGone(f"it did not start again: {error.what}") from error
        return Heard(engine, self._context)

    async def _ask_side_by_side(self, engine: Heard) -> None:
        async def worker(number: int) -> None:
            while await self._turn():
                try:
                    if not (text := self._queue.next()):
                        return
                    if number == self._slots and len(text.askings) > 1:
                        # Waiting, it would take the slot of a text that is about to be asked again.
                        self._queue.give_back(text, first=True)
                        return
                    await self._ask(engine, text)
                finally:
                    self._turn_over()

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

    async def _ask(self, engine: Heard, text: Text) -> None:
        """One asking after another; what a loss leaves unasked goes back to the queue at once."""
        left = text.apart
        while left:
            part = left.pop(0)
            (asking,) = part.askings
            try:
                end = await asking.ask(engine, part.text)
            except NotBegun as loss:
                askings = tuple(each.askings[0] for each in (part, *left))
                self._queue.give_back(text._replace(askings=askings), first=True)
                if not isinstance(loss, EngineDraining):
                    raise
                self.leave()
                return
            except BaseException:
                self._queue.put_aside(Aside(part, lost_beside=engine))
                askings = tuple(each.askings[0] for each in left)
                self._queue.give_back(text._replace(askings=askings))
                raise
            self._asked(asking)
            if self._heard(end):
                self._end(part, end.outcome)
            else:
                self._queue.put_aside(Aside(part, unheard={self._number}))
        self._queue.finish()

    async def _try_set_aside(self, engine: Heard) -> None:
        while not self._over and (aside := self._queue.take_aside(self._number)):
            (asking,) = aside.text.askings
            alone = False
            try:
                if not engine.words:
                    await asking.control(engine)
                outcome = _deadly(engine)
                if len(aside.lost_alone) < _DEADLY:
                    alone = True
                    outcome = (await asking.ask(engine, aside.text.text, alone=True)).outcome
                    self._asked(asking)
            except EngineGone as loss:
                alone = alone and not isinstance(loss, NotBegun)
                if alone:
                    aside.lost_alone.append(self._number)
                    self._losses_in_a_row -= 1  # the text's, as far as one knows
                self._queue.put_back(aside, behind=alone)
                raise
            except asyncio.CancelledError:
                self._queue.put_back(aside, behind=True)
                raise
            self._end(aside.text, outcome)
            self._queue.finish()

    def leave(self) -> None:
        """End what is in flight, and begin no more: its server takes nothing new."""

    def _end(self, text: Text, outcome: Outcome) -> None:
        self._losses_in_a_row = 0
        self._ended(text, outcome)

    def _after_loss(self, loss: EngineGone, *, talked: bool) -> None:
        self._losses_in_a_row += 1
        if not talked:
            self._queue.distrust(self._number)
        log.warning(
            "%s is gone (%s); %d texts are set aside and asked again",
            self._called,
            loss,
            self._queue.set_aside,
        )
        if self._losses_in_a_row > self._restarts:
            if isinstance(loss.__cause__, NotemillError):
                raise StaysAway(loss.__cause__) from loss
            raise StaysAway(
                EngineLost(
                    f"{self._called} was lost {self._losses_in_a_row} times without an answer "
                    f"between; the last time: {loss}",
                    where="the engine's log, beside this log",
                    remedy="read the end of the engine's log; out of memory is the usual reason: "
                    "fewer slots, a smaller num_ctx, or a larger mem_mb in the profile",
                )
            ) from loss


def _deadly(engine: Heard) -> Outcome:
    detail = (
        f"the engine was lost {_DEADLY} times with this note alone, which it was not with others"
    )
    return Outcome(
        Status.SERVER_ERROR.value, None, detail, 1, "", 0, 0, 0.0, engine.description, now()
    )
