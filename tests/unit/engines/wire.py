"""Servers on a bare socket, which say what no HTTP server would."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from notemill.engines.http import Http, Response

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Seen:
    """What a server saw: heads and bodies of the requests, and connections."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0


@asynccontextmanager
async def listening(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handled, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


def saying(response: bytes, seen: Seen, *, close: bool = False) -> Handler:
    """Reads each request whole and says the same; close: hangs up after it, untold."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = [line for line in head.split("\r\n") if line.lower().startswith("content-l")]
            body = await reader.readexactly(int(length[0].split(":")[1]) if length else 0)
            seen.heads.append(head)
            seen.bodies.append(body)
            writer.write(response)
            await writer.drain()
            if close:
                return

    return handler


def posted(handler: Handler, *bodies: bytes, pause_s: float = 0) -> list[Response]:
    """What a client on loopback gets for bodies that it sends one after another."""

    async def main() -> list[Response]:
        async with listening(handler) as port:
            client = Http(f"http://127.0.0.1:{port}/v1/", "secret")
            try:
                responses = []
                for body in bodies:
                    responses.append(await client.post("/chat", body))
                    await asyncio.sleep(pause_s)
                return responses
            finally:
                await client.close()

    return asyncio.run(main())
