"""The one door to the engines: what a model is, and a server that is proven, of every kind."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from notemill.config import Engine as EngineConfig
from notemill.config import LlamaCppEngine, OllamaEngine, OpenAiEngine
from notemill.engines.llamacpp.server import proven_llamacpp
from notemill.engines.ollama.model import record_ollama
from notemill.engines.ollama.server import proven_ollama, proven_ollama_at
from notemill.engines.ollama.store import parts_of
from notemill.engines.openai.server import proven_openai, proven_openai_at
from notemill.engines.protocol import At, Engine, Start
from notemill.engines.record import ModelRecord
from notemill.engines.staging import Part, staged
from notemill.engines.weights import record_weights
from notemill.logs import log


class _Kind(NamedTuple):
    record: Callable[[Any, str, Path], ModelRecord]
    proven: Callable[[Any, Start], AbstractAsyncContextManager[Engine]]
    proven_at: Callable[[Any, Start, At], AbstractAsyncContextManager[Engine]]


def _of_a_file(engine: OpenAiEngine | LlamaCppEngine, name: str, _: Path) -> ModelRecord:
    return record_weights(engine.kind, name, engine.weights)


_KINDS: dict[type, _Kind] = {
    OllamaEngine: _Kind(record_ollama, proven_ollama, proven_ollama_at),
    OpenAiEngine: _Kind(_of_a_file, proven_openai, proven_openai_at),
    LlamaCppEngine: _Kind(_of_a_file, proven_llamacpp, proven_openai_at),
}


def record_model(engine: EngineConfig, name: str, server_log: Path) -> ModelRecord:
    """What the model is, pulled first where that is allowed. Never touches a GPU.

    Raises NotemillError when it is not there and may not be pulled.
    """
    return _KINDS[type(engine)].record(engine, name, server_log)


@asynccontextmanager
async def proven_engine(engine: EngineConfig, start: Start) -> AsyncIterator[Engine]:
    """A ready engine that has shown what docs/engines.md lists; ended on leaving.

    Entering it raises NotemillError for what is not as it must be, EngineRefused where no retry
    would change it.
    """
    started, start = time.monotonic(), start.shared
    which = f"server {start.server + 1} of {start.servers}, " if start.servers > 1 else ""
    gpus = f", GPU {start.devices.listed}" if start.devices else ""
    if engine.stage:
        engine = await _staged(engine, start.record)
    async with _KINDS[type(engine)].proven(engine, start) as ready:
        log.info(
            "%s%s is ready after %.1f s: model %s, digest %s, slots %d, %d prompt tokens a note "
            "and more%s",
            which,
            ready.description,
            time.monotonic() - started,
            start.record.model,
            start.record.digest[:12] or "not told",
            start.slots,
            ready.baseline(start.task.name),
            gpus,
        )
        yield ready


@asynccontextmanager
async def proven_engine_at(
    engine: EngineConfig, start: Start, at: At, *, program: str = ""
) -> AsyncIterator[Engine]:
    """A server that someone else started, which has shown the same; left as it is.

    program: its name and version, where that is known better than the server tells. Raises as
    `proven_engine` does, and EngineGone while no one is there.
    """
    async with _KINDS[type(engine)].proven_at(engine, start, at) as ready:
        if program and engine.speaks_openai:
            ready.description = program
        yield ready


async def _staged(engine: EngineConfig, record: ModelRecord) -> EngineConfig:
    """The engine with its model on the node's own disk."""
    stop = threading.Event()

    def stage() -> EngineConfig:
        assert engine.stage
        if isinstance(engine, OllamaEngine):
            parts = parts_of(engine.store, record.model, record.digest)
            store = staged(parts, f"ollama-{record.digest}", engine.stage, stop)
            return engine.model_copy(update={"models": store})
        assert engine.weights
        # Its own name: programs tell a file's kind by it.
        name = engine.weights.name
        parts = [Part(engine.weights, name, record.digest)]
        folder = staged(parts, f"file-{record.digest}-{name}", engine.stage, stop)
        return engine.model_copy(update={"weights": folder / name})

    copying = asyncio.create_task(asyncio.to_thread(stage))
    try:
        return await asyncio.shield(copying)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.gather(copying, return_exceptions=True)
        raise
