"""Ten million notes on paper: end to end, from the measured rates, with each assumption named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.performance.records import Part

NOTES = 10_000_000
SHARDS = 2000
SLOTS = 8
NOTE_BYTES = 1000


@dataclass(frozen=True)
class Rates:
    """What was measured, as the sum needs it. gpu: notes a second of one GPU; extract, load: rows
    a second, shard_s: of a shard's job outside its engine; plan_s: of a plan of 1,000 shards."""

    gpu: float
    extract: float
    load: float
    shard_s: float
    plan_s: float


ENGINE_S = 60.0
"""A job's engine until it is proven: 5 GB of weights from a shared file system, then the proofs."""
PILOT_S = 15 * 60.0


def ten_million(parts: Mapping[str, Part]) -> list[str]:
    """The table, and what it takes for granted."""
    rates, assumed = _rates(parts)
    if rates is None:
        return ["Not told: " + "; ".join(assumed)]
    gpus = (1, 28, 100)
    steps = {many: hours(rates, many) for many in gpus}
    lines = [
        "| hours | " + " | ".join(f"{many} GPUs" for many in gpus) + " |",
        "|---|" + "---:|" * 3,
    ]
    for step in steps[1]:
        lines.append(f"| {step} | " + " | ".join(f"{steps[g][step]:,.2f}" for g in gpus) + " |")
    whole = {many: sum(steps[many].values()) for many in gpus}
    lines.append("| **together** | " + " | ".join(f"**{whole[g]:,.1f}**" for g in gpus) + " |")
    serial = {many: 1 - steps[many]["answer: asking"] / whole[many] for many in gpus}
    lines.append(
        "| share that is not asking | " + " | ".join(f"{serial[g]:.1%}" for g in gpus) + " |"
    )
    return [*lines, "", "Taken for granted:", "", *(f"- {each}" for each in assumed)]


def hours(rates: Rates, gpus: int) -> dict[str, float]:
    """Hours of each step, one after another, with so many GPUs."""
    seconds = {
        "plan, twice (serial)": 2 * rates.plan_s * SHARDS / 1000,
        "extract (serial; the model is pulled beside it)": NOTES / rates.extract,
        "pilot (one GPU)": PILOT_S,
        "answer: asking": NOTES / (rates.gpu * gpus),
        "answer: Snakemake, files, engine's start (side by side)": SHARDS
        / gpus
        * (rates.shard_s + ENGINE_S),
        "load with the proof (serial)": NOTES / rates.load,
    }
    return {step: each / 3600 for step, each in seconds.items()}


def _rates(parts: Mapping[str, Part]) -> tuple[Rates | None, list[str]]:
    def middle(part: str, way: str, **line: object) -> float | None:
        return parts[part].middle(way, **line) if part in parts else None

    def per_second(part: str, way: str) -> float | None:
        if part not in parts:
            return None
        rows = [each for each in parts[part].measurements if each.way == way and each.line["rows"]]
        most = max((each.line["rows"] for each in rows), default=0)
        value = parts[part].middle(way, rows=most)
        return most / value if value else None

    gpu = middle("answering", "notemill", server="L40S", slots=SLOTS, servers=1, notes="radiology")
    needed = {
        "answering of an L40S with 8 slots": gpu,
        "extract": per_second("extract", "extract"),
        "load": per_second("load", "load"),
        "a shard's job": middle("shard", "outside"),
        "the plan of 1,000 shards": middle("plan", "notemill", shards=1000, what="fresh"),
    }
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        return None, [f"{name} is not measured" for name in missing]
    found = [value for value in needed.values() if value is not None]
    rates = Rates(*found)
    return rates, [
        f"{NOTES:,} notes of {NOTE_BYTES:,} characters, no two alike, one question, an answer of "
        f"60 tokens; {SHARDS:,} shards",
        f"an L40S answers {rates.gpu:.2f} notes a second with {SLOTS} slots: the service model's, "
        "an upper bound until one is measured",
        f"extract {rates.extract:,.0f} and load {rates.load:,.0f} rows a second, of the largest "
        "table measured here; the hospital's network and disks are its own",
        f"{rates.shard_s:.1f} s of a shard's job outside its engine, and {ENGINE_S:.0f} s until "
        "the engine is proven (assumed: weights from a shared file system)",
        f"a pilot of {PILOT_S / 60:.0f} minutes (assumed), a plan as {SHARDS / 1000:g} times one "
        "of 1,000 shards",
        "no queue: all GPUs are there at once, and none is lost",
        "what overlaps: shards with each other; what does not: the stages, as the load waits for "
        "the last shard",
    ]
