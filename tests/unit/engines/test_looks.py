"""A look at the model of a name, shared by the answers that came before it."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from notemill.config import Options
from notemill.endpoints.door import listening_socket
from notemill.engines.http import Http
from notemill.engines.ollama.client import OllamaClient
from notemill.engines.ollama.looks import Looks
from notemill.engines.protocol import Question
from notemill.errors import EngineRefused

QUESTION = Question("system", "user", {}, 8, 0, 0.0)


def test_a_look_that_began_earlier_counts_for_nothing() -> None:
    async def main() -> None:
        begun, go = [], asyncio.Event()

        async def look() -> None:
            begun.append(len(begun))
            await go.wait()

        looks = Looks(look)
        first = asyncio.create_task(looks.since_now())
        while not begun:
            await asyncio.sleep(0)
        later = [asyncio.create_task(looks.since_now()) for _ in range(50)]
        await asyncio.sleep(0.01)
        assert len(begun) == 1 and not first.done()
        go.set()
        await asyncio.gather(first, *later)
        assert len(begun) == 2, "one for all who came during the first"

    asyncio.run(main())


def test_who_goes_takes_no_look_from_others_and_none_is_left_behind() -> None:
    async def main() -> None:
        looked = 0

        async def look() -> None:
            nonlocal looked
            await asyncio.sleep(0.01)
            looked += 1

        looks = Looks(look)
        goes, stays = (asyncio.create_task(looks.since_now()) for _ in range(2))
        await asyncio.sleep(0)
        goes.cancel()
        await stays
        assert looked == 1
        goes = asyncio.create_task(looks.since_now())
        await asyncio.sleep(0)
        goes.cancel()
        await looks.close()
        assert looked == 1 and len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_no_answer_counts_once_its_model_has_changed_and_many_share_a_look() -> None:
    async def main() -> None:
        digest, looks, answered = "a" * 64, 0, 0

        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            nonlocal looks, answered
            if request.path == "/api/tags":
                told = {"models": [{"name": "m:1", "digest": digest}]}
                looks += 1
                await asyncio.sleep(0.02)
                return web.json_response(told)
            await request.read()
            answered += 1
            return web.json_response({"message": {"content": "{}"}, "done": True})

        runner = web.ServerRunner(web.Server(serve))
        await runner.setup()
        place = listening_socket("127.0.0.1", 0)
        await web.SockSite(runner, place).start()
        address = f"http://127.0.0.1:{place.getsockname()[1]}"
        client = OllamaClient(address, "m:1", Options(), {}, Http(address))
        client.holds_to = digest
        try:
            await asyncio.gather(*(client.ask(QUESTION, 60) for _ in range(40)))
            assert answered == 40 and 1 <= looks <= 30
            asked = [asyncio.create_task(client.ask(QUESTION, 60)) for _ in range(10)]
            while answered < 41:
                await asyncio.sleep(0)
            digest = "b" * 64
            changed_at = answered
            ends = await asyncio.gather(*asked, return_exceptions=True)
            refused = [end for end in ends if isinstance(end, EngineRefused)]
            assert len(refused) >= 50 - changed_at
            with pytest.raises(EngineRefused, match="has become another"):
                await client.ask(QUESTION, 60)
        finally:
            await client.close()
            await runner.cleanup()

    asyncio.run(main())
