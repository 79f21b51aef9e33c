"""The guard: what it lets through, what it refuses, and what it leaves nowhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from notemill.endpoints import passage as module
from notemill.endpoints.certificates import own_certificate, read_certificate
from notemill.endpoints.door import listening_socket
from notemill.endpoints.passage import Upstream
from notemill.endpoints.standing import STANDING_PATH
from notemill.engines.http import Http
from notemill.engines.protocol import EngineGone
from notemill.errors import NotemillError
from tests.certificate import make_certificate
from tests.neighbour import needs_root, taking
from tests.unit.endpoints.guarded import ABOUT, ASK, TOKEN, Site, echo, tried


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


@needs_root
def test_a_neighbour_who_takes_the_engines_port_is_sent_nothing_and_the_engine_is_lost() -> None:
    async def use(site: Site) -> None:
        with listening_socket("127.0.0.1", 0) as place:
            port = place.getsockname()[1]
        with taking(port, "forged") as lines:
            assert lines.readline() == "taken\n"
            site.guard.stands_before(Upstream(f"http://127.0.0.1:{port}", "inner-key"), ABOUT)
            with pytest.raises(aiohttp.ClientError):
                await site.ask(data=b"a note")
            with pytest.raises(EngineGone, match="another user"):
                await site.guard.passage.reach()
            async with aiohttp.ClientSession() as anyone:
                async with anyone.post(f"http://127.0.0.1:{port}/", data=b"no note") as reply:
                    assert await reply.read() == b"forged"
            assert "inner-key" not in lines.readline()

    assert tried(echo, use).lost == 1
