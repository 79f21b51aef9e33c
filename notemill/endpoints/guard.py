"""A bearer token in front of a model server: what asking and proving need goes through, no more.

Bodies pass in pieces, unread: no note and no answer is kept or logged here.
"""

from __future__ import annotations

import hmac
import logging
import math
import socket
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal, NamedTuple

import aiohttp
from aiohttp import web

from notemill.endpoints.passage import LARGEST_BODY, Body, BodyCut, Passage, Upstream
from notemill.endpoints.standing import JOB_HEADER, STANDING_PATH, Standing
from notemill.endpoints.turns import Turns
from notemill.engines.http import ALONE_HEADER, STATE_HEADER
from notemill.engines.protocol import EngineGone
from notemill.logs import log, unexpected

_RATE_S = 60.0
_HERE_S = 10.0
"""A job counts among those that share the slots for so long after its last look."""
_END_S = 1.0
_ASKING = {("POST", "/v1/chat/completions"), ("POST", "/api/chat")}
_PROVING = {
    "openai": {("GET", "/v1/models")},
    "ollama": {("GET", "/api/version"), ("GET", "/api/tags"), ("GET", "/api/ps")},
}
_QUIET = logging.Logger("quiet", logging.CRITICAL + 1)

State = Literal["starting", "ready", "draining"]


class About(NamedTuple):
    """What a guard says of what is behind it."""

    engine: str
    model: str
    digest: str
    slots: int


class Guard:
    """Counts what goes through, and refuses what is new while it is not ready.

    token: asked of every request. speaks_openai: which interface the engine has. lost: called when
    the engine closes a connection. passage: through which requests go on to the engine.
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
        self._turns = Turns()
        self.passage = Passage()
        self._ends: deque[float] = deque()
        self._jobs: dict[str, float] = {}
        self._began = time.monotonic()
        self.about = About("", "", "", 1)
        self.state: State = "starting"
        self.in_flight = self.answered = self.failed = 0
        self._last_end = -math.inf

    def stands_before(self, upstream: Upstream, about: About) -> None:
        """Let requests through to this server from now on."""
        self.passage.to, self.about, self.state = upstream, about, "ready"

    @property
    def quiet_s(self) -> float:
        """Seconds since anything was asked of the server last; 0 while something is."""
        return 0.0 if self.in_flight else time.monotonic() - self._last_end

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        now = time.monotonic()
        while self._ends and self._ends[0] < now - _RATE_S:
            self._ends.popleft()
        self._jobs = {job: seen for job, seen in self._jobs.items() if seen > now - _HERE_S}
        span = min(max(now - self._began, 1.0), _RATE_S)
        return Standing(
            state=self.state,
            in_flight=self.in_flight,
            jobs=max(len(self._jobs), 1),
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
        runner = web.ServerRunner(server, shutdown_timeout=_END_S)
        await runner.setup()
        try:
            async with self.passage.open():
                await web.SockSite(runner, place, ssl_context=tls, backlog=1024).start()
                yield
        finally:
            await runner.cleanup()

    async def _handled(self, request: web.BaseRequest) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, self._authorization):
            return _refused(401, "token", "this endpoint asks for its token")
        what = request.method, request.rel_url.raw_path
        if what == ("GET", STANDING_PATH):
            if job := request.headers.get(JOB_HEADER):
                self._jobs[job] = time.monotonic()
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
        body = Body(request)
        if body.too_large:
            return _too_large()
        if not asking:
            return await self._through(request, body)
        self.in_flight += 1
        answered = False
        try:
            async with self._turns.taken(alone=ALONE_HEADER in request.headers):
                if request.headers.get("Expect", "").lower() == "100-continue":
                    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    request.writer.output_size = 0
                response = await self._through(request, body)
            answered = response.status == 200
            return response
        finally:
            self.in_flight -= 1
            self._last_end = time.monotonic()
            self._count(answered)

    def _count(self, answered: bool) -> None:
        if answered:
            self.answered += 1
            self._ends.append(time.monotonic())
        else:
            self.failed += 1

    async def _through(self, request: web.BaseRequest, body: Body) -> web.StreamResponse:
        """Hand the request on and its reply back; without a reply the connection is closed."""
        try:
            return await self.passage.replied(request, body)
        except (aiohttp.ClientError, OSError, EngineGone, BodyCut):
            if body.too_large:
                return _too_large()
            if not body.silent and request.transport and not request.transport.is_closing():
                self._lost()
        except Exception as error:
            log.error(unexpected(error))
        if request.transport:
            request.transport.abort()  # as the engine itself would have: nothing half said is taken
        return web.Response(status=502)


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
