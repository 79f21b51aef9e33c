"""A server with OpenAI's interface that takes a fixed time for a note, in so many slots.

    python -m benchmarks.slow_server PORT SLOTS SECONDS ANSWER

It obeys the probes. What it shows is whether its slots are full, nothing of a model's speed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

_LONGEST = 1000
"""Words of a prompt that it takes."""


async def main() -> None:
    port, slots, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    free = asyncio.Semaphore(slots)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            length = next((line for line in head if line.lower().startswith("content-length")), "")
            body = await reader.readexactly(int(length.partition(":")[2] or 0))
            status, reply = 200, {"data": [{"id": "m", "object": "model"}]}
            if body:
                asked = json.loads(body)
                async with free:
                    if asked["max_tokens"] > 1:  # no probe of the prompts
                        await asyncio.sleep(seconds)
                status, reply = _answered(asked, sys.argv[4])
            content = json.dumps(reply).encode()
            writer.write(
                f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(content)}\r\n\r\n".encode()
                + content
            )
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, limit=1 << 20)
    async with server:
        await server.serve_forever()


async def _head(reader: asyncio.StreamReader) -> list[str]:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    except (asyncio.IncompleteReadError, ConnectionError):
        return []


def _answered(asked: dict[str, Any], answer: str) -> tuple[int, dict[str, Any]]:
    words = sum(len(message["content"].split()) for message in asked["messages"])
    if words > _LONGEST:
        return 400, {"error": {"message": "exceeds the available context size", "type": "x_error"}}
    properties = asked["response_format"]["json_schema"]["schema"]["properties"]
    if "zulu" in properties:
        answer = json.dumps({name: each["enum"][0] for name, each in properties.items()})
    choice = {"index": 0, "message": {"role": "assistant", "content": answer}}
    return 200, {
        "id": "1",
        "object": "chat.completion",
        "choices": [choice | {"finish_reason": "stop"}],
        "usage": {"prompt_tokens": words, "completion_tokens": 20},
    }


if __name__ == "__main__":
    asyncio.run(main())
