"""A GPU as a model of its time and memory: prefill by compute, decode by bandwidth, slots by room.

An engine reads prompts in chunks beside the answers that are being written, as continuous batching
does: a step takes the chunk's tokens times 2 operations a weight at half the dense peak, and the
weights and all that the slots hold of the context, read once at 0.8 of the bandwidth. A slot's
cached prompt (the system prompt) is not read again. It runs on a clock of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from notemill.engines.protocol import End, PromptTooLong, Question, Reply
from notemill.errors import NotemillError
from tests.unit.conftest import ANSWER

BYTES_A_TOKEN = 4.2
"""Of English notes with Llama 3's vocabulary, about."""
PROMPTS = 300
"""Tokens of the system prompt and what stands around a note."""
_CHUNK = 512
_COMPUTE_SHARE, _BANDWIDTH_SHARE, _MEMORY_SHARE = 0.5, 0.8, 0.92


@dataclass(frozen=True)
class Hardware:
    """flops: dense BF16 a second; bandwidth: bytes a second; memory: bytes."""

    flops: float
    bandwidth: float
    memory: float


@dataclass(frozen=True)
class Model:
    """weights, context_token: bytes; parameters: each is two operations a token."""

    weights: float
    parameters: float
    context_token: float


L40S = Hardware(362e12, 0.864e12, 48e9)
LLAMA_8B_F16 = Model(16.06e9, 8.03e9, 128 * 1024)
LLAMA_8B_Q4 = Model(4.92e9, 8.03e9, 128 * 1024)


@dataclass
class _Request:
    prompt: int
    answer: int
    done: asyncio.Event
    left_to_read: int
    written: int = 0


@dataclass
class Gpu:
    """What a job's engines run on. answer: mean tokens of an answer; ready_s: of a start."""

    hardware: Hardware
    model: Model
    answer: int
    ready_s: float = 30.0
    starts: list[tuple[int, int]] = field(default_factory=list)

    def slots(self, context: int) -> int:
        """The most slots with so much context that the memory holds."""
        room = _MEMORY_SHARE * self.hardware.memory - self.model.weights
        return int(room / (context * self.model.context_token))

    @asynccontextmanager
    async def started(self, slots: int, context: int) -> AsyncIterator[_Engine]:
        self.starts.append((slots, context))
        await asyncio.sleep(self.ready_s)
        if slots > self.slots(context):
            raise NotemillError("the model is not wholly on the GPU", remedy="fewer slots")
        engine = _Engine(self, slots, context)
        running = asyncio.create_task(engine.run())
        try:
            yield engine
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


class _Engine:
    description = "model of a GPU"

    def __init__(self, gpu: Gpu, slots: int, context: int) -> None:
        self._gpu = gpu
        self._context = context
        self._free = asyncio.Semaphore(slots)
        self._busy: list[_Request] = []
        self._something = asyncio.Event()

    def baseline(self, task: str) -> int:
        return PROMPTS - 1

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        text = question.user.rpartition("\n")[2].encode()
        read = int(len(text) / BYTES_A_TOKEN) + 1
        if PROMPTS + read >= self._context:
            raise PromptTooLong("longer than the context")
        # From half to one and a half of the mean, by the text.
        chance = hashlib.sha256(text).digest()[-1] / 255
        wanted = int(self._gpu.answer * (0.5 + chance))
        room = min(question.num_predict, self._context - PROMPTS - read)
        async with self._free:
            request = _Request(PROMPTS + read, min(wanted, room), asyncio.Event(), read)
            self._busy.append(request)
            self._something.set()
            await request.done.wait()
        end = End.STOP if wanted <= room else End.LENGTH
        return Reply(ANSWER, end, request.prompt, request.answer)

    async def run(self) -> None:
        """Step after step, as long as it lives."""
        while True:
            if not self._busy:
                self._something.clear()
                await self._something.wait()
            await asyncio.sleep(self._step())
            for request in [each for each in self._busy if each.written >= each.answer]:
                self._busy.remove(request)
                request.done.set()

    def _step(self) -> float:
        """Read a chunk, write a token of each that was read; seconds that it takes."""
        left, held = _CHUNK, 0
        for request in self._busy:
            if request.left_to_read:
                part = min(left, request.left_to_read)
                request.left_to_read -= part
                left -= part
            else:
                request.written += 1
            held += request.prompt - request.left_to_read + request.written
        hardware, model = self._gpu.hardware, self._gpu.model
        computed = 2 * model.parameters * (_CHUNK - left) / (_COMPUTE_SHARE * hardware.flops)
        moved = model.weights + held * model.context_token
        return computed + moved / (_BANDWIDTH_SHARE * hardware.bandwidth)
