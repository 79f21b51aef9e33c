"""How a server ended that has read notes: its status, and known phrases of its log alone.

Its words may quote a note.
"""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from notemill.engines.process import ServerProcess
from notemill.engines.protocol import EngineGone

_ENDS_S = 1.0
"""Until a process that closed its connections is gone."""
_PHRASES = (
    "out of memory",
    "signal: killed",  # what Ollama says of a runner that the kernel killed for its memory
    "CUDA error",
    "HIP error",
    "ROCm error",
    "device lost",
    "fallen off the bus",
    "no CUDA-capable device",
    "unspecified launch failure",
    "illegal memory access",
    "segmentation fault",
    "SIGSEGV",
    "GGML_ASSERT",
    "panic:",
    "bus error",
    "no space left on device",
    "too many open files",
)
"""All that is told of what it wrote."""


@asynccontextmanager
async def last_words(server: ServerProcess) -> AsyncIterator[None]:
    """Around a server's work: a loss of it is told with how its process ended."""
    try:
        yield
    except EngineGone as loss:
        raise type(loss)(f"{loss}; {await _ended(server)}") from loss.__cause__


async def _ended(server: ServerProcess) -> str:
    deadline = time.monotonic() + _ENDS_S
    while server.alive and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    status = server.exit_status
    if status is None:
        how = "its process runs on"
    elif status < 0:
        how = f"its process was ended by {_signal(-status)}"
    else:
        how = f"its process ended with status {status}"
    said = [words for words in _PHRASES if re.search(re.escape(words), server.output(), re.I)]
    return how + (f", its log says: {', '.join(said)}" if said else "")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
