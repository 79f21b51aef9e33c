"""An Ollama of the job's own: started, proven before the first note, ended with the job."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from notemill.config import OllamaEngine, Options
from notemill.engines.devices import Devices
from notemill.engines.gpu import gpu_expected, prove_own_gpus
from notemill.engines.http import Http
from notemill.engines.last_words import last_words
from notemill.engines.ollama.client import WHOLE, OllamaClient
from notemill.engines.ollama.held import HeldModel
from notemill.engines.ollama.store import manifest_path, stored_models
from notemill.engines.ollama.versions import check_version
from notemill.engines.process import (
    ServerProcess,
    ended_early,
    filled,
    private_home,
    server_environment,
    with_setup,
)
from notemill.engines.protocol import At, Start
from notemill.engines.record import ModelRecord, former_or_new
from notemill.errors import EngineRefused, NotemillError
from notemill.logs import log

_LISTENING = re.compile(r'msg="Listening on 127\.0\.0\.1:(\d+) \(version ([^)]+)\)"')
_LISTEN_S = 120


@asynccontextmanager
async def running_ollama(
    engine: OllamaEngine,
    server_log: Path,
    *,
    slots: int = 1,
    num_ctx: int = 0,
    devices: Devices | None = None,
) -> AsyncIterator[tuple[str, ServerProcess]]:
    """Start `ollama serve` on a loopback port of its own choice; yields address and process.

    Raises NotemillError if it does not come up.
    """
    with private_home() as home:
        pinned = devices.environment if devices else {}
        environment = server_environment(
            home, _batch_environment(engine, slots, num_ctx), engine.environment, pinned
        )
        words = {"models": engine.store, "home": home}
        command = [*filled(engine.command, words), "serve"]
        command = with_setup(engine.setup, command, environment, pinned)
        server = ServerProcess(command, environment, server_log)
        try:
            yield await _listening(server), server
        finally:
            await server.stop()


@asynccontextmanager
async def proven_ollama(engine: OllamaEngine, start: Start) -> AsyncIterator[OllamaClient]:
    """A running Ollama that has shown what docs/engines.md lists, with the model loaded."""
    options = start.options
    async with running_ollama(
        engine, start.log, slots=start.slots, num_ctx=options.num_ctx, devices=start.devices
    ) as (address, server):
        runner_options = engine.runner_options.model_dump(exclude_none=True)
        client = OllamaClient(address, start.record.model, options, runner_options)
        try:
            async with last_words(server):
                await _prove(client, server, engine, start)
                yield client
        finally:
            await client.close()


@asynccontextmanager
async def proven_ollama_at(
    engine: OllamaEngine, start: Start, at: At
) -> AsyncIterator[OllamaClient]:
    """An Ollama that someone else started, proven as one of the job's own is."""
    client = client_at(engine, start.record.model, start.options, at)
    try:
        version = await client.version()
        check_version(version)
        client.description = f"ollama {version}"
        digest = await client.digest()
        refuse_digest(digest, start.record, where=at.address)
        client.holds_to = digest  # others may pull there, and Ollama takes it from the next request
        await client.preload(engine.start_timeout_s)
        await _prove_memory(client, engine.gpu == "required", start.options)
        await client.prove(
            start,
            2 * engine.answer_timeout_s,
            where=at.address,
            remedy="use another version of Ollama there (docs/engines.md)",
        )
        yield client
    finally:
        await client.close()


def client_at(engine: OllamaEngine, model: str, options: Options, at: At) -> OllamaClient:
    """A client of an Ollama that someone else started."""
    runner_options = engine.runner_options.model_dump(exclude_none=True)
    return OllamaClient(at.address, model, options, runner_options, Http.to(at))


def refuse_digest(digest: str | None, record: ModelRecord, *, where: str) -> None:
    """Raise EngineRefused when a server elsewhere has no such model, or another one of its name."""
    if digest is None:
        raise EngineRefused(
            f"it does not have the model '{record.model}'",
            where=where,
            remedy="pull it there, or take this address out of engines.*.endpoints",
        )
    if record.digest and digest and digest != record.digest:
        raise EngineRefused(
            f"its model '{record.model}' has the digest {digest}, the record says {record.digest}",
            where=where,
            remedy=former_or_new("let it have the recorded model", digest),
        )


