"""A model server that answers at once, with OpenAI's interface and Ollama's: for measuring clients.

    python -m benchmarks.instant

Prints its port. Every question gets the same answer, whatever it is; what a request costs it is
some 30 microseconds.
"""

from __future__ import annotations

import asyncio
import json

ANSWER = {
    "response": "(2) Unlikely",
    "explanation": "The lungs are clear, and no consolidation is seen in either of them.",
    "size": 1.5,
    "sides": ["left"],
}
SCHEMA = """
from typing import Literal

from pydantic import BaseModel


class Answer(BaseModel):
    response: Literal["(1) Likely", "(2) Unlikely", "(3) Unable to say"]
    explanation: str
    size: float | None
    sides: list[str]
"""
_OPENAI = {
    "id": "1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": json.dumps(ANSWER)},
                 "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 600, "completion_tokens": 45, "total_tokens": 645},
    "system_fingerprint": "b1",
}  # fmt: skip
_OLLAMA = {
    "model": "m",
    "message": {"role": "assistant", "content": json.dumps(ANSWER)},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 600,
    "eval_count": 45,
}


def _response(value: object) -> bytes:
    body = json.dumps(value).encode()
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


_RESPONSES = {True: _response(_OLLAMA), False: _response(_OPENAI)}


class _Answering(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._read = bytearray()

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (head := self._read.find(b"\r\n\r\n")) >= 0:
            lines = bytes(self._read[:head]).lower()
            at = lines.find(b"content-length:")
            length = int(lines[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._read) < head + 4 + length:
                return
            del self._read[: head + 4 + length]
            assert isinstance(self._transport, asyncio.Transport)
            self._transport.write(_RESPONSES[lines.startswith(b"post /api/")])


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
