"""Endpoints in this process, for a job's asking: they come, drain, die and return."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from notemill.answers import asking, endpoint, endpoints, versions
from notemill.answers.endpoint import Endpoints
from notemill.endpoints.known import Known, Seen
from notemill.endpoints.standing import Standing
from notemill.engines.protocol import (
    At,
    Engine,
    EngineDraining,
    EngineGone,
    NotBegun,
    Question,
    Reply,
)
from notemill.errors import EngineRefused
from tests.unit.answers.pools import Answer, Job
from tests.unit.conftest import ANSWER, SmallEngine


def known(name: str, slots: int | None = 2) -> Known:
    return Known(At(name, f"http://{name}"), slots=slots, where=name)


class Place:
    """An endpoint. state: as its guard has it, `gone` for none; dies_of: a text that kills it;
    others: requests of other jobs."""

    def __init__(self, name: str, slots: int = 2, answer: Answer = lambda _: ANSWER) -> None:
        self.known = known(name, slots)
        self.engine = SmallEngine(answer)
        self.engine.description = "small 1"
        self.slots = slots
        self.state = "ready"
        self.refusal: EngineRefused | None = None
        self.proofs = 0
        self.others = 0
        self.open = 0
        self.after: Callable[[], None] = lambda: None
        self.alone: list[str] = []

    @property
    def texts(self) -> list[str]:
        asked = [question.user.rpartition("\n")[2] for question in self.engine.questions]
        return [text for text in asked if text.startswith("text")]

    def baseline(self, task: str) -> int:
        return 5

    @property
    def description(self) -> str:
        return self.engine.description

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        if self.state == "gone":
            raise NotBegun("connection refused")
        if self.state == "draining":
            raise EngineDraining("draining")
        if question.alone:
            self.alone.append(question.user.rpartition("\n")[2])
        try:
            reply = await self.engine.ask(question, timeout_s)
        finally:
            self.after()
        if self.state == "gone":
            raise EngineGone("connection closed")
        return reply

    @asynccontextmanager
    async def started(self) -> AsyncIterator[Engine]:
        self.proofs += 1
        if self.state == "gone":
            raise NotBegun("connection refused")
        if self.refusal:
            raise self.refusal
        self.open += 1
        try:
            yield self
        finally:
            self.open -= 1

    async def standing(self) -> Standing | None:
        if self.state == "gone":
            raise EngineGone("connection refused")
        return Standing(
            state=self.state,  # type: ignore[arg-type]
            slots=self.slots,
            in_flight=self.engine.now + self.others,
            answered=0,
            failed=0,
            per_second=0,
            engine="",
            model="",
            digest="",
        )

    async def close(self) -> None:
        pass


class Pooled(Job):
    """A shard's asking at endpoints. There is what `places` has; passed_over: as a look tells."""

    def __init__(self, task: Any, texts: int, *places: Place, wait_s: float = 5, **changes: Any):
        super().__init__(task, lambda _: ANSWER, texts, **changes)
        self.places = {place.known.name: place for place in places}
        self.passed_over: dict[str, str] = {}
        self.ever = dict(self.places)
        self.may_grow = True
        self.looks = 0
        self.wait_s = wait_s

    def look(self) -> Seen:
        self.looks += 1
        self.ever |= self.places
        there = [
            replace(place.known, draining=place.state == "draining")
            for place in self.places.values()
        ]
        return Seen(there, dict(self.passed_over), self.may_grow)

    async def run_async(self) -> None:
        found = Endpoints(
            look=self.look,
            start=lambda known: self.ever[known.name].started(),
            wait_s=self.wait_s,
            slots=2,
            watch=lambda known: self.ever[known.name],  # type: ignore[arg-type, return-value]
        )
        try:
            await asyncio.wait_for(self.asking.run_on(self.texts(), found), 60)
        finally:
            assert not any(place.open for place in self.places.values())

    def asked(self) -> list[str]:
        return [text for place in self.places.values() for text in place.texts]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and pauses of milliseconds."""
    monkeypatch.setattr(asking, "_PAUSE_AFTER_ERROR_S", 0)
    monkeypatch.setattr(endpoint, "_LOOK_S", 0.005)
    monkeypatch.setattr(endpoint, "_SILENT_S", 0.1)
    monkeypatch.setattr(endpoint, "_FIRST_PAUSE_S", 0.005)
    monkeypatch.setattr(endpoint, "_LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(endpoints, "_LOOK_S", 0.005)
    monkeypatch.setattr(endpoints, "_REFUSED_S", 0.05)
    monkeypatch.setattr(versions, "_WAIT_S", 0.5)
