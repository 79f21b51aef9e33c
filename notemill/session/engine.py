"""One engine for a whole session: lent to one asking after another, ended with the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from notemill.answers.pool import StartEngine
from notemill.engines.protocol import Engine
from notemill.logs import log, unexpected


class KeptEngine:
    """Starts an engine when it is first asked for, and again after it was lost.

    It lives in a task of its own: no asking that is interrupted, at whatever point, interrupts its
    start or its end. lost: whether one was lost, or did not start.
    """

    def __init__(self, start: StartEngine) -> None:
        self._start = start
        self._life: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Engine]
        self._leave: asyncio.Event
        self.lost = False

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Engine]:
        """A ready engine, for one asking; ended if the asking ends in an error, such as its loss.

        Raises what the start does.
        """
        if self._life and (self._life.done() or self._leave.is_set()):
            await self.end()  # one that was interrupted, or a start that failed unseen
        if self._life is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._leave = asyncio.Event()
            self._life = asyncio.create_task(self._live())
        try:
            yield await asyncio.shield(self._ready)
        except Exception:  # not a cancellation
            self.lost = True
            await self.end()
            raise

    async def end(self) -> None:
        """End it if there is one; returns when it has ended."""
        if (life := self._life) is None:
            return
        if self._ready.done():
            self._leave.set()
        elif not life.cancelling():  # twice would interrupt its own tidying up
            life.cancel()
        await asyncio.shield(asyncio.wait([life]))
        self._life = None
        if not life.cancelled() and isinstance(error := life.exception(), Exception):
            log.warning("the engine did not end as it should: %s", unexpected(error))

    async def _live(self) -> None:
        try:
            async with self._start() as engine:
                self._ready.set_result(engine)
                await self._leave.wait()
        except BaseException as error:
            if self._ready.done():
                raise
            if isinstance(error, Exception):
                self._ready.set_exception(error)
                self._ready.exception()  # seen, should the asking have gone meanwhile
            else:
                self._ready.cancel()
                raise
