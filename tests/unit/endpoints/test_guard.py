"""The guard: what it lets through, what it refuses, and what it leaves nowhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from notemill.endpoints import guard as module
from notemill.endpoints.certificates import Certificate, own_certificate, read_certificate
from notemill.endpoints.guard import About, Guard, Upstream, listening_socket
from notemill.endpoints.standing import STANDING_PATH, Standing
from notemill.engines.http import STATE_HEADER, Http
from notemill.engines.protocol import EngineGone
from notemill.errors import NotemillError
from tests.certificate import make_certificate

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


@pytest.mark.parametrize("size", [0, 10, 200_000, 3_000_000])
def test_a_request_goes_through_whole_and_its_token_stays_behind(size: int) -> None:
    async def use(site: Site) -> None:
        body = b"x" * size
        assert await site.ask(data=body) == (200, b"said: " + body)

    site = tried(echo, use)
    ((method, path, headers, body),) = site.came
    assert (method, path, len(body)) == ("POST", ASK, size)
    assert headers["Authorization"] == "Bearer inner-key"
    assert TOKEN not in str(headers)


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1], "é"])
@pytest.mark.parametrize("path", [ASK, "/v1/models", STANDING_PATH, "/metrics", "/nowhere"])
def test_without_the_token_nothing_is_told_or_asked(token: str, path: str) -> None:
    async def use(site: Site) -> None:
        status, body = await site.ask(path, token, **({"data": b"note"} if path == ASK else {}))
        assert status == 401 and b"notemill_token" in body and b"engine" not in body

    assert tried(echo, use).came == []


@pytest.mark.parametrize(
    ("speaks_openai", "path", "through"),
    [
        (True, "/v1/models", True),
        (True, "/metrics", True),
        (True, "/v1/completions", False),
        (True, "/slots", False),
        (True, "/api/tags", False),
        (True, "/v1/models/../../slots", False),
        (True, "/v1/%6dodels", False),
        (True, "//v1/models", False),
        (False, "/api/tags", True),
        (False, "/api/ps", True),
        (False, "/api/version", True),
        (False, "/api/pull", False),
        (False, "/api/blobs/sha256:00", False),
        (False, "/v1/models", False),
    ],
)
def test_only_what_asking_and_proving_need_goes_through(
    speaks_openai: bool, path: str, through: bool
) -> None:
    async def use(site: Site) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(site.address[-5:]))
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        status = (await reader.readline()).split()[1]
        writer.close()
        assert status == (b"200" if through else b"404")

    site = tried(echo, use, speaks_openai=speaks_openai)
    assert len(site.came) == through


@pytest.mark.parametrize("path", ["/api/delete", "/api/chat", "/v1/models", STANDING_PATH])
def test_a_model_can_not_be_changed_through_it(path: str) -> None:
    async def use(site: Site) -> None:
        assert (await site.ask(path, data=b"{}"))[0] == 404

    assert tried(echo, use).came == []


def test_a_draining_endpoint_ends_what_it_has_and_takes_nothing_new() -> None:
    go = asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        await go.wait()
        return await echo(request)

    async def use(site: Site) -> None:
        first = asyncio.create_task(site.ask(data=b"first"))
        while not site.came:
            await asyncio.sleep(0.001)
        site.guard.state = "draining"
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                site.address + ASK, data=b"second", headers={"Authorization": f"Bearer {TOKEN}"}
            ) as reply,
        ):
            assert (reply.status, reply.headers[STATE_HEADER]) == (503, "draining")
        standing = await site.standing()
        assert (standing.state, standing.in_flight, standing.answered) == ("draining", 1, 0)
        go.set()
        assert await first == (200, b"said: first")
        standing = await site.standing()
        assert (standing.in_flight, standing.answered, standing.slots) == (0, 1, 2)
        assert standing.per_second > 0

    assert len(tried(slow, use).came) == 1


def test_one_that_is_to_be_alone_waits_for_others_and_others_for_it() -> None:
    go = {name: asyncio.Event() for name in (b"first", b"alone", b"later")}

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        await go[request["body"]].wait()
        return await echo(request)

    async def use(site: Site) -> None:
        def begun() -> list[bytes]:
            return [body for *_, body in site.came]

        async def settled() -> None:
            for _ in range(20):
                await asyncio.sleep(0.005)

        http = Http(site.address, TOKEN)
        tasks = [asyncio.create_task(http.post(ASK, b"first"))]
        await settled()
        tasks.append(asyncio.create_task(http.post(ASK, b"alone", alone=True)))
        await settled()
        tasks.append(asyncio.create_task(http.post(ASK, b"later")))
        await settled()
        assert begun() == [b"first"]
        assert (await site.standing()).in_flight == 3
        go[b"first"].set()
        await settled()
        assert begun() == [b"first", b"alone"]
        go[b"alone"].set()
        go[b"later"].set()
        assert [each.status for each in await asyncio.gather(*tasks)] == [200] * 3
        await http.close()

    tried(slow, use)


def test_a_lost_engine_closes_the_connection_so_that_nothing_half_said_is_taken() -> None:
    async def broken(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 1_000_000
        await response.prepare(request)
        await response.write(b"half a reply" * 10_000)
        assert request.transport
        request.transport.abort()
        return response

    async def use(site: Site) -> None:
        http = Http(site.address, TOKEN)
        with pytest.raises(EngineGone):
            await http.post(ASK, b"{}")
        await http.close()
        standing = await site.standing()
        assert (standing.in_flight, standing.answered, standing.failed) == (0, 0, 1)

    assert tried(broken, use).lost == 1


def test_a_client_that_goes_frees_its_slot() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        begun.set()
        try:
            while request.transport and not request.transport.is_closing():
                await asyncio.sleep(0.01)
        finally:
            ended.set()
        return web.Response()

    async def use(site: Site) -> None:
        asked = asyncio.create_task(site.ask(data=b"x"))
        await begun.wait()
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await asyncio.wait_for(ended.wait(), 20)
        while (await site.standing()).in_flight:
            await asyncio.sleep(0.01)

    assert tried(endless, use).lost == 0


@pytest.mark.parametrize("told", [True, False])
def test_what_is_larger_than_any_prompt_is_refused_and_does_not_reach_the_engine_whole(
    told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_BODY", 100_000)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    async def use(site: Site) -> None:
        status, body = await site.ask(data=b"x" * 300_000 if told else pieces())
        assert status == 413 and b"notemill_size" in body

    site = tried(echo, use)
    assert site.lost == 0 and not any(len(body) > 100_000 for *_, body in site.came)


def test_neither_notes_nor_tokens_are_logged(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async def failing(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=500, text="your note: SECRETNOTE")

    async def use(site: Site) -> None:
        assert (await site.ask(data=b"SECRETNOTE"))[0] == 500
        await site.ask("/nowhere?note=SECRETNOTE", data=b"SECRETNOTE")
        await site.ask(token="SECRETNOTE", data=b"SECRETNOTE")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(site.address[-5:]))
        writer.write(b"SECRETNOTE garbage\r\n\r\n")
        await reader.read()
        writer.close()

    with caplog.at_level(logging.DEBUG):
        tried(failing, use)
    told = caplog.text + "".join(capfd.readouterr())
    assert "SECRETNOTE" not in told and TOKEN not in told


def test_a_certificate_of_its_own_is_held_to_by_those_who_know_it() -> None:
    own = own_certificate("n1")
    strangers = own_certificate("n1")

    async def use(site: Site) -> None:
        knows = Http(site.address, TOKEN, own.sha256)
        assert (await knows.get("/v1/models")).ok
        for other in (strangers.sha256, ""):
            fooled = Http(site.address, TOKEN, other)
            with pytest.raises(EngineGone):
                await fooled.post(ASK, b"note")
            await fooled.close()
        await knows.close()

    site = tried(echo, use, certificate=own)
    assert [path for _, path, _, _ in site.came] == ["/v1/models"]


def test_a_sites_certificate_is_served_and_its_key_kept(tmp_path: Path) -> None:
    make_certificate(tmp_path / "n1", "DNS:n1")
    certificate, key = tmp_path / "n1.pem", tmp_path / "n1.key"
    read = read_certificate(certificate, key)

    async def use(site: Site) -> None:
        knows = Http(site.address, TOKEN, read.sha256)
        assert (await knows.get("/v1/models")).ok
        await knows.close()

    tried(echo, use, certificate=read)
    for path, text in ((key, "no key"), (certificate, "")):
        before = path.read_text()
        path.write_text(text)
        with pytest.raises(NotemillError, match="can't be used"):
            read_certificate(certificate, key)
        path.write_text(before)
    key.chmod(0o644)
    with pytest.raises(NotemillError, match="open to others"):
        read_certificate(certificate, key)
    with pytest.raises(NotemillError, match="can't be used"):
        read_certificate(certificate, tmp_path / "nowhere")
