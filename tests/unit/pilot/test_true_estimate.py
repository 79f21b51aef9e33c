"""A pilot's estimate against what all jobs then take, on a clock of their own."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from notemill.answers import job as answer_job
from notemill.answers.job import answer_shards
from notemill.notes.manifest import read_manifest
from notemill.paths import shard_names
from notemill.pilot import job as pilot_job
from notemill.pilot.estimate import SNAKEMAKE_S, Estimate, ShardCount, estimate
from notemill.pilot.job import run_pilots
from tests.unit.answers.service import COHORT, Machine, at_once, job_of
from tests.unit.conftest import Clinic

SHARDS = 3
TEXTS = 700


class Stopwatch:
    """Runs what is asked on a clock of its own, and adds up the seconds of that clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        for job in (pilot_job, answer_job):
            monkeypatch.setattr(job, "until_terminated", self._run)
        self._monkeypatch = monkeypatch

    def _run(self, asking: Coroutine[Any, Any, None]) -> None:
        async def timed() -> None:
            began = time.monotonic()
            await asking
            self.seconds += time.monotonic() - began

        at_once(timed(), self._monkeypatch)


@pytest.mark.parametrize(
    ("speed", "slots"),
    [
        (lambda busy: 3000 / (10 + busy), "auto"),
        (lambda busy: 3000 / (10 + busy), 8),
        (lambda busy: 300 / busy, 4),
    ],
    ids=["a GPU, slots auto", "a GPU, 8 slots", "a CPU, whose slots share it"],
)
def test_a_pilot_tells_what_all_jobs_then_take(
    clinic: Clinic,
    monkeypatch: pytest.MonkeyPatch,
    speed: Callable[[int], float],
    slots: int | str,
) -> None:
    """Within 15 % and in its range, texts' costs being very different."""
    chance = random.Random(3)
    lengths = [int(chance.lognormvariate(5.0, 0.6)) + 1 for _ in range(TEXTS)]
    clinic.fill(*((number, f"{number} {length}") for number, length in enumerate(lengths)))
    clinic.extract(COHORT, shards=SHARDS)
    watch = Stopwatch(monkeypatch)
    job = job_of(Machine(speed), clinic, monkeypatch, slots=slots, max_failed_share=1)
    (record,) = run_pilots([job])
    manifest = read_manifest(clinic.manifest(COHORT))
    asked = {record.shard: sum(text.slots > 0 for text in record.asked)}
    told = estimate(
        record,
        [ShardCount(each.name, each.texts, asked.get(each.name, 0)) for each in manifest.shards],
    )
    assert isinstance(told, Estimate)
    watch.seconds = 0.0
    for shard in shard_names(SHARDS):
        answer_shards([replace(job, shard=shard)])
    expected, low, high = (3600 * hours - told.jobs * SNAKEMAKE_S for hours in told.left_hours)
    assert low < watch.seconds < high
    assert abs(expected / watch.seconds - 1) < 0.15
