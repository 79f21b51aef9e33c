"""What several questions about a note take: asked together, and as experiments of their own.

    python -m benchmarks.tasks [--shipped]

The embedded llama.cpp, both ways in turn. Its model has random weights and is as wide between its
layers as makes reading a note most of the work, as it is for real models; its tokens are letters,
so a note of 4,000 stands for one of 1,000 tokens, and so do question and answer. --shipped: the
shipped model, notes of about 800 tokens (it holds 1,024); it is so small that each token written
costs what a hundred read ones do. Times are of this machine; the tokens read are of any.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from unittest.mock import patch

from models.notes import draw
from notemill.answers.asking import Asking
from notemill.answers.outcome import Outcome
from notemill.answers.pool import ShardAsking, Text
from notemill.answers.verdict import Status
from notemill.config import LlamaCppEngine, Options
from notemill.engines.kinds import proven_engine, record_model
from notemill.engines.protocol import Engine, Question, Reply, Start
from notemill.progress import Progress
from notemill.tasks.task import Task, read_task
from tests import random_model

SHIPPED = Path(__file__).parents[1] / "models" / "notemill-tiny.gguf"
SCHEMA = """
from typing import Literal

from pydantic import BaseModel


class Answer(BaseModel):
    response: Literal["yes", "no"]
"""
_NOTE_CHARACTERS = 4_000
_SHIPPED_CHARACTERS = 2_200
_CONTEXT, _SHIPPED_CONTEXT = 8192, 1024
_BETWEEN_LAYERS, _LAYERS = 4096, 8


def reader(folder: Path) -> Path:
    """A model that takes a few milliseconds a token written, and most of its time to read."""
    weights = folder / "reader.gguf"
    with patch.multiple(random_model, FEED_FORWARD=_BETWEEN_LAYERS, LAYERS=_LAYERS):
        random_model.write_random_model(weights)
    return weights


@dataclass(frozen=True)
class Asked:
    """One way of asking. together: the note first, all questions back to back; else each question
    is an experiment of its own, the note last. Tokens: of all prompts, and those of them that the
    engine had kept, so that it read the difference."""

    questions: int
    together: bool
    notes: int
    slots: int
    seconds: float
    prompt_tokens: int
    cached_tokens: int

    @property
    def read_tokens(self) -> int:
        """Prompt tokens that the engine had to read."""
        return self.prompt_tokens - self.cached_tokens

    @property
    def notes_per_s(self) -> float:
        """Notes with all their questions answered, a second."""
        return self.notes / self.seconds


class _Counted:
    """An engine whose prompt tokens are counted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.description = engine.description
        self.prompt_tokens = self.cached_tokens = 0

    def baseline(self, task: str) -> int:
        return self._engine.baseline(task)

    async def ask(self, question: Question, timeout_s: float) -> Reply:
        reply = await self._engine.ask(question, timeout_s)
        self.prompt_tokens += reply.prompt_tokens
        self.cached_tokens += reply.cached_tokens or 0
        return reply


def tasks(folder: Path, count: int) -> list[Task]:
    """So many questions, each in a folder of its own below this one."""
    made = []
    for number in range(count):
        place = folder / f"question_{number}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "system.md").write_text(
            f"You read one note. Question {number}: does it speak of finding number {number}? "
            'Answer in JSON with the field "response": yes or no.\n'
        )
        (place / "user.md").write_text("Read the note and answer the question.\n\nNote:\n{note}\n")
        (place / "schema.py").write_text(SCHEMA)
        made.append(read_task(folder, place.name))
    return made


def notes(count: int, characters: int = _NOTE_CHARACTERS) -> list[str]:
    """Distinct notes of about so many characters, made of the shipped model's."""
    parts = iter(draw(count * (characters // 100 + 1), seed=12))
    found = []
    for number in range(count):
        text = f"Note {number}."
        while len(text) < characters and (part := next(parts, None)):
            text += f" {part.text}"
        found.append(text)
    return found


async def measure(
    texts: Sequence[str],
    questions: Sequence[Task],
    *,
    slots: int = 1,
    rounds: int = 1,
    weights: Path = SHIPPED,
) -> list[Asked]:
    """Both ways of asking, in turn, as many rounds, on one engine each. Raises NotemillError."""
    found = []
    for _ in range(rounds):
        for together in (True, False):
            found.append(await asked(texts, questions, slots, weights, together=together))
    return found


async def asked(
    texts: Sequence[str],
    questions: Sequence[Task],
    slots: int = 1,
    weights: Path = SHIPPED,
    *,
    together: bool,
    threads: int | None = None,
) -> Asked:
    """One way of asking all questions about all texts."""
    questions = [replace(each, note_first=together) for each in questions]
    num_ctx = _SHIPPED_CONTEXT if weights == SHIPPED else _CONTEXT
    options = Options(num_ctx=num_ctx, num_predict=64)
    askings = tuple(
        Asking(each, options, attempts=1, timeout_s=300, spend_tokens=lambda _: None)
        for each in questions
    )
    shards = [askings] if together else [(each,) for each in askings]
    async with _engine(
        questions, options, slots, weights, threads or os.cpu_count() or 1
    ) as engine:
        counted, began = _Counted(engine), time.monotonic()

        @asynccontextmanager
        async def started() -> AsyncIterator[Engine]:
            yield counted

        for shard in shards:
            await ShardAsking(
                _answered,
                Progress("texts", total=len(texts) * len(shard)),
                asked=lambda _: None,
                beat=lambda: None,
                slots=slots,
                restarts=0,
            ).run((Text(str(n), text, shard) for n, text in enumerate(texts)), started)
        seconds = time.monotonic() - began
    tokens = counted.prompt_tokens, counted.cached_tokens
    return Asked(len(questions), together, len(texts), slots, seconds, *tokens)


def _answered(_: Asking, text_sha256: str, outcome: Outcome) -> None:
    if outcome.status != Status.ANSWERED:
        raise RuntimeError(f"note {text_sha256}: {outcome.status}, {outcome.detail}")


@asynccontextmanager
async def _engine(
    questions: list[Task], options: Options, slots: int, weights: Path, threads: int
) -> AsyncIterator[Engine]:
    engine = LlamaCppEngine(kind="llamacpp", weights=weights, slots=slots, gpu="off")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "engine.log"
        record = record_model(engine, weights.stem, log)
        first, *beside = questions
        start = Start(first, options, record, log, threads, slots, tuple(beside))
        async with proven_engine(engine, start) as ready:
            yield ready


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=int, default=8)
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--shipped", action="store_true")
    given = parser.parse_args()
    texts = notes(given.notes, _SHIPPED_CHARACTERS if given.shipped else _NOTE_CHARACTERS)
    print("questions  together   notes/s   s for all   tokens read   tokens kept")
    with tempfile.TemporaryDirectory() as folder:
        weights = SHIPPED if given.shipped else reader(Path(folder))
        for count in given.questions:
            questions = tasks(Path(folder), count)
            done = asyncio.run(
                measure(texts, questions, slots=given.slots, rounds=given.rounds, weights=weights)
            )
            for together in (True, False):
                of = [each for each in done if each.together is together]
                seconds = median(each.seconds for each in of)
                print(
                    f"{count:9}  {together!s:8}  {given.notes / seconds:8.3f}  {seconds:10.1f}"
                    f"  {of[0].read_tokens:12}  {of[0].cached_tokens:12}"
                )


if __name__ == "__main__":
    main()
