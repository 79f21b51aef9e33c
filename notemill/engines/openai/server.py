"""A server with OpenAI's interface: one that the job starts on loopback, or one at an address."""

from __future__ import annotations

import asyncio
import re
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path

from notemill.config import OpenAiEngine, Options
from notemill.engines.gpu import prove_gpu
from notemill.engines.openai.client import OpenAiClient
from notemill.engines.probes import measure_prompts, prove_schema, refuses_long_prompt
from notemill.engines.process import (
    ServerProcess,
    ended_early,
    filled,
    free_port,
    private_home,
    server_environment,
    with_setup,
)
from notemill.engines.protocol import EngineGone, RequestFailed
from notemill.engines.record import ModelRecord, former_or_new
from notemill.errors import EngineRefused, NotemillError
from notemill.files import sha256_of_file
from notemill.logs import log
from notemill.tasks.task import Task

_FIRST_ANSWER_S = 60.0
_PAUSE_S = 0.1
_EMBEDDED = [
    *("{python}", "-P", str(Path(__file__).parents[1] / "llamacpp" / "program.py")),
    *("--model", "{weights}", "--alias", "{model}", "--port", "{port}"),
    *("--slots", "{slots}", "--context", "{context}", "--threads", "{threads}"),
    *("--api-key-file", "{api_key_file}"),
]
"""llama.cpp's server from a wheel, for an engine that has weights and no command of its own."""


@asynccontextmanager
async def proven_openai(
    engine: OpenAiEngine,
    record: ModelRecord,
    task: Task,
    options: Options,
    server_log: Path,
    threads: int,
) -> AsyncIterator[OpenAiClient]:
    """A server with the model that has shown what docs/engines.md lists."""
    _prove_weights(engine, record)
    if engine.address:
        client = OpenAiClient(engine.address, _key(engine), record.model, options)
        prove_gpu(engine, None)
        try:
            await _prove(client, engine, record, task, options)
            yield client
        finally:
            await client.close()
        return
    async with _started(engine, record, options, server_log, threads) as client:
        await _prove(client, engine, record, task, options)
        yield client


@asynccontextmanager
async def _started(
    engine: OpenAiEngine, record: ModelRecord, options: Options, server_log: Path, threads: int
) -> AsyncIterator[OpenAiClient]:
    with private_home() as home:
        key = secrets.token_urlsafe(24)
        key_file = home / "api-key"
        key_file.touch(mode=0o600)
        key_file.write_text(key)
        port = free_port()
        words = {
            "python": sys.executable,
            "port": port,
            "model": record.model,
            "weights": engine.weights or "",
            "slots": engine.slots,
            "context": options.num_ctx,
            "context_total": options.num_ctx * engine.slots,
            "threads": threads,
            "home": home,
            "api_key_file": key_file,
        }
        command = filled(engine.command or _EMBEDDED, words)
        environment = server_environment(home, engine.environment)
        command = with_setup(engine.setup, command, environment)
        server = ServerProcess(command, environment, server_log)
        client = OpenAiClient(f"http://127.0.0.1:{port}/v1", key, record.model, options)
        try:
            await _ready(client, server, port, engine.start_timeout_s)
            await asyncio.to_thread(prove_gpu, engine, server)
            yield client
        finally:
            await client.close()
            await server.stop()


async def _ready(client: OpenAiClient, server: ServerProcess, port: int, timeout_s: float) -> None:
    problem: Exception | None = None
    try:
        async with asyncio.timeout(timeout_s):
            while server.alive:
                # Nothing is sent before the port is known to be our child's: a stranger may have
                # taken it.
                if server.owns_port(port):
                    try:
                        await client.models()
                        return
                    except (EngineGone, RequestFailed) as error:
                        problem = error
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError:
        raise NotemillError(
            f"the engine did not answer on 127.0.0.1:{port} within {timeout_s:g} s"
            + (f" (last: {problem})" if problem else ""),
            where=str(server.log),
            remedy="does the command listen on {port} of 127.0.0.1? A large model may need a "
            "larger start_timeout_s",
        ) from None
    raise ended_early(server, "the engine's command")


async def _prove(
    client: OpenAiClient,
    engine: OpenAiEngine,
    record: ModelRecord,
    task: Task,
    options: Options,
) -> None:
    started = time.monotonic()
    models = await _models(client, engine)
    if record.model not in models:
        raise EngineRefused(
            f"the engine does not have the model '{record.model}'; it has: {', '.join(models)}",
            where=f"{client.address} (experiments.*.model)",
            remedy="use one of these names, or start the server with this one (an alias)",
        )
    timeout_s = 2 * engine.answer_timeout_s
    await prove_schema(client, task, options, timeout_s)
    client.prompts = await measure_prompts(client, task, options, timeout_s)
    if not await refuses_long_prompt(client, task, options, timeout_s):
        raise EngineRefused(
            f"the engine answers a prompt longer than num_ctx ({options.num_ctx} tokens): either "
            "it cuts prompts without a word, or its context is larger",
            where="engines.*.command and experiments.*.options.num_ctx",
            remedy="give the server the same context: {context} in the command, and no context "
            "shift",
        )
    client.description = _name_and_version(engine, client)
    log.info(
        "%s is ready after %.1f s: model %s, digest %s, %d slots, %d prompt tokens a note and more",
        client.description,
        time.monotonic() - started,
        record.model,
        record.digest[:12] or "not told",
        engine.slots,
        client.baseline,
    )


async def _models(client: OpenAiClient, engine: OpenAiEngine) -> list[str]:
    """Names of the server's models; asked for a while, as an address may just be restarting."""
    limit = min(_FIRST_ANSWER_S, engine.start_timeout_s)
    problem = f"no answer in {limit:g} s"
    try:
        async with asyncio.timeout(limit):
            while True:
                try:
                    return await client.models()
                except EngineGone as error:
                    problem = str(error)
                except RequestFailed as error:
                    problem = f"it answers /models with {error}"
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError:
        raise NotemillError(
            f"no model server answers there: {problem}",
            where=f"{client.address} (engines.*.address)",
            remedy="is the server up, does this node reach it, and is the address the one that "
            "ends with /v1?",
        ) from None


def _name_and_version(engine: OpenAiEngine, client: OpenAiClient) -> str:
    if engine.address or engine.command:
        return f"openai {client.system_fingerprint}".strip()
    # The wheel's server does not know its own build.
    return f"llama.cpp (xllamacpp {metadata.version('xllamacpp')})"


def _prove_weights(engine: OpenAiEngine, record: ModelRecord) -> None:
    if engine.weights and (found := sha256_of_file(engine.weights)) != record.digest:
        raise EngineRefused(
            f"the weights of '{record.model}' have the sha256 {found}, their record says "
            f"{record.digest}",
            where=str(engine.weights),
            remedy=former_or_new("put the former file back", found),
        )


def _key(engine: OpenAiEngine) -> str:
    if not engine.api_key_file:
        return ""
    try:
        if engine.api_key_file.stat().st_mode & 0o077:
            raise NotemillError(
                "the file with the engine's key is open to others",
                where=str(engine.api_key_file),
                remedy=f"chmod 600 {engine.api_key_file}",
            )
        key = engine.api_key_file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        key = ""
    if not re.fullmatch(r"[!-~]+", key):
        raise NotemillError(
            "engines.*.api_key_file can't be read, or holds no key",
            where=str(engine.api_key_file),
            remedy="write the key alone into this file, mode 0600",
        )
    return key
