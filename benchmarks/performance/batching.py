"""One model server as a model of its service times: slots, continuous batching, a cache a slot.

Time is a fluid: between two events (a request comes, a prompt has been read, an answer is written)
everything goes on at a constant rate, so a request costs a few events however long it is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from benchmarks.performance.gpus import ANSWER_TOKENS, CHARACTERS_A_TOKEN, CHUNK, Speed

_NOTHING = 1e-9


@dataclass(eq=False)
class _Request:
    prompt: str
    tokens: int
    most: int
    answered: asyncio.Future[int]
    slot: _Slot | None = None
    cached: int = 0
    unread: float = 0
    unwritten: float = 0


@dataclass(eq=False)
class _Slot:
    prompt: str = ""
    request: _Request | None = None
    used: float = 0


@dataclass
class Stats:
    """Prompt tokens that were read and that a slot still had."""

    read: int = 0
    cached: int = 0
    answered: int = 0


class Batching:
    """A server's slots. scale: seconds of the GPU that pass in one second of the clock."""

    def __init__(self, speed: Speed, slots: int, scale: float) -> None:
        self.stats = Stats()
        self._speed = speed
        self._scale = scale
        self._slots = [_Slot() for _ in range(slots)]
        self._waiting: deque[_Request] = deque()
        self._reading: deque[_Request] = deque()
        self._writing: list[_Request] = []
        self._at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def answer(self, prompt: str, most: int) -> int:
        """Wait as long as the GPU takes; returns the answer's tokens, `most` at most."""
        loop = asyncio.get_running_loop()
        request = _Request(prompt, tokens_of(prompt), most, loop.create_future())
        self._advance()
        self._waiting.append(request)
        self._admit()
        self._wait()
        try:
            return await request.answered
        except asyncio.CancelledError:
            self._drop(request)
            raise

    def _drop(self, request: _Request) -> None:
        """The client has left; its slot is free at once, and keeps what it had read."""
        self._advance()
        for queue in (self._waiting, self._reading, self._writing):
            if request in queue:
                queue.remove(request)
        if request.slot:
            request.slot.request = None
        self._admit()
        self._wait()

    def _admit(self) -> None:
        while self._waiting and (free := [slot for slot in self._slots if slot.request is None]):
            request = self._waiting.popleft()
            common = [_common(slot.prompt, request.prompt) for slot in free]
            best = max(common)
            # As llama.cpp: the slot with the longest common prefix, else the one longest unused.
            same = [slot for slot, each in zip(free, common, strict=True) if each == best]
            slot = min(same, key=lambda slot: slot.used)
            request.cached = min(best // CHARACTERS_A_TOKEN, request.tokens - 1)
            request.unread = request.tokens - request.cached
            request.unwritten = min(request.most, ANSWER_TOKENS)
            request.slot, slot.request, slot.prompt = slot, request, request.prompt
            self.stats.read += int(request.unread)
            self.stats.cached += request.cached
            self._reading.append(request)

    def _rates(self) -> tuple[float, float]:
        """Tokens a second of the GPU: of the prompt being read, and of each answer."""
        step = self._speed.step_s(len(self._writing), sum(map(_context, self._writing)))
        if not self._reading:
            return 0.0, 1 / step if step else 0.0
        head = self._reading[0]
        tokens = min(CHUNK, head.tokens - head.cached)
        took = self._speed.read_s(tokens, (head.tokens + head.cached) / 2) + step
        return tokens / took, 1 / took

    def _advance(self) -> None:
        """Bring everything to this moment."""
        now = asyncio.get_running_loop().time() * self._scale
        left, self._at = now - self._at, now
        while left > 0 and (self._reading or self._writing):
            read, written = self._rates()
            ends = [each.unwritten / written for each in self._writing]
            if self._reading:
                ends.append(self._reading[0].unread / read)
            passes = min(left, *ends)
            left -= passes
            if self._reading:
                self._reading[0].unread -= passes * read
            for each in self._writing:
                each.unwritten -= passes * written
            self._settle(now - left)
            self._admit()

    def _settle(self, now: float) -> None:
        if self._reading and self._reading[0].unread <= _NOTHING:
            self._writing.append(self._reading.popleft())
        for each in [each for each in self._writing if each.unwritten <= _NOTHING]:
            self._writing.remove(each)
            assert each.slot
            each.slot.request, each.slot.used = None, now
            self.stats.answered += 1
            if not each.answered.done():
                each.answered.set_result(min(each.most, ANSWER_TOKENS))

    def _wait(self) -> None:
        """Come back when the next thing happens."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        read, written = self._rates()
        ends = [each.unwritten / written for each in self._writing]
        if self._reading:
            ends.append(self._reading[0].unread / read)
        if ends:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(min(ends), 0) / self._scale + 1e-6, self._due)

    def _due(self) -> None:
        self._advance()
        self._wait()


def tokens_of(prompt: str) -> int:
    """Tokens of a prompt."""
    return -(-len(prompt) // CHARACTERS_A_TOKEN)


def _context(request: _Request) -> float:
    return request.tokens + ANSWER_TOKENS - request.unwritten


def _common(one: str, other: str) -> int:
    """Characters that both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[:middle]):
            low = middle
        else:
            high = middle - 1
    return low