async def _prove(
    client: OllamaClient, server: ServerProcess, engine: OllamaEngine, start: Start
) -> None:
    version = await client.version()
    check_version(version)
    client.description = f"ollama {version}"
    await _prove_model(client, engine, start.record)
    held = HeldModel(
        engine.store / "manifests" / manifest_path(start.record.model), start.record.digest
    )
    client.held = held if held.is_recorded else None
    await client.preload(engine.start_timeout_s)
    await _prove_memory(client, gpu_expected(engine.gpu), start.options)
    await asyncio.to_thread(prove_own_gpus, engine, server, start.devices)
    await client.prove(
        start,
        2 * engine.answer_timeout_s,
        where="engines.*.command",
        remedy="use another version of Ollama (docs/engines.md)",
    )
    if "does not currently support parallel requests" in server.output():
        log.warning("this model runs with one slot in Ollama, whatever `slots` says")


async def _prove_model(client: OllamaClient, engine: OllamaEngine, record: ModelRecord) -> None:
    digest = await client.digest()
    if digest is None:
        raise EngineRefused(
            f"the started Ollama does not have the model '{record.model}'; the store holds: "
            f"{', '.join(stored_models(engine.store)) or 'none'}",
            where=f"{engine.store} (engines.*.models)",
            remedy="if Ollama runs in a container, bind the store into it: --bind {models}",
        )
    if digest != record.digest:
        raise EngineRefused(
            f"model '{record.model}' has the digest {digest} in the store, its record says "
            f"{record.digest}",
            where=f"{engine.store} (engines.*.models)",
            remedy=former_or_new("put the former model back", digest),
        )


async def _prove_memory(client: OllamaClient, on_a_gpu: bool, options: Options) -> None:
    loaded = await client.loaded()
    context = loaded.context_length
    if context is not None and context < options.num_ctx:
        raise EngineRefused(
            f"the model runs with a context of {context} tokens, not {options.num_ctx}",
            where="experiments.*.options.num_ctx",
            remedy="the model knows no longer context: set num_ctx to that, or take another model",
        )
    if not on_a_gpu:
        return
    size, on_gpu = loaded.size, loaded.size_vram
    if loaded.share < WHOLE:
        raise NotemillError(
            f"only {on_gpu / (1 << 30):.1f} of {size / (1 << 30):.1f} GiB of the model are on the "
            "GPU that the job was given, or that `gpu: required` wants",
            where="what Ollama says it loaded (/api/ps)",
            remedy="if 0: the container needs --nv, or this Ollama was built without CUDA; else "
            "fewer slots, a smaller num_ctx, kv_cache_type q8_0, or a larger GPU. On purpose? "
            "Set the engine's gpu: off",
        )
    client.stays_on_gpu = True


async def _listening(server: ServerProcess) -> str:
    deadline = time.monotonic() + _LISTEN_S
    while time.monotonic() < deadline:
        # Its own log names the port that the kernel gave it: no other server can be meant.
        if (match := _LISTENING.search(server.output())) and server.alive:
            return f"http://127.0.0.1:{match[1]}"
        if not server.alive:
            raise ended_early(server, "`ollama serve`")
        await asyncio.sleep(0.05)
    raise NotemillError(
        f"`ollama serve` did not listen on 127.0.0.1 within {_LISTEN_S} s",
        where=str(server.log),
        remedy="does the container have the host's network and environment (no --cleanenv)?",
    )


def _batch_environment(engine: OllamaEngine, slots: int, num_ctx: int) -> dict[str, str]:
    """Ollama's whole configuration: it has no flags. See docs/engines.md for each line."""
    return {
        "OLLAMA_HOST": "127.0.0.1:0",
        "OLLAMA_MODELS": str(engine.store),
        "OLLAMA_NOPRUNE": "1",
        "OLLAMA_NO_CLOUD": "1",
        "OLLAMA_KEEP_ALIVE": "-1",
        "OLLAMA_MAX_LOADED_MODELS": "1",
        "OLLAMA_NUM_PARALLEL": str(slots),
        "OLLAMA_CONTEXT_LENGTH": str(num_ctx),
        "OLLAMA_FLASH_ATTENTION": str(int(engine.flash_attention)),
        "OLLAMA_KV_CACHE_TYPE": engine.kv_cache_type,
        "OLLAMA_LOAD_TIMEOUT": f"{int(engine.start_timeout_s)}s",
        "LLAMA_ARG_CACHE_RAM": "0",
    }
