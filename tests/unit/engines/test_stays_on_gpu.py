"""An Ollama that loads its model again after a lost runner: looked at until it is known where."""

from __future__ import annotations

import asyncio
import json

import pytest

from notemill.engines.ollama.client import OllamaClient
from notemill.engines.protocol import EngineGone, Question, RequestFailed
from tests.unit.engines.http_server import OLLAMA, OPTIONS, Server, serving

QUESTION = Question("You read notes.", "Read:\nit", {}, 100, 1, 0)


def loaded(share: float) -> bytes:
    model = {"name": "m", "size": 100, "size_vram": int(100 * share)}
    return json.dumps({"models": [model]}).encode()


@pytest.mark.parametrize("first", [b'{"models": []}', loaded(1)], ids=["nothing", "all of it"])
def test_a_model_on_the_cpu_is_seen_though_nothing_was_loaded_at_the_first_look(
    first: bytes,
) -> None:
    async def asked(server: Server) -> None:
        client = OllamaClient(server.address, "m", OPTIONS, {})
        client.stays_on_gpu = True
        try:
            server.models = first
            await client.ask(QUESTION, 30)
            server.models = loaded(0)
            if first == loaded(1):  # the next look is half a minute away, but for an error
                await client.ask(QUESTION, 30)
                server.status = 500
                with pytest.raises(RequestFailed):
                    await client.ask(QUESTION, 30)
                server.status = 200
            with pytest.raises(EngineGone, match="only 0% of it is on the GPU"):
                await client.ask(QUESTION, 30)
        finally:
            await client.close()

    with serving(Server(json.dumps(OLLAMA).encode())) as server:
        asyncio.run(asked(server))
