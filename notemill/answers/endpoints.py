"""Keeps a server of the asking for each endpoint that is there, those that come later too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from notemill.answers.asking import Asking
from notemill.answers.endpoint import Endpoints, EndpointServer
from notemill.answers.outcome import Outcome
from notemill.answers.server import StaysAway
from notemill.answers.shares import Shares
from notemill.answers.texts import Queue, Text
from notemill.answers.versions import Versions
from notemill.endpoints.known import Known, Seen
from notemill.endpoints.publication import NoFolder
from notemill.errors import EngineRefused, NotemillError
from notemill.logs import log

_LOOK_S = 3.0
_REFUSED_S = 30.0
"""How long a job waits for further endpoints where all that are published are refused."""


@dataclass
class _Member:
    known: Known
    server: EndpointServer
    number: int
    task: asyncio.Task[None]


class Pool:
    """The endpoints of one asking. ended, asked, restarts: as Server has them.

    refused: why endpoints are not asked any more, until they are others.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        queue: Queue,
        *,
        ended: Callable[[Text, Outcome], None],
        asked: Callable[[Asking], None],
        restarts: int,
    ) -> None:
        self._endpoints = endpoints
        self._queue = queue
        self._server = {"ended": ended, "asked": asked, "restarts": restarts}
        self._shares, self._versions = Shares(), Versions()
        self._members: dict[str, _Member] = {}
        self._passed_over: set[str] = set()
        self._numbers = 0
        self._last_ready = time.monotonic()
        self._blind = ""
        self.refused: dict[Known, NotemillError] = {}

    @property
    def ready(self) -> list[EndpointServer]:
        """Those that are asked now."""
        return [each.server for each in self._members.values() if each.server.ready]

    @property
    def size(self) -> int:
        """Endpoints that there are, with those that are away or refused."""
        return len(self._members) + len(self.refused)

    async def run(self) -> None:
        """Ask until all texts have ended.

        Raises NotemillError when no endpoint could be asked for too long, all are refused, or a
        text's end ends the job.
        """
        looking = asyncio.create_task(self._look())
        over = asyncio.create_task(self._queue.until_ended())
        try:
            await asyncio.wait([looking, over], return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                busy = [each.task for each in self._members.values() if each.server.ready]
                if busy:
                    await asyncio.wait(busy)
        finally:
            tasks = [looking, over, *(each.task for each in self._members.values())]
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, StaysAway):
                raise end

    async def _look(self) -> None:
        seen = await self._first_seen()
        self._versions.expect(sum(not known.draining for known in seen.known))
        while True:
            self._take(seen)
            self._refuse_none(seen)
            tasks = [each.task for each in self._members.values()]
            if tasks:
                await asyncio.wait(tasks, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(_LOOK_S)
            self._sort_out()
            seen = await self._seen(seen)

    async def _first_seen(self) -> Seen:
        """What is there at the start: the first server makes the folder, and may come later."""
        try:
            return await asyncio.to_thread(self._endpoints.look)
        except NoFolder as error:
            return Seen([], {error.where or "": error.what})

    async def _seen(self, before: Seen) -> Seen:
        """What is there now; what was there before where one can't look."""
        try:
            seen = await asyncio.to_thread(self._endpoints.look)
        except NotemillError as error:
            if self._blind != error.what:
                log.warning("the endpoints can't be looked for: %s", error)
            self._blind = error.what
            return before
        self._blind = ""
        return seen

    def _take(self, seen: Seen) -> None:
        """Begin with those that have come, and let go of those that are leaving."""
        there = {known.name for known in seen.known}
        for name, member in self._members.items():
            # One that is not renewed in time is asked on as long as it answers.
            if name not in there and not (name in seen.passed_over and member.server.ready):
                self._let_go(member)
        for known in seen.known:
            asked = self._members.get(known.name)
            if asked and (known.draining or known != asked.known):
                self._let_go(asked)
            elif not asked and not known.draining and known not in self.refused:
                self._begin(known)
        for name in seen.passed_over.keys() - self._passed_over:
            log.warning("endpoint %s is passed over: %s", name, seen.passed_over[name])
        self._passed_over = set(seen.passed_over)

    def _begin(self, known: Known) -> None:
        server = EndpointServer(
            self._numbers,
            known,
            self._endpoints,
            self._queue,
            self._shares,
            self._versions,
            **self._server,  # type: ignore[arg-type]
        )
        task = asyncio.create_task(server.serve())
        self._members[known.name] = _Member(known, server, self._numbers, task)
        self._numbers += 1

    def _let_go(self, member: _Member) -> None:
        member.server.leave()
        if not member.server.ready:
            member.task.cancel()

    def _sort_out(self) -> None:
        """Take those out that have left or stay away. Raises what ends the job."""
        for name, member in list(self._members.items()):
            away = time.monotonic() - member.server.last_ready
            if away > self._endpoints.wait_s and not member.server.ready:
                self._queue.give_up(member.number)  # others are the witnesses now
            if not member.task.done():
                continue
            del self._members[name]
            self._queue.give_up(member.number)
            with suppress(asyncio.CancelledError):
                end = member.task.exception()
                if isinstance(end, StaysAway):
                    self.refused[member.known] = end.why
                    log.warning(
                        "endpoint %s is not asked, %d others are: %s",
                        name,
                        len(self.ready),
                        end.why,
                    )
                elif end:
                    raise end

    def _refuse_none(self, seen: Seen) -> None:
        """Raise NotemillError when there is nothing to wait for, or was nothing for too long."""
        now, wait_s = time.monotonic(), self._endpoints.wait_s
        if self.ready:
            self._last_ready = now
            return
        waited = now - self._last_ready
        told = {known.name: why.what for known, why in self.refused.items()}
        told |= {name: each.server.problem for name, each in self._members.items()}
        told |= seen.passed_over
        words = "; ".join(f"{name}: {why}" for name, why in told.items())
        every = bool(seen.known) and all(known in self.refused for known in seen.known)
        if every and waited >= min(_REFUSED_S if seen.may_grow else 0, wait_s):
            mended = all(isinstance(why, EngineRefused) for why in self.refused.values())
            raise (EngineRefused if mended else NotemillError)(
                f"every endpoint is refused: {words}",
                where="engines.*.endpoints",
                remedy=next(iter(self.refused.values())).remedy,
            )
        if waited >= wait_s:
            raise NotemillError(
                f"no endpoint could be asked for {wait_s / 60:g} minutes: "
                + (words or "there is none"),
                where="engines.*.endpoints",
                remedy="start a server (`notemill serve ENGINE`), or mend those that are named; "
                "then run again: answers are in the journal. A longer wait is "
                "engines.*.no_endpoint_minutes",
            )
