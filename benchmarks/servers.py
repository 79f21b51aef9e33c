"""One job with several servers beside one with one: whether all slots of all are full.

    python -m benchmarks.servers [--servers 1 8] [--slots 4] [--seconds 0.5] [--runs 3]

Each server takes a fixed time for a note (benchmarks.slow_server), so a job's best rate is known:
servers x slots / seconds. What runs is notemill's own job: queue, client, journal. Numbers of
servers take turns; the rate is over the steady part, after each slot's first note and before the
last ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from notemill.answers.opening import opened
from notemill.answers.outcome import Outcome
from tests.servers.shard_site import ShardSite

_ANSWER = '{"explanation": "no sign of it", "response": "(2) Unlikely"}'


@dataclass(frozen=True)
class Measured:
    """One job. texts_per_s: of its steady part; best: what full slots would give; share: of it."""

    servers: int
    slots: int
    seconds_a_text: float
    texts: int
    texts_per_s: float
    best: float
    share: float


def measure(servers: int, *, slots: int = 4, seconds: float = 0.5, rounds: int = 15) -> Measured:
    """A job with so many servers. rounds: notes of each slot."""
    texts = servers * slots * rounds
    with tempfile.TemporaryDirectory(prefix="notemill-servers-") as folder:
        site = ShardSite(
            Path(folder),
            [f"Visit {number}. Clear lungs." for number in range(texts)],
            engine={
                "kind": "openai",
                "command": [
                    *(sys.executable, "-m", "benchmarks.slow_server"),
                    *("{port}", "{slots}", str(seconds), _ANSWER),
                ],
                "slots": slots,
                "servers": servers,
                "gpu": "off",
                "environment": {"PYTHONPATH": str(Path(__file__).parents[1])},
            },
            experiment={"model": "m"},
        )
        ends: list[float] = []

        def ended(_: str, outcome: Outcome) -> None:
            assert outcome.status == "answered", outcome.detail
            ends.append(time.monotonic())

        with opened(site.job()) as work:
            asyncio.run(work.ask(work.texts(), slots, ended=ended))
        assert len(ends) == texts
    full = servers * slots
    steady = ends[full - 1 : -full]
    rate = (len(steady) - 1) / (steady[-1] - steady[0])
    best = full / seconds
    return Measured(servers, slots, seconds, texts, round(rate, 2), best, round(rate / best, 4))


def measured(
    numbers: list[int], runs: int, *, slots: int = 4, seconds: float = 0.5, rounds: int = 15
) -> dict[int, list[Measured]]:
    """Jobs by their servers, in turns."""
    found: dict[int, list[Measured]] = {number: [] for number in numbers}
    for _ in range(runs):
        for number in numbers:
            found[number].append(measure(number, slots=slots, seconds=seconds, rounds=rounds))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--servers", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=3)
    given = vars(parser.parse_args())
    numbers = given.pop("servers")
    found = measured(numbers, given.pop("runs"), **given)
    first = median(each.texts_per_s for each in found[numbers[0]])
    for number, jobs in found.items():
        rate = median(each.texts_per_s for each in jobs)
        print(
            f"{number} servers: {rate:.1f} texts/s, {rate / first:.2f} times {numbers[0]}; "
            f"{median(each.share for each in jobs):.3f} of full slots"
        )
        for each in jobs:
            print("   ", json.dumps(asdict(each)))


if __name__ == "__main__":
    main()
