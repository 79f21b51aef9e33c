"""A server with OpenAI's interface: one that the job starts on loopback, or one at an address."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from notemill.config import LlamaCppEngine, OpenAiEngine, Options
from notemill.engines.api_key import api_key
from notemill.engines.gpu import prove_gpu
from notemill.engines.http import Http
from notemill.engines.last_words import last_words
from notemill.engines.openai.client import OpenAiClient
from notemill.engines.own_metrics import read_metrics
from notemill.engines.process import (
    ServerProcess,
    ended_early,
    filled,
    free_port,
    private_home,
    server_environment,
    with_setup,
)
from notemill.engines.protocol import At, EngineGone, RequestFailed, Start
from notemill.engines.weights import prove_weights
from notemill.errors import EngineRefused, NotemillError
from notemill.leftovers import temporary

_FIRST_ANSWER_S = 60.0
_PAUSE_S = 0.1


@asynccontextmanager
async def proven_openai(
    engine: OpenAiEngine, start: Start, *, program: str = ""
) -> AsyncIterator[OpenAiClient]:
    """A server with the model that has shown what docs/engines.md lists.

    program: name and version of what the command starts, where the server can't tell.
    """
    await asyncio.to_thread(prove_weights, engine.weights, start.record)  # minutes for large ones
    async with _client(engine, start) as client:
        await _prove(client, engine, start)
        client.description = program or f"openai {client.system_fingerprint}".strip()
        yield client


@asynccontextmanager
async def proven_openai_at(
    engine: OpenAiEngine | LlamaCppEngine, start: Start, at: At
) -> AsyncIterator[OpenAiClient]:
    """A server that someone else started, proven as one of the job's own is."""
    http = Http.to(replace(at, key=at.key or "none"))
    client = OpenAiClient(at.address, at.key, start.record.model, start.options, http)
    try:
        try:
            async with asyncio.timeout(_FIRST_ANSWER_S):
                models = await client.models()
        except TimeoutError:
            raise EngineGone(f"it does not list its models in {_FIRST_ANSWER_S:g} s") from None
        except RequestFailed as error:
            raise no_model_server(at.address, f"it answers /models with {error}") from None
        await _prove_listed(client, models, engine, start)
        client.description = f"openai {client.system_fingerprint}".strip()
        yield client
    finally:
        await client.close()


def no_model_server(address: str, problem: str) -> NotemillError:
    """What to say of an address at which something else answers."""
    return NotemillError(
        f"no model server answers there: {problem}",
        where=f"{address} (engines.*.endpoints)",
        remedy="is it the right server, and the address the one that ends with /v1?",
    )


@asynccontextmanager
async def _client(engine: OpenAiEngine, start: Start) -> AsyncIterator[OpenAiClient]:
    """A client of the server at the address, or of one that is started here and ended."""
    if not engine.address:
        async with _started(engine, start) as client:
            yield client
        return
    key = api_key(engine)
    http = Http(engine.address, key or "none")
    client = OpenAiClient(engine.address, key, start.record.model, start.options, http)
    prove_gpu(engine, None)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def _started(engine: OpenAiEngine, start: Start) -> AsyncIterator[OpenAiClient]:
    options, model = start.options, start.record.model
    with private_home() as home:
        key = secrets.token_urlsafe(24)
        key_file = home / "api-key"
        with temporary(home, "the engine's key can't be written"):
            key_file.touch(mode=0o600)
            key_file.write_text(key)
        port = free_port()
        words = {
            "python": sys.executable,
            "port": port,
            "model": model,
            "weights": engine.weights or "",
            "slots": start.slots,
            "context": options.num_ctx,
            "context_total": options.num_ctx * start.slots,
            "threads": start.threads,
            "home": home,
            "api_key_file": key_file,
        }
        command = filled(engine.command or [], words)
        devices = start.devices.environment if start.devices else {}
        environment = server_environment(home, engine.environment, devices)
        command = with_setup(engine.setup, command, environment, devices)
        server = ServerProcess(command, environment, start.log)
        client = OpenAiClient(f"http://127.0.0.1:{port}/v1", key, model, options)
        client.own_metrics = partial(read_metrics, f"http://127.0.0.1:{port}", key)
        try:
            await _ready(client, server, port, engine.start_timeout_s)
            await asyncio.to_thread(prove_gpu, engine, server, start.devices)
            async with last_words(server):
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


async def _prove(client: OpenAiClient, engine: OpenAiEngine, start: Start) -> None:
    await _prove_listed(client, await _models(client, engine), engine, start)


async def _prove_listed(
    client: OpenAiClient, models: list[str], engine: OpenAiEngine | LlamaCppEngine, start: Start
) -> None:
    """models: that the server lists."""
    model = start.record.model
    if model not in models:
        raise EngineRefused(
            f"the engine does not have the model '{model}'; it has: {', '.join(models)}",
            where=f"{client.address} (experiments.*.model)",
            remedy="use one of these names, or start the server with this one (an alias)",
        )
    await client.prove(
        start,
        2 * engine.answer_timeout_s,
        where="engines.*.command and experiments.*.options.num_ctx",
        remedy="give the server the same context: {context} in the command, and no context shift",
    )


async def models_at(engine: OpenAiEngine, options: Options) -> list[str]:
    """Names of the models at the engine's address. Raises NotemillError when it does not answer."""
    client = OpenAiClient(engine.address or "", api_key(engine), "", options)
    try:
        return await _models(client, engine)
    finally:
        await client.close()


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
