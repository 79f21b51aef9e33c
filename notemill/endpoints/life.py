"""Servers of one process, from their start until signals, time or idleness end them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from notemill.clock import now
from notemill.config import Engine as EngineConfig
from notemill.endpoints.door import Door
from notemill.endpoints.ending import Ending
from notemill.endpoints.limits import DRAIN
from notemill.endpoints.publication import check_private, forget_stale
from notemill.endpoints.serving import Server, Watched
from notemill.engines.protocol import Start
from notemill.errors import NotemillError
from notemill.files import Record, private_folder
from notemill.logs import log

_LOOK_S = 1.0


@dataclass(frozen=True)
class Wishes:
    """How servers are to live. folder: where they publish themselves; until: their end, None for
    none; drain: how long before it they take nothing new; idle_s: seconds without a request after
    which they end, None for never; watched: as Server has it."""

    door: Door
    folder: Path
    until: datetime | None = None
    drain: timedelta = DRAIN
    idle_s: float | None = None
    watched: Watched = lambda _: nullcontext()


class ServerEnd(Record):
    """How a job's servers ended. why: a signal's name, or words; answered: requests of all."""

    why: str
    answered: int
    ended_at: str


def prepare(folder: Path) -> None:
    """Make the folder of endpoints, or see that it is closed to others. Raises NotemillError."""
    private_folder(folder)
    check_private(folder)
    forget_stale(folder)


def serve(engine: EngineConfig, starts: Sequence[Start], wishes: Wishes) -> ServerEnd:
    """Serve with a server for each start; returns how they ended.

    Raises NotemillError for what keeps one from starting, and when one was lost for good; the
    others go on to their end.
    """
    return asyncio.run(_serve(engine, starts, wishes))


async def _serve(engine: EngineConfig, starts: Sequence[Start], wishes: Wishes) -> ServerEnd:
    ending = Ending(wishes.until, wishes.drain)
    port = wishes.door.port
    servers = [
        Server(
            engine,
            start,
            replace(wishes.door, port=port + start.server if port else 0),
            wishes.folder,
            ending,
            watched=wishes.watched,
        )
        for start in starts
    ]
    with ending.by_signals_and_time():
        idling = asyncio.create_task(_end_idle(servers, ending, wishes.idle_s))
        ends = await asyncio.gather(*(_life(each) for each in servers), return_exceptions=True)
        idling.cancel()
        await asyncio.gather(idling, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    log.info("ended (%s)", ending.why)
    answered = sum(each.guard.answered for each in servers)
    return ServerEnd(why=ending.why, answered=answered, ended_at=now())


async def _end_idle(servers: Sequence[Server], ending: Ending, idle_s: float | None) -> None:
    """Begin the ending once nobody has asked any of the servers for so long."""
    while idle_s is not None:
        await asyncio.sleep(_LOOK_S)
        if all(each.idle_s > idle_s for each in servers):
            ending.begin(f"no request for {idle_s / 60:g} minutes")
            return


async def _life(server: Server) -> None:
    """A server's, its end told at once where others go on."""
    try:
        await server.serve()
    except NotemillError as error:
        log.warning("%s ends: %s", server.name or "a server", error.what)
        raise
    finally:
        server.idle_s = math.inf
        guard = server.guard
        if guard.answered or guard.failed:
            log.info("%s: %d answered, %d failed", server.name, guard.answered, guard.failed)
