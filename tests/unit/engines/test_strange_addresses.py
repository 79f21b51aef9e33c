"""Addresses where no model server answers as it must: told before the first note."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from notemill.config import OpenAiEngine
from notemill.engines.openai.server import proven_openai
from notemill.engines.protocol import Start
from notemill.engines.record import ModelRecord
from notemill.errors import EngineRefused, NotemillError
from notemill.tasks.task import Task
from tests.unit.engines.http_server import OPTIONS, SECRET, Server, changed, serving


class TestAnAddress:
    @staticmethod
    def prove(server: Server, task: Task, **changes: Any) -> None:
        engine = OpenAiEngine(
            kind="openai",
            address=f"{server.address}/v1",
            **{"start_timeout_s": 1, "answer_timeout_s": 1} | changes,
        )
        record = ModelRecord(
            engine="openai", model="m", digest="", weights_sha256="", recorded_at=""
        )

        async def run() -> None:
            start = Start(task, OPTIONS, record, Path("/nosuch/log"), threads=1, slots=1)
            async with proven_openai(engine, start):
                raise AssertionError("it was proven")

        asyncio.run(run())

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"body": b"{}"}, "status 200 with JSON whose `choices` is missing"),
            ({"body": b"<html>sign in</html>"}, r"status 200 with a web page \(HTML\)"),
            ({"body": changed("openai", "choices", [])}, "status 200 with JSON whose `choices`"),
            ({"body": b"", "status": 502}, "status 502"),
            ({"models": b"<html>sign in</html>"}, r"/models with status 200 with a web page"),
            ({"models": b"{}"}, "/models with status 200 with JSON whose `data` is missing"),
            ({"models": b"[]"}, "/models with status 200 with JSON that is no object"),
        ],
    )
    def test_that_always_answers_so_is_refused_by_its_name(
        self, task: Task, change: dict[str, Any], words: str
    ) -> None:
        with serving(Server(**change)) as server:
            with pytest.raises(NotemillError, match=words) as refused:
                self.prove(server, task)
            assert server.address in str(refused.value.where)
            assert not any(SECRET.encode() in asked for asked in server.asked)

    @pytest.mark.parametrize("status", [400, 422])
    def test_that_refuses_the_request_is_told_with_its_words(self, task: Task, status: int) -> None:
        words = json.dumps({"error": {"message": "Unrecognized request argument: top_k"}}).encode()
        with serving(Server(words, status)) as server:
            with pytest.raises(EngineRefused, match="Unrecognized request argument: top_k") as no:
                self.prove(server, task)
        assert "openai_fields_only" in no.value.remedy

    def test_that_accepts_and_hangs_is_refused_by_its_name(self, task: Task) -> None:
        with serving(Server(hang=threading.Event())) as server:
            with pytest.raises(NotemillError, match="no answer in 1 s") as refused:
                self.prove(server, task)
            assert server.address in str(refused.value.where)

    def test_that_hangs_when_it_is_asked_is_refused_by_its_name(self, task: Task) -> None:
        with serving(Server(b"{}")) as server:
            release = threading.Event()
            asked: Callable[..., Any] = release.wait
            server.asked = _Waiting(asked)
            try:
                with pytest.raises(NotemillError, match="gave no answer in 2 s") as refused:
                    self.prove(server, task)
            finally:
                release.set()
            assert server.address in str(refused.value.where)

    def test_where_nothing_listens_is_named(self, task: Task) -> None:
        with serving(Server()) as server:
            pass
        with pytest.raises(NotemillError, match="no model server answers") as refused:
            self.prove(server, task)
        assert server.address in str(refused.value.where)

    def test_without_the_model_is_refused_for_good(self, task: Task) -> None:
        other = json.dumps({"data": [{"id": "other"}]}).encode()
        with serving(Server(models=other)) as server, pytest.raises(EngineRefused, match="other"):
            self.prove(server, task)


class _Waiting(list[bytes]):
    """What a server was asked, when being asked takes long."""

    def __init__(self, wait: Callable[[], Any]) -> None:
        super().__init__()
        self._wait = wait

    def append(self, body: bytes) -> None:
        self._wait()
