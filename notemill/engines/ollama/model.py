"""Records a model of Ollama's store, pulled first where that is allowed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from notemill.clock import now
from notemill.config import OllamaEngine
from notemill.engines.control_tokens import recorded_tokens
from notemill.engines.details import weights_details
from notemill.engines.ollama.server import running_ollama
from notemill.engines.ollama.store import StoredModel, find_model, stored_models
from notemill.engines.record import ModelRecord
from notemill.errors import EngineRefused, NotemillError
from notemill.files import explained, open_private
from notemill.logs import log

_LOG_EVERY_S = 10.0
_STORE = "engines.*.models"


def record_ollama(engine: OllamaEngine, name: str, server_log: Path) -> ModelRecord:
    """What the model is. Raises NotemillError when it is not there and may not be pulled."""
    stored = find_model(engine.store, name)
    if stored is None:
        stored = _pull(engine, name, server_log)
    log.info("checking the weights of '%s' (%s)", name, stored.weights)
    return ModelRecord(
        engine=engine.kind,
        model=name,
        digest=stored.digest,
        weights_sha256=stored.verified_weights(),
        layers=stored.layers,
        control_tokens=recorded_tokens(stored.weights, stored.template()),
        details=weights_details(stored.weights),
        recorded_at=now(),
    )


def _pull(engine: OllamaEngine, name: str, server_log: Path) -> StoredModel:
    if not engine.pull:
        raise EngineRefused(
            f"model '{name}' is not in the store, which holds: "
            f"{', '.join(stored_models(engine.store)) or 'none'}",
            where=f"{engine.store} (engines.*.models)",
            remedy="correct the experiment's `model`, ask for it to be put there, or set "
            "`pull: true` on the engine if your account may write the store",
        )
    with _only_puller(engine.store):
        if (stored := find_model(engine.store, name)) is None:  # another may have pulled it
            asyncio.run(_pull_through_server(engine, name, server_log))
            stored = find_model(engine.store, name)
    if stored is None:
        raise NotemillError(
            f"Ollama said that it pulled '{name}', but the store does not have it",
            where=str(engine.store),
            remedy="read the engine's log: was it started with another store?",
        )
    return stored


async def _pull_through_server(engine: OllamaEngine, name: str, server_log: Path) -> None:
    import ollama  # noqa: PLC0415  (a fifth of a second of every job, for this alone)

    log.info("pulling '%s' into %s", name, engine.store)
    last_line = 0.0
    async with running_ollama(engine, server_log) as (address, _):
        client = ollama.AsyncClient(host=address, timeout=None, trust_env=False)
        try:
            async for step in await client.pull(name, stream=True):
                if time.monotonic() - last_line > _LOG_EVERY_S and step.total:
                    last_line = time.monotonic()
                    log.info(
                        "%s: %d of %d MB",
                        step.status,
                        (step.completed or 0) >> 20,
                        step.total >> 20,
                    )
        except ollama.ResponseError as error:
            raise NotemillError(
                f"Ollama could not pull '{name}': {error.error[:200]}",
                where=str(engine.store),
                remedy="check the name; a node without internet needs the model put into the "
                "store from another machine",
            ) from error
        finally:
            await client.close()  # type: ignore[no-untyped-call]


@contextmanager
def _only_puller(store: Path) -> Iterator[None]:
    """One puller a store: Ollama's own locks end at its process, and its partial files do not."""
    path = store / ".notemill-pull.lock"
    with explained(path, _STORE):
        lock = open_private(path, os.O_RDWR)
    try:
        with explained(path, _STORE):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
