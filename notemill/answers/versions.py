"""One version for the answers of a job: that of most of its endpoints."""

from __future__ import annotations

import asyncio
from collections import Counter

from notemill.errors import EngineRefused

_WAIT_S = 10.0
"""For the other endpoints that were there at the start, once one is proven."""


class Versions:
    """Admits endpoints of one version. expected: those that are being proven at the start."""

    def __init__(self) -> None:
        self._left = 0
        self._seen: Counter[str] = Counter()
        self._all_said = asyncio.Event()
        self.taken = ""

    def expect(self, endpoints: int) -> None:
        """So many are proven now, before any version is taken."""
        self._left = endpoints

    def failed(self) -> None:
        """One of them will say nothing."""
        self._left -= 1
        if self._left <= 0:
            self._all_said.set()

    async def admit(self, name: str, version: str) -> None:
        """Raise EngineRefused unless it has the version that this job's answers come from."""
        if not self.taken:
            self._seen[version] += 1
            self.failed()
            try:
                async with asyncio.timeout(_WAIT_S):
                    await self._all_said.wait()
            except TimeoutError:
                pass
            self.taken = self.taken or self._seen.most_common(1)[0][0]
        if version != self.taken:
            raise EngineRefused(
                f"it is {version}, and this job's answers come from {self.taken}, which most "
                "endpoints were when it began",
                where=name,
                remedy="let all endpoints of an engine have one version; or end the others: a job "
                "that begins afterwards takes this one",
            )
