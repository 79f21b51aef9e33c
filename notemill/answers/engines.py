"""The engines that a shard's work asks: started for it, or at endpoints, and proven."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from notemill.answers.endpoint import Endpoints, endpoints_for
from notemill.answers.shard_job import ShardJob
from notemill.counts import Counts
from notemill.endpoints.known import Known
from notemill.endpoints.proven import proven_at
from notemill.engines.client import Client
from notemill.engines.kinds import proven_engine
from notemill.engines.protocol import Engine, EngineDraining, EngineGone, Start
from notemill.engines.record import ModelRecord
from notemill.tasks.task import Task

StartWith = Callable[[int, int, int], AbstractAsyncContextManager[Engine]]
"""Starts an engine with so many slots of so many tokens, as the server of this number."""


class Engines:
    """Starts them for one job, and counts those that were lost.

    beside: the tasks that are asked beside the job's own; ready: told of each that is proven, and
    when (monotonic clock) it began to start.
    """

    def __init__(
        self,
        job: ShardJob,
        record: ModelRecord,
        beside: Callable[[], tuple[Task, ...]],
        counts: Counts,
        ready: Callable[[Engine, float], None],
    ) -> None:
        self._job = job
        self._record = record
        self._beside = beside
        self._counts = counts
        self._ready = ready
        self._lost: set[str] = set()

    @asynccontextmanager
    async def started(self, slots: int, context: int, server: int = 0) -> AsyncIterator[Engine]:
        """A proven engine with so many slots of so many tokens: the server of this number."""
        began, start = time.monotonic(), self._start(slots, context, server)
        async with self._life(str(server)), proven_engine(self._job.run.engine, start) as engine:
            self._ready(engine, began)
            if isinstance(engine, Client) and engine.own_metrics:
                self._counts.own[server] = engine.own_metrics
            try:
                yield engine
            finally:
                self._counts.own.pop(server, None)

    @asynccontextmanager
    async def _at(self, known: Known) -> AsyncIterator[Engine]:
        """A proven engine at an endpoint."""
        run, began = self._job.run, time.monotonic()
        start = self._start(known.slots or 1, run.experiment.options.num_ctx, 0)
        async with proven_at(run.engine, start, known) as engine:
            # A pool's one may be away for hours, and is counted once it is back.
            async with self._life(known.name):
                self._ready(engine, began)
                yield engine

    @property
    def endpoints(self) -> Endpoints:
        """Where they live on, and how one of them is had, proven."""
        return endpoints_for(self._job.run, self._at)

    def _start(self, slots: int, context: int, server: int) -> Start:
        job, run = self._job, self._job.run
        return Start(
            run.task,
            run.experiment.options.model_copy(update={"num_ctx": context}),
            self._record,
            job.engine_log,
            job.threads,
            slots,
            beside=self._beside(),
            server=server,
            servers=job.servers,
        )

    @asynccontextmanager
    async def _life(self, server: str) -> AsyncIterator[None]:
        """Of a server's engine: one that was lost before is counted as started again."""
        self._counts.restarts += server in self._lost
        try:
            yield
            self._lost.discard(server)
        except EngineDraining:
            raise
        except EngineGone:
            self._lost.add(server)
            raise
