"""A server with OpenAI's interface: one that the job starts on loopback, or one at an address."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path

from notemill.config import OpenAiEngine, Options
from notemill.engines.openai_client import OpenAiClient
from notemill.engines.probes import measure_baseline, prove_schema, refuses_long_prompt
from notemill.engines.protocol import EngineGone
from notemill.engines.record import ModelRecord
from notemill.engines.server import (
    ServerProcess,
    filled,
    free_port,
    private_home,
    server_environment,
    with_setup,
)
from notemill.errors import NotemillError
from notemill.files import sha256_of_file
from notemill.logs import log
from notemill.tasks import Task

_EMBEDDED = [
    *("{python}", "-P", str(Path(__file__).with_name("llamacpp_server.py"))),
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
        server = ServerProcess(with_setup(engine.setup, command), environment, server_log)
        client = OpenAiClient(f"http://127.0.0.1:{port}/v1", key, record.model, options)
        try:
            await _ready(client, server, port, engine.start_timeout_s)
            yield client
        finally:
            await client.close()
            await server.stop()


async def _ready(client: OpenAiClient, server: ServerProcess, port: int, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not server.alive:
            raise NotemillError(
                f"the engine's command ended with status {server.exit_status} before it answered",
                where=str(server.log),
                remedy="read the end of that log: it is what the command wrote",
            )
        # Nothing is sent before the port is known to be our child's: a stranger may have taken it.
        if server.owns_port(port):
            try:
                await client.models()
                return
            except EngineGone:
                pass
        await asyncio.sleep(0.1)
    raise NotemillError(
        f"the engine did not answer on 127.0.0.1:{port} within {timeout_s:g} s",
        where=str(server.log),
        remedy="does the command listen on {port} of 127.0.0.1? A large model may need a larger "
        "start_timeout_s",
    )


async def _prove(
    client: OpenAiClient,
    engine: OpenAiEngine,
    record: ModelRecord,
    task: Task,
    options: Options,
) -> None:
    started = time.monotonic()
    try:
        models = await client.models()
    except EngineGone as error:
        raise NotemillError(
            f"the engine does not answer ({error})",
            where=f"engines.*.address: {engine.address}",
            remedy="is the server up, and does this node reach it?",
        ) from error
    if record.model not in models:
        raise NotemillError(
            f"the engine does not have the model '{record.model}'; it has: {', '.join(models)}",
            where="experiments.*.model",
            remedy="use one of these names, or start the server with this one (an alias)",
        )
    await prove_schema(client, task, options)
    client.baseline = await measure_baseline(client, task, options)
    if not await refuses_long_prompt(client, task, options):
        raise NotemillError(
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


def _name_and_version(engine: OpenAiEngine, client: OpenAiClient) -> str:
    if engine.address or engine.command:
        return f"openai {client.system_fingerprint}".strip()
    # The wheel's server does not know its own build.
    return f"llama.cpp (xllamacpp {metadata.version('xllamacpp')})"


def _prove_weights(engine: OpenAiEngine, record: ModelRecord) -> None:
    if engine.weights and sha256_of_file(engine.weights) != record.digest:
        raise NotemillError(
            f"the weights of '{record.model}' are not those of this experiment's other answers",
            where=str(engine.weights),
            remedy="put the former file back; or set the experiment's `digest` to the new sha256, "
            "which makes a new experiment",
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
        return engine.api_key_file.read_text().strip()
    except OSError:
        raise NotemillError(
            "engines.*.api_key_file can't be read",
            where=str(engine.api_key_file),
            remedy="write the key into this file, mode 0600",
        ) from None
