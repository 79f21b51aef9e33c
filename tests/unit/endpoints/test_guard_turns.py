"""Who is answered when: draining, turns alone, and clients that go or fall silent."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from notemill.config import Options
from notemill.endpoints import guard
from notemill.endpoints import passage as module
from notemill.endpoints.watch import Watch
from notemill.engines.http import STATE_HEADER, Http
from notemill.engines.ollama.client import OllamaClient
from notemill.engines.openai.client import OpenAiClient
from notemill.engines.protocol import AnswerTimeout, At, EngineDraining, Question
from tests.unit.endpoints.guarded import ASK, TOKEN, Site, echo, tried


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
        tasks.append(asyncio.create_task(http.post(ASK, b"alone", alone=lambda: None)))
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


@pytest.mark.parametrize("openai", [True, False])
def test_a_wait_for_its_turn_is_no_time_of_a_request(openai: bool) -> None:
    go = asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        if b"other" not in request["body"]:
            await asyncio.sleep(3600)
        await go.wait()
        return await echo(request)

    async def use(site: Site) -> None:
        http = Http(site.address + ("/v1" if openai else ""), TOKEN)
        path = "/chat/completions" if openai else "/api/chat"
        other = asyncio.create_task(http.post(path, b"other"))
        while not site.came:
            await asyncio.sleep(0.005)
        kind = OpenAiClient(site.address, TOKEN, "m", Options(), http)
        client = kind if openai else OllamaClient(site.address, "m", Options(), {}, http)
        question = Question("system", "user", {}, 8, 0, 0.0, alone=True)
        asking = asyncio.create_task(client.ask(question, 0.05))
        await asyncio.sleep(0.2)
        assert not asking.done() and len(site.came) == 1
        go.set()
        with pytest.raises(AnswerTimeout):
            await asking
        assert (await other).ok and b"user" in site.came[1][3]
        await http.close()

    tried(slow, use, speaks_openai=openai)


def test_what_is_refused_waits_for_no_body_and_keeps_no_connection_in_between() -> None:
    async def use(site: Site) -> None:
        turns: list[str] = []
        http = Http(site.address, TOKEN)
        site.guard.state = "draining"
        with pytest.raises(EngineDraining):
            await http.post(ASK, b"{}", alone=lambda: turns.append("early"))
        assert not turns
        site.guard.state = "ready"
        for size in (10, 3_000_000):
            reply = await http.post(ASK, b"n" * size, alone=lambda: turns.append("turn"))
            assert reply.body == b"said: " + b"n" * size
        assert turns == ["turn"] * 2
        await http.close()

    assert len(tried(echo, use).came) == 2


@pytest.mark.parametrize("size", [10, 200_000])
@pytest.mark.parametrize("turn", ["Notemill-Alone: 1\r\nExpect: 100-continue\r\n", ""])
def test_a_client_that_is_suspended_before_its_body_keeps_nobody_waiting(
    turn: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernel keeps the connection, and another that is to be alone waits for all before it."""
    monkeypatch.setattr(module, "_SILENT_S", 0.2)

    async def use(site: Site) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", int(site.address[-5:]))
        writer.write(
            f"POST {ASK} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {TOKEN}\r\n{turn}"
            f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n".encode()
        )
        while not (await site.standing()).in_flight:
            await asyncio.sleep(0.01)
        http = Http(site.address, TOKEN)
        alone = await asyncio.wait_for(http.post(ASK, b"alone", alone=lambda: None), 60)
        assert alone.body == b"said: alone"
        await http.close()
        writer.close()

    assert tried(echo, use).lost == 0


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


def test_jobs_that_share_its_slots_are_counted_while_they_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def use(site: Site) -> None:
        at = At(site.address, site.address, TOKEN)
        watches = [Watch(at, job) for job in ("one", "two", "three", "one", "")]
        for watch in watches:
            told = await watch.standing()
        assert told and told.jobs == 3
        for watch in watches:
            await watch.close()
        monkeypatch.setattr(guard, "_HERE_S", -1.0)
        assert (await site.standing()).jobs == 1

    tried(echo, use)
