"""Servers of one process, from their start until signals, time or idleness end them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from notemill.clock import now
from notemill.config import Engine as EngineConfig
from notemill.endpoints.ending import Ending
from notemill.endpoints.publication import check_private, forget_stale
from notemill.endpoints.serving import Door, Server
from notemill.engines.protocol import Start
from notemill.errors import NotemillError
from notemill.files import Record, private_folder
from notemill.logs import log


@dataclass(frozen=True)
class Wishes:
    """How servers are to live. folder: where they publish themselves; until: their end, None for
    none; idle_s: seconds without a request after which they end, None for never."""

    door: Door
    folder: Path
    until: datetime | None = None
    idle_s: float | None = None


class ServerEnd(Record):
    """How a job's servers ended. why: a signal's name, or words; answered: requests of all."""

    why: str
    answered: int
    ended_at: str


def serve(engine: EngineConfig, starts: Sequence[Start], wishes: Wishes) -> ServerEnd:
    """Serve with a server for each start; returns how they ended.

    Raises NotemillError for what keeps one from starting, and when one was lost for good; the
    others go on to their end.
    """
    private_folder(wishes.folder)
    check_private(wishes.folder)
    forget_stale(wishes.folder)
    return asyncio.run(_serve(engine, starts, wishes))


async def _serve(engine: EngineConfig, starts: Sequence[Start], wishes: Wishes) -> ServerEnd:
    ending = Ending(wishes.until)
    port = wishes.door.port
    servers = [
        Server(
            engine,
            start,
            replace(wishes.door, port=port + start.server if port else 0),
            wishes.folder,
            ending,
            idle_s=wishes.idle_s,
        )
        for start in starts
    ]
    with ending.by_signals_and_time():
        ends = await asyncio.gather(*(_life(each) for each in servers), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    log.info("ended (%s)", ending.why)
    answered = sum(each.guard.answered for each in servers)
    return ServerEnd(why=ending.why, answered=answered, ended_at=now())


async def _life(server: Server) -> None:
    """A server's, its end told at once where others go on."""
    try:
        await server.serve()
    except NotemillError as error:
        log.warning("%s ends: %s", server.name or "a server", error.what)
        raise
    finally:
        guard = server.guard
        if guard.answered or guard.failed:
            log.info("%s: %d answered, %d failed", server.name, guard.answered, guard.failed)
