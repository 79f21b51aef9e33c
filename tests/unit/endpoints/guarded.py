"""A guard in front of a server that a test writes, and what came to that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from notemill.endpoints.certificates import Certificate
from notemill.endpoints.door import listening_socket
from notemill.endpoints.guard import About, Guard
from notemill.endpoints.passage import Upstream
from notemill.endpoints.standing import STANDING_PATH, Standing

TOKEN = "a-token-of-this-test"
ASK = "/v1/chat/completions"
ABOUT = About("engine 1", "m:1", "d" * 64, 2)
Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Site:
    """A guard in front of a server that `answer`s, and what came to that."""

    def __init__(self, guard: Guard, address: str) -> None:
        self.guard = guard
        self.address = address
        self.came: list[tuple[str, str, dict[str, str], bytes]] = []
        self.lost = 0

    async def ask(self, path: str = ASK, token: str = TOKEN, **more: Any) -> tuple[int, bytes]:
        """Status and body of a request as any client sends it: POST with a body, else GET."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession() as session:
            method = "POST" if "data" in more else "GET"
            async with session.request(
                method, self.address + path, headers=headers, **more
            ) as reply:
                return reply.status, await reply.read()

    async def standing(self) -> Standing:
        status, body = await self.ask(STANDING_PATH)
        assert status == 200
        return Standing.model_validate_json(body)


@asynccontextmanager
async def standing_site(
    answer: Answer, *, speaks_openai: bool = True, certificate: Certificate | None = None
) -> AsyncIterator[Site]:
    async def upstream(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        request["body"] = body
        site.came.append((request.method, request.raw_path, dict(request.headers), body))
        return await answer(request)

    def lost() -> None:
        site.lost += 1

    runner = web.ServerRunner(web.Server(upstream), shutdown_timeout=0.1)
    await runner.setup()
    behind, before = listening_socket("127.0.0.1", 0), listening_socket("127.0.0.1", 0)
    await web.SockSite(runner, behind).start()
    scheme = "https" if certificate else "http"
    guard = Guard(TOKEN, speaks_openai=speaks_openai, lost=lost)
    site = Site(guard, f"{scheme}://127.0.0.1:{before.getsockname()[1]}")
    guard.stands_before(Upstream(f"http://127.0.0.1:{behind.getsockname()[1]}", "inner-key"), ABOUT)
    try:
        async with guard.listening(before, certificate.context if certificate else None):
            yield site
    finally:
        await runner.cleanup()


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=b"said: " + request["body"], content_type="application/json")


def tried(answer: Answer, use: Callable[[Site], Awaitable[None]], **how: Any) -> Site:
    async def main() -> Site:
        async with standing_site(answer, **how) as site:
            await use(site)
            return site

    return asyncio.run(main())
