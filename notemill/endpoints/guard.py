"""A bearer token in front of a model server: what asking and proving need goes through, no more.

Bodies pass in pieces, unread: no note and no answer is kept or logged here.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from notemill.endpoints.standing import STANDING_PATH, Standing
from notemill.engines.http import ALONE_HEADER, STATE_HEADER
from notemill.engines.protocol import EngineGone
from notemill.logs import log, unexpected

LARGEST_BODY = 1 << 26
"""Bytes of a request; the longest prompt that a model holds is some megabytes."""
_AT_ONCE = 1 << 16
"""Bytes up to which a body is handed on in one piece."""
_RATE_S = 60.0
_END_S = 1.0
_ASKING = {("POST", "/v1/chat/completions"), ("POST", "/api/chat")}
_PROVING = {
    "openai": {("GET", "/v1/models")},
    "ollama": {("GET", "/api/version"), ("GET", "/api/tags"), ("GET", "/api/ps")},
}
_PASSED_IN = ("Accept", "Content-Type", "Content-Encoding", "Content-Length")
_PASSED_OUT = ("Content-Type", "Content-Encoding", "Retry-After")
_QUIET = logging.Logger("quiet", logging.CRITICAL + 1)

State = Literal["starting", "ready", "draining"]


class Upstream(NamedTuple):
    """The server behind a guard. address: without a path; key: what it asks for, empty if none."""

    address: str
    key: str


class About(NamedTuple):
    """What a guard says of what is behind it."""

    engine: str
    model: str
    digest: str
    slots: int


class Guard:
    """Counts what goes through, and refuses what is new while it is not ready.

    token: asked of every request. speaks_openai: which interface the engine has. lost: called when
    the engine closes a connection.
    """

    def __init__(
        self, token: str, *, speaks_openai: bool, lost: Callable[[], None] = lambda: None
    ) -> None:
        self._authorization = f"Bearer {token}".encode()
        interface = "/v1/" if speaks_openai else "/api/"
        self._asking = {each for each in _ASKING if each[1].startswith(interface)}
        self._passed = self._asking | _PROVING["openai" if speaks_openai else "ollama"]
        self._passed.add(("GET", "/metrics"))
        self._lost = lost
        self._turns = _Turns()
        self._upstream = Upstream("", "")
        self._session: aiohttp.ClientSession | None = None
        self._ends: deque[float] = deque()
        self._began = time.monotonic()
        self.about = About("", "", "", 1)
        self.state: State = "starting"
        self.in_flight = self.answered = self.failed = 0
        self.words = 0
        """Replies that the engine began, of any kind."""

    def stands_before(self, upstream: Upstream, about: About) -> None:
        """Let requests through to this server from now on."""
        self._upstream, self.about, self.state = upstream, about, "ready"

    async def reach_upstream(self) -> None:
        """Raises EngineGone when nothing listens there any more."""
        place = urlsplit(self._upstream.address)
        try:
            _, writer = await asyncio.open_connection(place.hostname, place.port)
        except OSError as error:
            raise EngineGone(type(error).__name__) from None
        writer.close()

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        now = time.monotonic()
        while self._ends and self._ends[0] < now - _RATE_S:
            self._ends.popleft()
        span = min(max(now - self._began, 1.0), _RATE_S)
        return Standing(
            state=self.state,
            in_flight=self.in_flight,
            answered=self.answered,
            failed=self.failed,
            per_second=round(len(self._ends) / span, 3),
            **self.about._asdict(),
        )

    @asynccontextmanager
    async def listening(
        self, place: socket.socket, tls: ssl.SSLContext | None
    ) -> AsyncIterator[None]:
        """Serve on a bound socket until left; then what is in flight is cut."""
        server = web.Server(
            self._handled,
            handler_cancellation=True,  # a client that goes frees its slot
            access_log=None,
            logger=_QUIET,
            auto_decompress=False,
        )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        runner = web.ServerRunner(server, shutdown_timeout=_END_S)
        await runner.setup()
        try:
            await web.SockSite(runner, place, ssl_context=tls, backlog=1024).start()
            yield
        finally:
            await runner.cleanup()
            await self._session.close()

    async def _handled(self, request: web.BaseRequest) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, self._authorization):
            return _refused(401, "token", "this endpoint asks for its token")
        what = request.method, request.rel_url.raw_path
        if what == ("GET", STANDING_PATH):
            return web.Response(
                text=self.standing.model_dump_json(), content_type="application/json"
            )
        if what not in self._passed:
            return _refused(404, "path", "this endpoint has no such path")
        asking = what in self._asking
        if self.state == "starting" or (asking and self.state != "ready"):
            return _refused(
                503, self.state, "nothing new is asked here", {STATE_HEADER: self.state}
            )
        if (request.content_length or 0) > LARGEST_BODY:
            return _too_large()
        if not asking:
            return await self._through(request)
        self.in_flight += 1
        answered = False
        try:
            async with self._turns.taken(alone=ALONE_HEADER in request.headers):
                response = await self._through(request)
            answered = response.status == 200
            return response
        finally:
            self.in_flight -= 1
            self._count(answered)

    def _count(self, answered: bool) -> None:
        if answered:
            self.answered += 1
            self._ends.append(time.monotonic())
        else:
            self.failed += 1

    async def _through(self, request: web.BaseRequest) -> web.StreamResponse:
        """Hand the request on and its reply back; without a reply the connection is closed."""
        body = _Body(request)
        try:
            return await self._replied(request, body)
        except (aiohttp.ClientError, OSError):
            if body.too_large:
                return _too_large()
            if request.transport and not request.transport.is_closing():
                self._lost()
        except Exception as error:
            log.error(unexpected(error))
        if request.transport:
            request.transport.abort()  # as the engine itself would have: nothing half said is taken
        return web.Response(status=502)

    async def _replied(self, request: web.BaseRequest, body: _Body) -> web.StreamResponse:
        assert self._session
        headers = {name: request.headers[name] for name in _PASSED_IN if name in request.headers}
        if self._upstream.key:
            headers["Authorization"] = f"Bearer {self._upstream.key}"
        async with self._session.request(
            request.method,
            self._upstream.address + request.rel_url.raw_path,
            data=await body.data(),
            headers=headers,
            allow_redirects=False,
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


class _Turns:
    """Requests side by side, and now and then one alone, for which those that come later wait."""

    def __init__(self) -> None:
        self._gate = asyncio.Lock()
        self._none = asyncio.Event()
        self._none.set()
        self._now = 0

    @asynccontextmanager
    async def taken(self, *, alone: bool) -> AsyncIterator[None]:
        if alone:
            async with self._gate:
                await self._none.wait()
                yield
            return
        async with self._gate:
            self._now += 1
            self._none.clear()
        try:
            yield
        finally:
            self._now -= 1
            if not self._now:
                self._none.set()


class _Body:
    """A request's body, on its way. too_large: whether it was cut off for its size."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self.too_large = False

    async def data(self) -> bytes | AsyncIterator[bytes] | None:
        """What to send: small ones whole, others in pieces."""
        if not self._request.can_read_body:
            return None
        length = self._request.content_length
        if length is not None and length <= _AT_ONCE:
            return await self._request.read()
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        seen = 0
        async for piece in self._request.content.iter_any():
            seen += len(piece)
            if seen > LARGEST_BODY:
                self.too_large = True
                raise ValueError("too large")
            yield piece


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound socket: on loopback for a host there, else on every interface of this node.

    port: 0 for one that is free. Raises OSError.
    """
    if host in ("127.0.0.1", "localhost"):
        return socket.create_server(("127.0.0.1", port))
    if host == "::1":
        return socket.create_server((host, port), family=socket.AF_INET6)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", port))


def _refused(
    status: int, kind: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    response = web.json_response(
        {"error": {"type": f"notemill_{kind}", "message": message}}, status=status, headers=headers
    )
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status in (401, 413):
        response.force_close()  # the rest of its body is not waited for
    return response


def _too_large() -> web.Response:
    return _refused(413, "size", f"a request may have {LARGEST_BODY >> 20} MiB")
