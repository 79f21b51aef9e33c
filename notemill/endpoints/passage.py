"""Requests and replies through a guard: bodies in pieces, unread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from notemill.engines.neighbours import only_ours, refuse_strangers
from notemill.engines.protocol import EngineGone

LARGEST_BODY = 1 << 26
"""Bytes of a request; the longest prompt that a model holds is some megabytes."""
_AT_ONCE = 1 << 16
"""Bytes up to which a body is handed on in one piece."""
_SILENT_S = 60.0
"""Without a piece of a body, after which its client counts as gone: one that is suspended closes no
connection, and others wait until its turn is over."""
_PASSED_IN = ("Accept", "Content-Type", "Content-Encoding", "Content-Length")
_PASSED_OUT = ("Content-Type", "Content-Encoding", "Retry-After")


class Upstream(NamedTuple):
    """The server behind a guard. address: without a path; key: what it asks for, empty if none."""

    address: str
    key: str


class Passage:
    """Hands requests on to a server. to: that server; words: replies that it began, of any kind."""

    def __init__(self) -> None:
        self.to = Upstream("", "")
        self.words = 0
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Ready to pass requests on while within."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            trace_configs=[only_ours()],
        )
        try:
            yield
        finally:
            await self._session.close()

    async def reach(self) -> None:
        """Raises EngineGone when nothing listens there any more."""
        place = urlsplit(self.to.address)
        try:
            _, writer = await asyncio.open_connection(place.hostname, place.port)
        except OSError as error:
            raise EngineGone(type(error).__name__) from None
        writer.close()
        refuse_strangers(self.to.address)

    async def replied(self, request: web.BaseRequest, body: Body) -> web.StreamResponse:
        """The server's reply to a request.

        Raises aiohttp.ClientError, OSError, EngineGone and BodyCut without one.
        """
        assert self._session
        headers = {name: request.headers[name] for name in _PASSED_IN if name in request.headers}
        if self.to.key:
            headers["Authorization"] = f"Bearer {self.to.key}"
        async with self._session.request(
            request.method,
            self.to.address + request.rel_url.raw_path,
            data=await body.data(),
            headers=headers,
            allow_redirects=False,
            trace_request_ctx=self.to.address,
        ) as reply:
            self.words += 1
            passed = {name: reply.headers[name] for name in _PASSED_OUT if name in reply.headers}
            length = reply.content_length
            if length is not None and length <= _AT_ONCE:
                return web.Response(status=reply.status, headers=passed, body=await reply.read())
            response = web.StreamResponse(status=reply.status, headers=passed)
            response.content_length = length
            await response.prepare(request)
            async for piece in reply.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response


class BodyCut(Exception):
    """A request's body is not sent on to its end."""


class Body:
    """A request's body, on its way. too_large: whether it is, or was cut off for its size; silent:
    whether its client stopped in the middle."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self.too_large = (request.content_length or 0) > LARGEST_BODY
        self.silent = False

    async def data(self) -> bytes | AsyncIterator[bytes] | None:
        """What to send: small ones whole, others in pieces, which may raise BodyCut."""
        if not self._request.can_read_body:
            return None
        length = self._request.content_length
        if length is not None and length <= _AT_ONCE:
            return b"".join([piece async for piece in self._pieces()])
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        seen = 0
        while piece := await self._piece():
            seen += len(piece)
            if seen > LARGEST_BODY:
                self.too_large = True
                raise BodyCut("too large")
            yield piece

    async def _piece(self) -> bytes:
        """Empty at the end."""
        try:
            async with asyncio.timeout(_SILENT_S):
                return await self._request.content.readany()
        except TimeoutError:
            self.silent = True
            raise BodyCut("silent") from None
