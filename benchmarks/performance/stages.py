"""The stages beside answering, each by its own benchmark; a stage is measured alone as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median

from benchmarks import overhead, plan
from benchmarks.performance.records import Measurement


def _plans(quick: bool, repeats: int) -> Iterator[Measurement]:
    for shards in (1000,) if quick else (100, 1000, 3000, 9999):
        yield from _plan(shards, repeats, finished=False)
    for shards in (1000,) if quick else (1000, 2000):
        yield from _plan(shards, repeats, finished=True)


def _plan(shards: int, repeats: int, *, finished: bool) -> Iterator[Measurement]:
    for number, each in enumerate(plan.measure(shards, repeats, finished=finished)):
        line = {"shards": shards, "what": "nothing to do" if finished else "fresh"}
        more = {"cpu_s": round(each.cpu, 3), "memory_mib": round(each.memory)}
        yield Measurement(line, each.who, round(each.seconds, 3), "s", number // 2, more)


def _shards(quick: bool, repeats: int) -> Iterator[Measurement]:
    for number in range(repeats):
        for each in overhead.measure(2 if quick else 4):
            line = {"what": "a shard's job on Slurm"}
            for part, seconds in each.parts.items():
                yield Measurement(line, part, round(seconds, 3), "s", number)


STAGES: dict[str, Callable[[bool, int], Iterator[Measurement]]] = {
    "plan": _plans,
    "shard": _shards,
}


def middle(values: list[float]) -> float:
    """The median."""
    return median(values)
