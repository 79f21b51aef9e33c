"""What classes of length and the order within them give, on a model of a GPU's time and memory.

    python -m benchmarks.classes [NOTES.csv.gz --text transcription] [--answer 60] [--texts 4000]

notemill's own pool, journal and plan run on a clock that passes only while all wait
(benchmarks.gpu_model). Without notes a distribution of lengths like theirs is drawn. Prints, for
several num_ctx and models, texts a second without and with classes, and what the order gives.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.gpu_model import BYTES_A_TOKEN, L40S, LLAMA_8B_F16, LLAMA_8B_Q4, Gpu, Model
from notemill.answers.classing import Classing
from notemill.answers.opening import opened
from notemill.answers.work import ShardWork
from notemill.answers.work import time as clock
from tests.unit.answers.service import COHORT, at_once, job_of
from tests.unit.conftest import Clinic

MODELS = {"8B f16": LLAMA_8B_F16, "8B Q4": LLAMA_8B_Q4}


@dataclass(frozen=True)
class Measured:
    """A job on the model. starts: slots and context of each engine."""

    texts: int
    seconds: float
    starts: list[tuple[int, int]]

    @property
    def texts_per_s(self) -> float:
        """Of the whole job, engines' starts included."""
        return self.texts / self.seconds


def measure(
    sizes: Sequence[int],
    *,
    model: Model,
    num_ctx: int,
    classes: str | list[int],
    answer: int = 60,
    ready_s: float = 30.0,
    most_slots: int = 128,
    last_by_length: bool = True,
) -> Measured:
    """One job over texts of so many bytes, with as many slots as fit num_ctx."""
    gpu = Gpu(L40S, model, answer, ready_s)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        clinic = Clinic(Path(folder))
        clinic.fill(*enumerate(f"{n} ".ljust(size, "x") for n, size in enumerate(sizes)))
        clinic.extract(COHORT, shards=1)
        job = job_of(
            gpu,  # type: ignore[arg-type]
            clinic,
            patch,
            slots=max(min(gpu.slots(num_ctx), 256), 1),
            classes=classes,
            options={"num_ctx": num_ctx, "num_predict": max(256, 2 * answer)},
            pilot={"most_slots": most_slots},
            attempts=3,
            max_failed_share=1,
        )
        if not last_by_length:
            patch.setattr(ShardWork, "texts", ShardWork.drawn)
        with opened(job) as work:
            seconds = at_once(_asked(work), patch)
            assert not work.missing()
            return Measured(len(work.wanted), seconds, gpu.starts)


async def _asked(work: ShardWork) -> float:
    began = clock.monotonic()
    classing = Classing(work, None)
    await classing.ask(classing.plan())
    return clock.monotonic() - began


def read_sizes(path: Path, text: str) -> list[int]:
    """Bytes of the distinct texts of a CSV file."""
    notes = pd.read_csv(path)[text].dropna().drop_duplicates()
    return [len(note.encode()) for note in notes if note.strip()]


def long_tail(texts: int, seed: int = 1) -> list[int]:
    """Bytes like those of transcribed reports: median 2,700, a hundredth beyond 10,000."""
    chance = random.Random(seed)
    return [min(int(chance.lognormvariate(7.9, 0.62)) + 40, 18_500) for _ in range(texts)]


def with_long_ones(texts: int, share: float, tokens: int, seed: int = 1) -> list[int]:
    """Radiology-sized notes of about 300 tokens, and a share of long ones."""
    chance = random.Random(seed)
    sizes = [min(int(chance.lognormvariate(7.1, 0.4)) + 40, 8000) for _ in range(texts)]
    for number in range(int(share * texts)):
        sizes[number] = int(tokens * BYTES_A_TOKEN * chance.uniform(0.5, 1))
    return sizes


def gains(sizes: Sequence[int], num_ctx: int, **how: Any) -> tuple[Measured, Measured]:
    """The same job without classes and with them."""
    return (
        measure(sizes, num_ctx=num_ctx, classes="off", **how),
        measure(sizes, num_ctx=num_ctx, classes="auto", **how),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notes", type=Path, nargs="?")
    parser.add_argument("--text", default="text")
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--answers", type=int, nargs="*", default=[60, 200])
    parser.add_argument("--contexts", type=int, nargs="*", default=[6144, 8192, 16384])
    options = parser.parse_args()
    own = read_sizes(options.notes, options.text) if options.notes else long_tail(options.texts)
    sizes = [own[number % len(own)] for number in range(options.texts)]
    print(
        f"{'lengths':14} {'model':7} {'answer':>6} {'num_ctx':>7}  without    with  ratio  engines"
    )
    rare = with_long_ones(options.texts, 0.005, 20_000)
    for name, texts, contexts in (
        ("notes", sizes, options.contexts),
        ("0.5 % of 20k", rare, [24_576]),
    ):
        for called, model in MODELS.items():
            for answer in options.answers:
                for num_ctx in contexts:
                    off, on = gains(texts, num_ctx, model=model, answer=answer)
                    ratio = off.seconds / on.seconds
                    print(
                        f"{name:14} {called:7} {answer:6} {num_ctx:7} {off.texts_per_s:8.2f} "
                        f"{on.texts_per_s:7.2f} {ratio:6.2f}  {off.starts} {on.starts}",
                        flush=True,
                    )
    began = time.monotonic()
    for count in (200, 1000, options.texts):
        how: dict[str, Any] = {"model": LLAMA_8B_F16, "num_ctx": 6144, "classes": "off"}
        by_hash = measure(sizes[:count], last_by_length=False, **how)
        ordered = measure(sizes[:count], **how)
        saved = by_hash.seconds - ordered.seconds
        told = f"{by_hash.seconds:.1f} s all by hash, {saved:.1f} s less with the last by length"
        print(f"order: {count} texts {told}")
    print(f"({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    main()
