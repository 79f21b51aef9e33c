"""Asks a server with more and more requests in flight, each as an answer job would ask it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from notemill.answers.asking import Asking
from notemill.answers.heard import Heard
from notemill.answers.verdict import Status
from notemill.engines.protocol import Engine, EngineGone
from notemill.errors import NotemillError

GONE = "gone"
"""Status of a note during which the server closed the connection, or did not take it."""
_PAUSE_S = 1.0
_MOST_GONE = 5


class Asked(NamedTuple):
    """A note that was asked. in_flight: of its level; began_s, seconds: since the level began, and
    until its end, with all attempts; status: as in a result shard, or `gone`."""

    in_flight: int
    began_s: float
    seconds: float
    status: str
    attempts: int
    prompt_tokens: int
    answer_tokens: int

    @property
    def ended_s(self) -> float:
        return self.began_s + self.seconds


@dataclass(frozen=True)
class Level:
    """So many requests in flight. notes_per_second: that ended answered in the time that all were
    in flight; latency: seconds that half, nine of ten, and 99 of 100 notes took at most."""

    in_flight: int
    asked: int
    failed: int
    notes_per_second: float
    tokens_per_second: float
    latency: tuple[float, float, float]
    failures: dict[str, int]


QUANTILES = (0.5, 0.9, 0.99)


async def bench(
    engine: Engine,
    asking: Asking,
    texts: Sequence[str],
    levels: Sequence[int],
    seconds: float,
    told: Callable[[Level], None] = lambda _: None,
) -> list[Asked]:
    """Every note asked, in the order of their ends. texts: asked in turn, again when they are over.

    seconds: for which each level begins new notes. told: of each level when it is over. Raises
    NotemillError when the server stays away.
    """
    heard, done = Heard(engine), []
    turns = itertools.cycle(texts)
    for in_flight in levels:
        asked = await _level(heard, asking, turns, in_flight, seconds)
        told(level_of(asked, in_flight, seconds))
        done += asked
    return done


async def _level(
    engine: Heard, asking: Asking, texts: Iterator[str], in_flight: int, seconds: float
) -> list[Asked]:
    began = time.monotonic()
    done: list[Asked] = []

    async def worker() -> None:
        gone = 0
        while (at := time.monotonic() - began) < seconds:
            try:
                outcome = (await asking.ask(engine, next(texts))).outcome
            except EngineGone as error:
                gone += 1
                took = time.monotonic() - began - at
                done.append(Asked(in_flight, at, took, GONE, 1, 0, 0))
                if gone == _MOST_GONE:
                    raise _stays_away(error) from error
                await asyncio.sleep(_PAUSE_S)
                continue
            gone = 0
            told = outcome.prompt_tokens, outcome.answer_tokens
            took = time.monotonic() - began - at
            done.append(Asked(in_flight, at, took, outcome.status, outcome.attempts, *told))

    workers = [asyncio.create_task(worker()) for _ in range(in_flight)]
    try:
        await asyncio.gather(*workers)
    finally:
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return done


def level_of(asked: Sequence[Asked], in_flight: int, seconds: float) -> Level:
    """What a level came to. Notes that ended after its time, with fewer beside them, do not count
    for the speed."""
    took = [each.seconds for each in asked if each.status == Status.ANSWERED]
    in_time = [each for each in asked if each.ended_s <= seconds and each.status == Status.ANSWERED]
    span = seconds
    if not in_time:  # slower than a level lasts: then what all took
        in_time = [each for each in asked if each.status == Status.ANSWERED]
        span = max((each.ended_s for each in asked), default=seconds)
    tokens = sum(each.prompt_tokens + each.answer_tokens for each in in_time)
    failures = Counter(each.status for each in asked if each.status != Status.ANSWERED)
    half, most, last = np.quantile(took, QUANTILES) if took else (float("nan"),) * 3
    return Level(
        in_flight,
        len(asked),
        sum(failures.values()),
        len(in_time) / span,
        tokens / span,
        (float(half), float(most), float(last)),
        dict(failures),
    )


def levels_of(asked: Sequence[Asked], seconds: float) -> list[Level]:
    """What each level came to, ascending."""
    return [
        level_of([each for each in asked if each.in_flight == in_flight], in_flight, seconds)
        for in_flight in sorted({each.in_flight for each in asked})
    ]


def _stays_away(error: EngineGone) -> NotemillError:
    return NotemillError(
        f"the server does not answer any more ({error})",
        where="`notemill servers --test` tells which do",
        remedy="look at its log; with fewer requests in flight it may hold",
    )
