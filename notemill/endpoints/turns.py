"""Whose turn it is at a server that answers many side by side, and now and then one alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Requests side by side, and now and then one alone, for which those that come later wait."""

    def __init__(self) -> None:
        self._gate = asyncio.Lock()
        self._none = asyncio.Event()
        self._none.set()
        self._now = 0

    @asynccontextmanager
    async def taken(self, *, alone: bool) -> AsyncIterator[None]:
        """A request's turn, while within."""
        if alone:
            async with self._gate:
                await self._none.wait()
                yield
            return
        async with self._gate:
            self._now += 1
            self._none.clear()
        try:
            yield
        finally:
            self._now -= 1
            if not self._now:
                self._none.set()
