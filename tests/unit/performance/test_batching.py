"""A server that is a model takes as long as its GPU's figures say, and passes for a real one."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from benchmarks.performance.batching import Batching
from benchmarks.performance.gpus import ANSWER_TOKENS, GPUS, Speed
from benchmarks.performance.ours import Prepared
from tests.unit.answers.service import at_once
from tests.workflow.project import REPOSITORY

SPEED = Speed(GPUS["L40S"])
PROMPT = "x" * 2000  # 500 tokens, one chunk


def took(asking: Coroutine[Any, Any, Any], patch: pytest.MonkeyPatch) -> float:
    """Seconds of the clock that passes while all wait."""

    async def timed() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asking
        return loop.time() - began

    return float(at_once(timed(), patch))


def writing(answers: int, tokens: float) -> float:
    """Seconds for all tokens of so many answers, written together."""
    steps = (SPEED.step_s(answers, answers * (tokens + done)) for done in range(ANSWER_TOKENS))
    return sum(steps)


def test_a_request_alone_takes_its_reading_and_its_writing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = SPEED.read_s(500, 250) + writing(1, 500)
    server = Batching(SPEED, 4, 1)
    assert took(server.answer(PROMPT, 100), monkeypatch) == pytest.approx(expected, rel=0.01)


def test_slots_read_one_after_another_and_write_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Batching(SPEED, 8, 1)

    async def eight() -> None:
        await asyncio.gather(*(server.answer(f"{n}{PROMPT}", 100) for n in range(8)))

    least = 8 * SPEED.read_s(500, 250) + writing(1, 500)
    assert least < took(eight(), monkeypatch) < 8 * writing(1, 500)


def test_more_requests_than_slots_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Batching(SPEED, 1, 1)

    async def two() -> None:
        await asyncio.gather(*(server.answer(f"{n}{PROMPT}", 100) for n in range(2)))

    alone = SPEED.read_s(500, 250) + writing(1, 500)
    assert took(two(), monkeypatch) == pytest.approx(2 * alone, rel=0.02)


def test_a_slot_keeps_what_the_next_prompt_begins_with(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Batching(SPEED, 2, 1)

    async def one_after_another() -> None:
        await server.answer("a" * 400 + "b" * 400, 10)
        await server.answer("a" * 400 + "c" * 400, 10)

    took(one_after_another(), monkeypatch)
    assert (server.stats.read, server.stats.cached) == (300, 100)


def test_a_client_that_leaves_frees_its_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Batching(SPEED, 1, 1)

    async def left() -> None:
        gone = asyncio.ensure_future(server.answer(PROMPT, 100))
        await asyncio.sleep(0.05)
        gone.cancel()
        await server.answer("y" * 400, 1)

    assert took(left(), monkeypatch) < 0.2


def test_notemill_proves_such_a_server_and_answers_every_text(tmp_path: Path) -> None:
    texts = [f"Report {n}. No sign of infection." for n in range(12)]
    prepared = Prepared(tmp_path, texts, 1, 2048)
    command = ["benchmarks.performance.service", "--gpu", "H100", "--slots", "4"]
    command += ["--scale", "50", "--context", "2048"]
    with subprocess.Popen(
        [sys.executable, "-m", *command], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout
            (asked,) = prepared.ask(json.loads(server.stdout.readline()), 4)
        finally:
            server.terminate()
    assert (asked.texts, asked.failed) == (12, 0)
    assert asked.seconds > 0
