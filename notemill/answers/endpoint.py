"""One endpoint in a job's asking: a server that others ask too, and that this job can't start."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass

from notemill.answers.asking import Asked, Asking
from notemill.answers.heard import Heard
from notemill.answers.outcome import Outcome
from notemill.answers.server import EngineLost, Server, StaysAway
from notemill.answers.shares import Share, Shares
from notemill.answers.texts import Queue, Text
from notemill.answers.verdict import Status
from notemill.answers.versions import Versions
from notemill.endpoints.known import Known, Seen, endpoints_of
from notemill.endpoints.watch import Watch
from notemill.engines.protocol import Engine, EngineDraining, EngineGone, Question, Reply
from notemill.errors import EngineRefused, NotemillError
from notemill.logs import log
from notemill.tasks.run import Run

_SLOTS = 4
"""Of an address that does not tell, where none are configured."""
_LOOK_S = 2.0
_SILENT_S = 30.0
"""Without a word of how it stands, after which an endpoint is lost: a lost node closes nothing."""
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class Endpoints:
    """Where a job finds endpoints. look: what is there now; start: a proven engine at one, left as
    it is in the end; slots: of one that does not tell; wait_s: how long a job waits for any."""

    look: Callable[[], Seen]
    start: Callable[[Known], AbstractAsyncContextManager[Engine]]
    wait_s: float
    slots: int
    watch: Callable[[Known], Watch] = lambda known: Watch(known.at)


def endpoints_for(
    run: Run, start: Callable[[Known], AbstractAsyncContextManager[Engine]]
) -> Endpoints:
    """Those that a run's engine names."""
    engine, model = run.engine, run.experiment.model
    job = secrets.token_hex(8)
    return Endpoints(
        look=lambda: endpoints_of(engine, model),
        start=start,
        wait_s=60 * engine.no_endpoint_minutes,
        slots=_SLOTS if engine.slots == "auto" else engine.slots,
        watch=lambda known: Watch(known.at, job),
    )


class _HeardThere(Heard):
    """What the endpoint refuses for good ends its part in the job, not the job."""

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        """See Engine."""
        try:
            return await super().ask(question, timeout_s)
        except NotemillError as error:
            raise EngineGone(error.what) from error


