"""One look for all who need one that began after they asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

_PART = 4
"""A pause is so many times as long as the look before it, so that looks are a fifth of the time."""
_LONGEST_PAUSE_S = 1.0


class Looks:
    """Looks that are shared: one at a time, however many ask for one. look: may raise."""

    def __init__(self, look: Callable[[], Awaitable[None]]) -> None:
        self._look = look
        self._one = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pause_s = 0.0

    async def since_now(self) -> None:
        """Return when a look that begins after this call has ended. Raises what it raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._begun())
            self._tasks.add(self._next)
            self._next.add_done_callback(self._over)
        await asyncio.shield(self._next)  # others wait for it too

    async def close(self) -> None:
        """End the looks that nobody waits for any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begun(self) -> None:
        async with self._one:
            await asyncio.sleep(self._pause_s)
            self._next = None  # who comes now needs the one after this
            now = asyncio.get_running_loop().time
            began = now()
            try:
                await self._look()
            finally:
                self._pause_s = min(_PART * (now() - began), _LONGEST_PAUSE_S)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # of which all who waited may have gone
