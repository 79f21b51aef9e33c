"""The stages beside answering, each by its own benchmark; a stage is measured alone as well."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks import overhead, plan
from benchmarks.performance import answering, texts
from benchmarks.performance.ours import Prepared
from benchmarks.performance.records import REPOSITORY, Measurement


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


def _client(quick: bool, repeats: int) -> Iterator[Measurement]:
    client = _benchmark("client")
    for number in range(repeats):
        for kind in client.KINDS:
            for slots in (8,) if quick else (8, 32, 128):
                cost = client.measure(kind, 2000 if quick else 6000, slots)
                line = {"what": "texts a second, an instant server", "slots": slots}
                more = {"cpu_ms": cost.cpu_ms}
                yield Measurement(line, kind, round(cost.texts_per_s), "texts/s", number, more)


def _classes(quick: bool, _: int) -> Iterator[Measurement]:
    classes = _benchmark("classes")
    bytes_of_notes = [
        len(text.encode())
        for text in texts.long_tail(4000)  # fewer do not pay for an engine's start
    ]
    for name, model in classes.MODELS.items():
        contexts, answers = ((8192,), (200,)) if quick else ((6144, 8192, 16384), (60, 200))
        for num_ctx, answer in product(contexts, answers):
            line = {"what": f"long tail, {name}", "context": num_ctx, "answer": answer}
            both = classes.gains(bytes_of_notes, num_ctx, model=model, answer=answer)
            for way, measured in zip(("one class", "classes"), both, strict=True):
                more = {"starts": measured.starts}
                yield Measurement(line, way, round(measured.texts_per_s, 3), "notes/s", 0, more)


def _questions(quick: bool, repeats: int) -> Iterator[Measurement]:
    tasks = _benchmark("tasks")
    notes = tasks.notes(2 if quick else 4)
    with tempfile.TemporaryDirectory(prefix="notemill-tasks-") as folder:
        weights = tasks.reader(Path(folder))
        for count in (1, 4, 16):
            questions = tasks.tasks(Path(folder), count)
            asked = asyncio.run(tasks.measure(notes, questions, rounds=repeats, weights=weights))
            for number, each in enumerate(asked):
                line = {"what": "seconds of all notes", "questions": count}
                way = "together" if each.together else "apart"
                more = {"tokens_read": each.read_tokens, "notes": each.notes}
                yield Measurement(line, way, round(each.seconds, 3), "s", number // 2, more)


def _extract(quick: bool, repeats: int) -> Iterator[Measurement]:
    extract = _benchmark("extract")
    for size, rows in ((2000, 50_000),) if quick else ((2000, 300_000), (200, 1_000_000)):
        told = extract.beside_client(rows, size, repeats=repeats)
        line = {"what": f"notes of {size:,} bytes, 16 shards", "rows": rows}
        more = {"peak_mib": told["extract_peak_mib"]}
        yield Measurement(line, "extract", told["extract_seconds"], "s", 0, more)
        yield Measurement(line, "mariadb --quick", told["client_seconds"], "s")
    if quick:
        return
    for told in (*extract.over_rows(), *extract.over_shards()):
        rows, shards = told.get("rows", 300_000), told.get("shards", 16)
        line = {"what": f"notes of 200 bytes, {shards:,} shards", "rows": rows}
        more = {"peak_mib": told["peak_mib"]}
        yield Measurement(line, "extract", told["seconds"], "s", 0, more)


def _load(quick: bool, repeats: int) -> Iterator[Measurement]:
    load = _benchmark("load")
    sizes = [(100_000, 16), (300_000, 16), (1_000_000, 16), (3_000_000, 16), (300_000, 2000)]
    for rows, shards in sizes[:1] if quick else sizes:
        told = load.measure(rows, shards, rounds=repeats)
        line = {"what": f"{shards:,} shards, proof included", "rows": rows}
        more = {"peak_mib": told.peak_mib}
        yield Measurement(line, "load", told.load, "s", 0, more)
        yield Measurement(line, "of it the proof", told.proof, "s")
        if told.client:
            yield Measurement(line, "LOAD DATA", told.client, "s")


def _servers(quick: bool, repeats: int) -> Iterator[Measurement]:
    """One job's servers; the texts grow with them, so that each has as many."""
    each_s, slots = 5.0, 4  # texts a second of the clock of one server
    for number in range(repeats):
        for count in (1, 8):
            notes = texts.radiology(count * (250 if quick else 500))
            _, scale = answering.rates(answering.Line("L40S", slots, 1, "radiology"), notes)
            scale *= each_s / min(answering.FASTEST, answering.FASTEST_SLOT * slots)
            service = ["benchmarks.performance.service", "--gpu", "L40S", "--slots", "{slots}"]
            service += ["--context", "{context}", "--port", "{port}", "--scale", str(scale)]
            command = ["env", f"PYTHONPATH={REPOSITORY}", "{python}", "-m", *service]
            with tempfile.TemporaryDirectory(prefix="notemill-servers-") as folder:
                asked = Prepared(Path(folder), notes, 1, answering.CONTEXT).ask_from_one_job(
                    command, count, slots
                )
            line = {"what": "notes/s of one job, L40S, 4 slots each", "servers": count}
            way = "1 server" if count == 1 else f"{count} servers"
            more = {"scale": round(scale, 3), "texts": len(notes), "failed": asked.failed}
            yield Measurement(line, way, round(asked.rate / scale, 3), "notes/s", number, more)


def _benchmark(name: str) -> Any:
    """A module beside this package. Raises ModuleNotFoundError where this version has none."""
    return import_module(f"benchmarks.{name}")


STAGES: dict[str, Callable[[bool, int], Iterator[Measurement]]] = {
    "client": _client,
    "servers": _servers,
    "classes": _classes,
    "tasks": _questions,
    "extract": _extract,
    "load": _load,
    "plan": _plans,
    "shard": _shards,
}
