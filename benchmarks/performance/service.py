"""Model servers on GPUs that are models of their service times, with OpenAI's chat interface.

    python -m benchmarks.performance.service --gpu L40S --slots 8 --servers 4 --scale 10

Prints the servers' ports as JSON and serves until it is ended. An answer obeys the schema and is
made of the prompt (tests/servers/standin/answers.py), so notemill's proofs pass as on a real
server; how long it takes is what the GPU's published figures say (gpus.py, batching.py).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from typing import Any

from benchmarks.performance.batching import Batching, tokens_of
from benchmarks.performance.clients import MODEL
from benchmarks.performance.gpus import GPUS, Speed
from tests.servers.standin.answers import answer_text
from tests.servers.standin.prompts import Prompt

_TOO_LONG = "request ({} tokens) exceeds the available context size ({} tokens)"


class _Connection(asyncio.Protocol):
    """One connection: requests one after another, bodies of a told length."""

    def __init__(self, batching: Batching, context: int) -> None:
        self._batching = batching
        self._context = context
        self._got = b""
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, rest = self._got.partition(b"\r\n\r\n")
        if not end:
            return
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if len(rest) < length:
            return
        self._got = rest[length:]
        last = b"connection: close" in head.lower()
        respond = self._respond(head.split(b" ", 2)[1], rest[:length], last=last)
        self._task = asyncio.create_task(respond)

    async def _respond(self, path: bytes, body: bytes, *, last: bool) -> None:
        status = 200
        reply: dict[str, Any] = {"object": "list", "data": [{"id": MODEL, "object": "model"}]}
        if path.endswith(b"/chat/completions"):
            status, reply = await self._chat(json.loads(body))
        elif path == b"/stats":
            stats = self._batching.stats
            reply = {"read": stats.read, "cached": stats.cached, "answered": stats.answered}
        content = json.dumps(reply).encode()
        self._transport.write(
            b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % (status, len(content))
            + content
        )
        if last:
            self._transport.close()

    async def _chat(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        system, user = (message["content"] for message in asked["messages"])
        prompt = f"{system}\n{user}\n"
        tokens, most = tokens_of(prompt), asked["max_tokens"]
        if tokens + 1 > self._context:
            message = _TOO_LONG.format(tokens, self._context)
            kind = "exceed_context_size_error"
            return 400, {"error": {"message": message, "type": kind, "code": 400}}
        written = await self._batching.answer(prompt, most)
        schema = asked["response_format"]["json_schema"]["schema"]
        text = answer_text(schema, Prompt(system, user, tokens), {})
        end = "stop"
        if most < tokens_of(text):
            text, end = text[: 4 * most], "length"
        usage = {"prompt_tokens": tokens, "completion_tokens": written}
        usage["total_tokens"] = tokens + written
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": end}
        return 200, {"choices": [choice], "usage": usage, "system_fingerprint": "service-model"}


async def _serve(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    speed = Speed(GPUS[options.gpu])
    ports = []
    servers = []
    for _ in range(options.servers):
        batching = Batching(speed, options.slots, options.scale)
        server = await loop.create_server(
            lambda batching=batching: _Connection(batching, options.context),
            "127.0.0.1",
            options.port,
            backlog=512,
        )
        servers.append(server)
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gpu", choices=GPUS, required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--port", type=int, default=0, help="of a single server")
    parser.add_argument("--context", type=int, default=8192, help="tokens a slot")
    parser.add_argument("--scale", type=float, default=1, help="the GPU's seconds in a second")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
