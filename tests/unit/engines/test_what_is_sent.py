"""What the clients send, as a server sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from notemill.config import Options
from notemill.engines.ollama.client import OllamaClient
from notemill.engines.openai.client import OpenAiClient
from notemill.engines.protocol import Question
from tests.unit.engines.test_strange_replies import OLLAMA, OPENAI, Server, serving

QUESTION = Question("You read notes.", "Read:\na cough", {"type": "object"}, 100, 7, 0.5)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


def sent_to_openai(server: Server, options: Options) -> dict[str, Any]:
    server.body = json.dumps(OPENAI).encode()

    async def ask() -> None:
        client = OpenAiClient(f"{server.address}/v1", "", "m", options)
        await client.ask(QUESTION, 30)
        await client.close()

    asyncio.run(ask())
    return dict(json.loads(server.asked[-1]))


def sent_to_ollama(server: Server, options: Options, runner: dict[str, Any]) -> dict[str, Any]:
    server.body = json.dumps(OLLAMA).encode()

    async def ask() -> None:
        client = OllamaClient(server.address, "m", options, runner)
        await client.ask(QUESTION, 30)
        await client.close()

    asyncio.run(ask())
    return dict(json.loads(server.asked[-1]))


def test_an_openai_server_is_sent_what_the_row_says(server: Server) -> None:
    options = Options(top_k=7, top_p=0.8, min_p=0.1, repeat_penalty=1.2, extra={"stop": ["x"]})
    body = sent_to_openai(server, options)
    sent = {name: body.get(name) for name in options.as_sent() if name in body}
    assert sent == {
        "seed": 7,
        "temperature": 0.5,
        "top_k": 7,
        "top_p": 0.8,
        "min_p": 0.1,
        "repeat_penalty": 1.2,
    }
    assert body["repetition_penalty"] == 1.2  # its name in vLLM and SGLang
    assert body["stop"] == ["x"]
    assert body["max_tokens"] == 100
    assert "chat_template_kwargs" not in body


def test_a_plain_openai_server_is_sent_openais_fields_alone(server: Server) -> None:
    body = sent_to_openai(server, Options(openai_fields_only=True))
    assert body.keys() == {
        *("model", "messages", "response_format", "max_tokens", "seed", "temperature", "top_p")
    }


def test_thinking_is_asked_for_beside_what_the_template_is_given(server: Server) -> None:
    options = Options(think=False, extra={"chat_template_kwargs": {"x": 1}})
    body = sent_to_openai(server, options)
    assert body["chat_template_kwargs"] == {"x": 1, "enable_thinking": False}


def test_ollama_is_sent_what_the_row_says(server: Server) -> None:
    options = Options(
        num_ctx=2048, top_k=7, top_p=0.8, min_p=0.1, repeat_penalty=1.2, extra={"stop": ["x"]}
    )
    body = sent_to_ollama(server, options, {"num_gpu": 99})
    assert body["options"] == {
        "num_ctx": 2048,
        "num_predict": 100,
        "seed": 7,
        "temperature": 0.5,
        "top_k": 7,
        "top_p": 0.8,
        "min_p": 0.1,
        "repeat_penalty": 1.2,
        "stop": ["x"],
        "num_gpu": 99,
    }
    assert (body["truncate"], body["shift"], body["stream"]) == (False, False, False)
    assert body["keep_alive"] == -1
    assert "think" not in body
