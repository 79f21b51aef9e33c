"""Whether the engine behind a guard still answers, and whether anyone asks it."""

from __future__ import annotations

from notemill.endpoints.guard import Guard
from notemill.engines.protocol import EngineGone


class Silence:
    """How long there has been no word. patience_s: seconds of requests in flight without one that
    are borne; idle_s: seconds without a request."""

    def __init__(self, guard: Guard, patience_s: float) -> None:
        self._guard = guard
        self._patience_s = patience_s
        self._words, self._silent_s, self.idle_s = guard.passage.words, 0.0, 0.0

    async def look(self, since_s: float) -> None:
        """Look, `since_s` after the last time. Raises EngineGone."""
        guard = self._guard
        if guard.passage.words != self._words or guard.in_flight:
            self.idle_s = 0.0
        else:
            self.idle_s += since_s
        if guard.passage.words != self._words:
            self._words, self._silent_s = guard.passage.words, 0.0
        elif guard.in_flight:
            self._silent_s += since_s
        if self._silent_s > self._patience_s:
            raise EngineGone(f"it had no word for any request in {self._silent_s:.0f} s")
        await guard.passage.reach()