class EndpointServer(Server):
    """Asks an endpoint what the queue has, as far as its part of the slots goes.

    problem: why it can't be asked now, empty while it can. The others as Server has them.
    """

    def __init__(
        self,
        number: int,
        known: Known,
        endpoints: Endpoints,
        queue: Queue,
        shares: Shares,
        versions: Versions,
        *,
        ended: Callable[[Text, Outcome], None],
        asked: Callable[[Asking], None],
        restarts: int,
    ) -> None:
        super().__init__(
            number,
            lambda: endpoints.start(known),
            queue,
            ended=ended,
            asked=asked,
            slots=1,
            restarts=restarts,
            called=f"endpoint {known.name}",
        )
        self._known = known
        self._endpoints = endpoints
        self._shares = shares
        self._versions = versions
        self._share = Share(1)
        self._leaving = False
        self._failures = 0
        self._said = False
        self.problem = "it is being proven"
        self.last_ready = time.monotonic()

    @property
    def slots(self) -> int:
        """Requests that the endpoint answers at once, of all jobs."""
        return self._slots

    async def serve(self) -> None:
        """Ask until all texts have ended, or the endpoint takes nothing new. Raises as Server."""
        while not self._over:
            await self._one_engine()

    def leave(self) -> None:
        """See Server."""
        if not self._leaving:
            log.info("%s takes nothing new", self._called)
        self._leaving = self._share.closed = True
        self._shares.ring()
        self._queue.ring()

    @property
    def _over(self) -> bool:
        return self._leaving or self._queue.ended

    async def _started(self, life: AsyncExitStack) -> Heard:
        if self._failures:
            pause = _FIRST_PAUSE_S * 2.0 ** (self._failures - 1)
            await asyncio.sleep(min(pause, _LONGEST_PAUSE_S))
        try:
            engine = await life.enter_async_context(self._endpoints.start(self._known))
            watch = self._endpoints.watch(self._known)
            life.push_async_callback(watch.close)
            standing = await watch.standing()
            self._said = True
            await self._versions.admit(self._known.name, engine.description)
        except EngineRefused as refusal:
            raise StaysAway(refusal) from refusal
        except NotemillError as error:
            raise EngineGone(error.what) from None
        finally:
            if not self._said:
                self._said = True
                self._versions.failed()
        if standing and standing.state == "draining":
            raise EngineDraining("it takes nothing new")
        self._watch, self._guarded = watch, standing is not None
        self._slots = self._known.slots or (standing.slots if standing else self._endpoints.slots)
        self._share = Share(self._slots)
        self._share.closed = self._leaving
        if standing:
            self._share.begin(standing.in_flight)
        if self._failures or self.problem == _GONE:
            log.info("%s is back", self._called)
        self.problem = ""
        self._queue.join(self._number)
        return _HeardThere(engine)

    async def _work(self, engine: Heard) -> None:
        """Ask until all has ended, it takes nothing new, or it is silent."""
        async with self._shares.open(self._share):
            both = [
                asyncio.create_task(super()._work(engine)),
                asyncio.create_task(self._look_after_it()),
            ]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in both:
                    each.cancel()
                ends = await asyncio.gather(*both, return_exceptions=True)
                self.last_ready = time.monotonic()
        for end in ends:
            if isinstance(end, Exception):
                if isinstance(end, EngineGone) and not end.__cause__ and await self._vanished():
                    self._queue.give_back_lost(engine)
                raise end

    async def _vanished(self) -> bool:
        """Whether the guard went with its engine, or was ending: most likely no text's doing."""
        if not self._guarded:
            return False
        try:
            standing = await self._watch.standing()
        except EngineGone:
            return True
        return standing is not None and standing.state == "draining"

    async def _look_after_it(self) -> None:
        heard = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_S)
            own = self._share.own
            try:
                standing = await self._watch.standing()
            except EngineGone as loss:
                silent = time.monotonic() - heard
                if silent >= _SILENT_S:
                    raise EngineGone(f"no word for {silent:.0f} s, {loss}") from None
                continue
            heard = time.monotonic()
            if standing and standing.state == "draining":
                self.leave()
            elif standing:
                self._share.look(standing.in_flight, own, standing.jobs)
                self._shares.ring()

    async def _turn(self) -> bool:
        await self._shares.turn(self._share)
        if self._leaving:
            self._shares.over(self._share)
        return not self._leaving

    def _turn_over(self) -> None:
        self._shares.over(self._share)

    def _heard(self, end: Asked) -> bool:
        # It may have waited behind what others ask; alone it does not.
        return end.heard and end.outcome.status != Status.TIMEOUT

    async def _try_set_aside(self, engine: Heard) -> None:
        engine.alone = self._guarded  # another has no turns
        try:
            await super()._try_set_aside(engine)
        finally:
            engine.alone = False

    def _end(self, text: Text, outcome: Outcome) -> None:
        self._failures = 0
        super()._end(text, outcome)

    def _after_loss(self, loss: EngineGone, *, talked: bool) -> None:
        if isinstance(loss, EngineDraining):
            self.leave()
            return
        cause: BaseException | None = loss.__cause__
        if isinstance(cause, NotemillError):
            raise StaysAway(cause) from loss
        was_asked = not self.problem
        if self.problem != str(loss):
            log.warning(
                "%s %s (%s); %d texts are set aside and asked again",
                self._called,
                "is gone and cools down" if was_asked else "can't be asked now",
                loss,
                self._queue.set_aside,
            )
        self.problem = str(loss) or _GONE
        self._failures += 1
        if not was_asked:
            return
        self._losses_in_a_row += 1
        if not talked:
            self._queue.distrust(self._number)
        if self._losses_in_a_row > self._restarts:
            raise StaysAway(
                EngineLost(
                    f"it was lost {self._losses_in_a_row} times without an answer between",
                    where=self._known.where,
                    remedy="read the end of its engine's log, where it was started; out of memory "
                    "is the usual reason: fewer slots, or a smaller num_ctx",
                )
            ) from loss


_GONE = "it is gone"
