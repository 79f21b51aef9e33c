"""A server's life: proven, guarded, published, renewed; drained and withdrawn before it ends."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from notemill.config import Engine as EngineConfig
from notemill.counts import OwnMetrics
from notemill.endpoints.door import Door, reach
from notemill.endpoints.ending import Ending
from notemill.endpoints.gpus import held_gpus
from notemill.endpoints.guard import About, Guard
from notemill.endpoints.passage import Upstream
from notemill.endpoints.publication import (
    RENEW_S,
    Endpoint,
    publish,
    renewed,
    withdraw,
)
from notemill.endpoints.silence import Silence
from notemill.engines.client import Client
from notemill.engines.kinds import proven_engine
from notemill.engines.protocol import Engine, EngineGone, Start
from notemill.errors import EngineRefused, NotemillError
from notemill.logs import log

_TICK_S = 1.0
_LOOKED_AFTER_S = 3.0
"""After its last answer that a draining server stays: clients look at the model once they have an
answer, and ask elsewhere what they can't be sure of."""
_FIRST_PAUSE_S = 5.0
_PAUSE_GROWS = 5
_LONGEST_PAUSE_S = 600.0


class ServerLost(NotemillError):
    """The engine was lost more often in a row than is survived."""


class Server:
    """One engine behind one guard, with one endpoint in the folder while it is proven and ready.

    idle_s: seconds without a request, while it could be asked. watched: shows others how it stands,
    while it lives. restarts: of its engine; own: what that tells of itself.
    """

    def __init__(
        self,
        engine: EngineConfig,
        start: Start,
        door: Door,
        folder: Path,
        ending: Ending,
        *,
        watched: Watched = lambda _: nullcontext(),
    ) -> None:
        self._engine = engine
        self._start = start
        self._door = door
        self._folder = folder
        self._ending = ending
        self.idle_s = 0.0
        self._token = door.token or secrets.token_urlsafe(32)
        self._tls = door.tls()
        self._look = asyncio.Event()
        self._ready = False
        self._began = datetime.now(UTC)
        self.guard = Guard(self._token, speaks_openai=engine.speaks_openai, lost=self._look.set)
        self._published = False
        self._watched = watched
        self.name = ""
        self.restarts = 0
        self.own: dict[int, OwnMetrics] = {}

    @property
    def model(self) -> str:
        """The model's name."""
        return self._start.record.model

    @property
    def until(self) -> datetime | None:
        """When it will end at the latest."""
        return self._ending.until

    async def serve(self) -> None:
        """Serve until the ending. Raises NotemillError when the engine does not come, or is lost
        more often than it is restarted."""
        place = self._door.bound()
        self._port = place.getsockname()[1]
        job = os.environ.get("SLURM_JOB_ID") or str(os.getpid())
        self.name = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{platform.node()}.{job}.{self._port}")
        devices = self._start.shared.devices
        with place, held_gpus(self._engine, devices) as self._gpus, self._watched(self):
            async with self.guard.listening(place, self._tls.context if self._tls else None):
                life = asyncio.create_task(self._live())
                begun = asyncio.create_task(self._ending.begun.wait())
                try:
                    await asyncio.wait([life, begun], return_when=asyncio.FIRST_COMPLETED)
                    if self._ready or life.done():
                        await life
                finally:
                    begun.cancel()
                    life.cancel()  # if it is only starting, no one waits for it
                    await asyncio.gather(life, begun, return_exceptions=True)

    async def _live(self) -> None:
        """One engine after another, until the ending."""
        losses = failed_starts = 0
        while not self._ending.begun.is_set():
            answered = self.guard.answered
            self._ready = False
            try:
                if losses and failed_starts:
                    pause = _FIRST_PAUSE_S * _PAUSE_GROWS ** (failed_starts - 1)
                    await asyncio.sleep(min(pause, _LONGEST_PAUSE_S))
                failed_starts += 1
                async with proven_engine(self._engine, self._start) as engine:
                    failed_starts, self._ready = 0, True
                    await self._answer(engine)
            except (EngineGone, NotemillError) as error:
                if self._ending.begun.is_set() and self._ready:
                    return  # Slurm ends the engine beside us
                if isinstance(error, EngineRefused) or not (losses or self._ready):
                    raise
                losses = 1 if self.guard.answered > answered else losses + 1
                self.restarts += 1
                self._refuse_more(losses, error)
                log.warning("the engine is gone (%s); it is started again", _told(error))
            finally:
                self.guard.state = "starting"
                self.own.clear()
                self._withdraw()

    def _refuse_more(self, losses: int, error: Exception) -> None:
        if losses <= self._engine.restarts:
            return
        if isinstance(error, NotemillError):
            raise error
        raise ServerLost(
            f"the engine was lost {losses} times without an answer between",
            where=str(self._start.shared.log),
            remedy="read the end of the engine's log; out of memory is the usual reason: fewer "
            "slots, a smaller num_ctx, or a larger mem_mb",
        ) from error

    async def _answer(self, engine: Engine) -> None:
        """Let clients come, until the ending. Raises EngineGone when the engine is lost."""
        assert isinstance(engine, Client)
        address = urlsplit(engine.address)
        record = self._start.record
        about = About(engine.description, record.model, record.digest, self._start.slots)
        self.guard.stands_before(
            Upstream(f"{address.scheme}://{address.netloc}", engine.key), about
        )
        if engine.own_metrics:
            self.own[0] = engine.own_metrics
        endpoint = self._endpoint(engine)
        await reach(endpoint, self._token)
        until = f", until {self._ending.until:%Y-%m-%d %H:%M} UTC" if self._ending.until else ""
        log.info("published as %s: %s%s", self.name, endpoint.address, until)
        silence = Silence(self.guard, 2 * self._engine.answer_timeout_s)
        renew_at = 0.0
        loop = asyncio.get_running_loop()
        while not self._ending.begun.is_set():
            if loop.time() >= renew_at:
                endpoint = self._publish(endpoint)
                renew_at = loop.time() + RENEW_S
            await silence.look(_TICK_S)
            self.idle_s = silence.idle_s
            await self._tick()
        await self._drain(endpoint, silence)

    async def _tick(self) -> None:
        """Wait a moment, shorter where the ending begins or the guard saw a connection closed."""
        waits = [asyncio.create_task(each.wait()) for each in (self._ending.begun, self._look)]
        await asyncio.wait(waits, timeout=_TICK_S, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        self._look.clear()

    async def _drain(self, endpoint: Endpoint, silence: Silence) -> None:
        """Take nothing new, and let what is in flight end while there is time."""
        self.guard.state = "draining"
        endpoint = endpoint.model_copy(update={"state": "draining"})
        left = self.guard.in_flight
        log.info("draining (%s): %d requests in flight", self._ending.why, left)
        ticks = 0
        while self.guard.quiet_s < _LOOKED_AFTER_S and not self._ending.past:
            if ticks % int(RENEW_S / _TICK_S) == 0:
                endpoint = self._publish(endpoint)
            ticks += 1
            await silence.look(_TICK_S)
            await asyncio.sleep(_TICK_S / 10 if ticks < 20 else _TICK_S)
        if self.guard.in_flight:
            log.warning("%d requests are cut off: time is up", self.guard.in_flight)

    def _endpoint(self, engine: Client) -> Endpoint:
        start, now = self._start, datetime.now(UTC)
        job = os.environ.get("SLURM_JOB_ID")
        return Endpoint(
            scheme="https" if self._tls else "http",
            host=self._door.host,
            port=self._port,
            node=platform.node(),
            certificate=self._tls.sha256 if self._tls else "",
            kind=self._engine.kind,
            engine=engine.description,
            model=start.record.model,
            digest=start.record.digest,
            slots=start.slots,
            context=start.options.num_ctx,
            gpus=self._gpus,
            job=f"Slurm job {job}" if job else f"process {os.getpid()}",
            started=self._began,
            renewed=now,
            expires=now,
        )

    def _publish(self, endpoint: Endpoint) -> Endpoint:
        endpoint = renewed(endpoint, self._ending.until)
        try:
            publish(self._folder, self.name, endpoint, self._token)
        except NotemillError as error:
            if not self._published:
                raise
            log.warning("can't renew: %s", error)  # a file system may be away for a moment
        self._published = True
        return endpoint

    def _withdraw(self) -> None:
        try:
            withdraw(self._folder, self.name)
        except NotemillError as error:
            log.warning("can't take %s out: %s; it expires by itself", self.name, error.what)


def _told(error: Exception) -> str:
    return error.what if isinstance(error, NotemillError) else str(error)


Watched = Callable[[Server], AbstractContextManager[object]]
"""Shows others how a server stands, while it lives within it."""
