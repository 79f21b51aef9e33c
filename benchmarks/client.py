"""What notemill costs a text: the whole answering path against a server that answers at once.

    python -m benchmarks.client [--texts 6000] [--slots 8] [--repeats 3] [--beside CHECKOUT]

From the notes shard to the journal (texts, pool, asking, client, verdict, journal, live file), on
one core; the server is another process on another core. Prints texts a second and the CPU's
milliseconds a text, for both kinds of client, and where they go; beside: the same of another
checkout, taken in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

HERE = Path(__file__).resolve()
KINDS = ("openai", "ollama")
_NOTE_BYTES = 2000
_SAMPLE_S = 0.001


@dataclass(frozen=True)
class Cost:
    """texts_per_s: of wall time; cpu_ms: of this process, a text; parts: shares of that, from
    samples, by the innermost file of notemill or, without one, by the library."""

    kind: str
    texts: int
    slots: int
    texts_per_s: float
    cpu_ms: float
    parts: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=int, default=6000)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--beside", type=Path, help="a checkout of another commit")
    parser.add_argument("--one", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asdict(_here(options.one, options.texts, options.slots))))
        return
    checkouts = [HERE.parents[1], *([options.beside] if options.beside else [])]
    costs: dict[tuple[Path, str], list[Cost]] = {}
    for _ in range(options.repeats):
        for checkout in checkouts:
            for kind in KINDS:
                cost = measure(kind, options.texts, options.slots, checkout)
                costs.setdefault((checkout, kind), []).append(cost)
    for (checkout, kind), each in costs.items():
        rate = statistics.median(cost.texts_per_s for cost in each)
        cpu = statistics.median(cost.cpu_ms for cost in each)
        print(f"{checkout.name:12} {kind:8} {rate:8.0f} texts/s {cpu:8.3f} CPU ms a text")
        for part, share in list(each[-1].parts.items())[:12]:
            print(f"    {share:6.1%} {part}")


def measure(kind: str, texts: int = 6000, slots: int = 8, checkout: Path = HERE.parents[1]) -> Cost:
    """The cost of one run in a process of its own, with the notemill of a checkout."""
    command = [sys.executable, "-P", str(HERE), "--one", kind]
    command += ["--texts", str(texts), "--slots", str(slots)]
    paths = os.pathsep.join([str(checkout), str(HERE.parent)])
    run = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, check=True, text=True
    )
    return Cost(**json.loads(run.stdout.splitlines()[-1]))


def _here(kind: str, texts: int, slots: int) -> Cost:
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="notemill-client-") as folder:
        with _server(cores[-1]) as port:
            os.sched_setaffinity(0, cores[:1])
            return _measured(Path(folder), kind, port, texts, slots)


@contextmanager
def _server(core: int) -> Iterator[int]:
    program = [sys.executable, str(HERE.with_name("instant.py"))]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as server:
        os.sched_setaffinity(server.pid, [core])
        try:
            assert server.stdout
            yield int(server.stdout.readline())
        finally:
            server.terminate()


def _measured(folder: Path, kind: str, port: int, texts: int, slots: int) -> Cost:
    from notemill.answers.opening import opened  # noqa: PLC0415  (another checkout's, it may be)

    with opened(_job(folder, texts)) as work:

        @asynccontextmanager
        async def start(*_: int) -> AsyncIterator[Any]:
            client = _client(kind, port, work.job.run.experiment.options)
            try:
                yield client
            finally:
                await client.close()

        with _sampled() as parts:
            wall, cpu = time.perf_counter(), time.process_time()
            asyncio.run(work.ask(work.texts(), slots, start=start))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert len(work.journal.answers) == texts
    total = sum(parts.values())
    shares = {part: count / total for part, count in parts.most_common()}
    return Cost(kind, texts, slots, texts / wall, 1000 * cpu / texts, shares)


def _client(kind: str, port: int, options: Any) -> Any:
    from notemill.engines.ollama.client import OllamaClient  # noqa: PLC0415
    from notemill.engines.openai.client import OpenAiClient  # noqa: PLC0415
    from notemill.engines.probes import PromptSize  # noqa: PLC0415

    address = f"http://127.0.0.1:{port}"
    client: Any = (
        OpenAiClient(f"{address}/v1", "key", "m", options)
        if kind == "openai"
        else OllamaClient(address, "m", options, {})
    )
    client.prompts = {"cough": PromptSize(200, 201, 100)}
    return client


def _job(folder: Path, texts: int) -> Any:
    """A job on one shard of distinct notes, some 2,000 bytes each."""
    from instant import SCHEMA  # noqa: PLC0415  (beside this file)

    from notemill.answers.shard_job import ShardJob  # noqa: PLC0415
    from notemill.engines.record import ModelRecord  # noqa: PLC0415
    from notemill.paths import Layout  # noqa: PLC0415
    from notemill.plan.runs import plan_runs  # noqa: PLC0415
    from tests.unit.conftest import Clinic, config, write_task  # noqa: PLC0415

    chance = random.Random(7)
    words = [f"word{number}" for number in range(500)]
    clinic = Clinic(folder)
    clinic.fill(
        *(
            (number, f"{number} " + " ".join(chance.choices(words, k=_NOTE_BYTES // 8)))
            for number in range(texts)
        )
    )
    clinic.extract("chest", shards=1)
    task = write_task(folder / "tasks", SCHEMA, system="You read radiology reports. " * 30)
    experiment = {"task": task.name, "engine": "local", "model": "m", "results_table": "r"}
    read = config(
        tasks=str(folder / "tasks"),
        results=str(clinic.layout.results),
        engines={"local": {"kind": "ollama", "models": "/models", "slots": 8}},
        experiments={"cough": experiment},
    )
    layout = Layout(read.results)
    (run,) = plan_runs(read)
    ModelRecord(
        engine="ollama", model="m", digest="d", weights_sha256="w", recorded_at="today"
    ).write(layout.model(run.model_id))
    return ShardJob(run, layout, "chest", clinic.cut("chest"), "0000", folder / "log", 1)


@contextmanager
def _sampled() -> Iterator[Counter[str]]:
    """Where this process's CPU time goes, by a look at the stack each millisecond of it."""
    parts: Counter[str] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        parts[_part(frame)] += 1

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, _SAMPLE_S, _SAMPLE_S)
    try:
        yield parts
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _part(frame: FrameType | None) -> str:
    library = "event loop"
    while frame is not None:
        file = frame.f_code.co_filename
        if "/notemill/" in file:
            return file.rpartition("/notemill/")[2]
        if "/site-packages/" in file:
            library = file.rpartition("/site-packages/")[2].partition("/")[0]
        frame = frame.f_back
    return library


if __name__ == "__main__":
    main()
