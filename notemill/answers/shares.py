"""Which endpoint the next text goes to, and how jobs that share endpoints come to equal parts.

The endpoint with the smallest share of its slots in use is taken: this job's own requests, and
what the endpoint told of others'. How many a job may have at one is its allowance. While slots are
free it grows by a step with each look. Where all is full a job that has more than an equal part, by
the number of jobs that the endpoint told of, takes no more, and one that has less grows on; what is
too much then is given back by each that has more, in proportion.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_STEPS = 8
"""Looks in which an allowance can grow from nothing to all slots."""


class Share:
    """This job's part of an endpoint. slots: its own; own: this job's requests there; others: those
    of others at the last look; waiting: workers that would take a text; closed: whether it takes
    no more."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.own = self.others = self.waiting = 0
        self.closed = False
        self.allowance = float(self.most)

    @property
    def most(self) -> int:
        """Requests that this job has there at most: with one more than slots none waits for it."""
        return self.slots + 1

    @property
    def in_use(self) -> float:
        """The share of its slots that are in use."""
        return (self.own + self.others) / self.slots

    @property
    def has_room(self) -> bool:
        """Whether this job may have another request there."""
        return self.own < max(int(self.allowance), 0)

    def begin(self, in_flight: int) -> None:
        """The first look: take what is free, and at least a request's place."""
        self.others = in_flight
        self.allowance = float(min(max(self.most - in_flight, 1), self.most))

    def look(self, in_flight: int, own: int, jobs: int) -> None:
        """A further look. in_flight, jobs: what the endpoint told; own: this job's when it was
        asked."""
        self.others = max(in_flight - own, 0)
        equal = self.most / jobs
        wanted = self.allowance
        if own + 1 >= self.allowance:
            wanted += max(self.slots / _STEPS, 1.0)
        if in_flight > self.most:
            less = max(self.allowance * self.most / in_flight, 0.5)
            self.allowance = max(less, min(wanted, equal))
        elif in_flight < self.most or own <= equal:
            self.allowance = min(wanted, float(self.most))


class Shares:
    """The shares of all endpoints that are asked now."""

    def __init__(self) -> None:
        self._shares: list[Share] = []
        self._changed = asyncio.Event()

    def ring(self) -> None:
        """Let all who wait for a turn look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def open(self, share: Share) -> AsyncIterator[None]:
        """Take part while within."""
        self._shares.append(share)
        self.ring()
        try:
            yield
        finally:
            self._shares.remove(share)
            self.ring()

    async def turn(self, share: Share) -> None:
        """Wait until the next text is this endpoint's, and count it as its own."""
        share.waiting += 1
        try:
            while not (share.closed or self._is_next(share)):
                await self._changed.wait()
        finally:
            share.waiting -= 1
        share.own += 1
        self.ring()

    def over(self, share: Share) -> None:
        """One of its own has ended."""
        share.own -= 1
        self.ring()

    def _is_next(self, share: Share) -> bool:
        able = [each for each in self._shares if each.waiting and not each.closed]
        ready = [each for each in able if each.has_room]
        if not ready and not any(each.own for each in self._shares):
            # However full all are: a job that has nothing anywhere asks one.
            ready = able
        return share in ready and share.in_use <= min(each.in_use for each in ready)
