"""Notes a second of notemill and of other ways, on real servers and on GPUs as models."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import pymysql

from benchmarks.performance import clients, ollama, texts
from benchmarks.performance.clients import MODEL
from benchmarks.performance.gpus import ANSWER_TOKENS, CHARACTERS_A_TOKEN, GPUS, Speed
from benchmarks.performance.ours import Prepared
from benchmarks.performance.records import REPOSITORY, Measurement
from tests.servers import debian
from tests.servers.mariadb import PACKAGES, MariaDB

WAYS = {
    "sequential": "one request at a time, a row inserted after each",
    "one a server": "one request in flight for each server, from a queue",
    "thread pool": "a pool of threads, one a slot",
    "datatrove": "datatrove's InferenceRunner",
    "notemill": "notemill, from notes shard to journal",
    "closed loop": "slots requests in flight over bare sockets, nothing looked at",
}
CONTEXT = 8192
FASTEST, FASTEST_SLOT = 40.0, 10.0
"""Texts a second of the clock, together and of one slot: far below what any client can do."""
_SHORT_S = 8.0
"""Of the slow ways, which take as long as they are let: their rate is steady."""


@dataclass(frozen=True)
class Line:
    """What is measured: a server's kind, slots of each, how many servers, which notes."""

    server: str
    slots: int
    servers: int
    notes: str


Server = Callable[[], Any]
"""Starts servers; a context manager that yields their ports."""


def lines(*, quick: bool) -> list[Line]:
    """The lines of `make bench`; those of real servers are on this machine's processor."""
    servers = ["llama.cpp", *(["ollama"] if os.environ.get(ollama.VARIABLE) else [])]
    real = [Line(server, slots, 1, "short") for server in servers for slots in (1, 4)]
    if quick:
        return [
            Line("L40S", 8, 1, "radiology"),
            Line("L40S", 32, 1, "radiology"),
            Line("L40S", 8, 4, "radiology"),
            Line("L40S", 8, 1, "long tail"),
            *(line for line in real if line.slots > 1),
        ]
    return real + [
        Line(gpu, slots, servers, notes)
        for notes in ("radiology", "long tail")
        for gpu in GPUS
        for servers in (1, 4, 28)
        for slots in (1, 4, 8, 16, 32)
    ]


def measure(line: Line, repeats: int) -> Iterator[Measurement]:
    """Each way of one line, in turns; every run on a server that has just been started."""
    count = max(500, 12 * line.slots * line.servers)
    notes = texts.NOTES[line.notes](count)
    one, scale = rates(line, notes)
    with (
        tempfile.TemporaryDirectory(prefix="notemill-bench-") as folder,
        _table(Path(folder)) as (insert, database),
    ):
        prepared = Prepared(Path(folder), notes, line.servers, _context(line))
        task, options = prepared.run.task, prepared.run.experiment.options
        requests = clients.bodies(task, options, MODEL, notes)
        few = requests[: max(20, int(one * scale * _SHORT_S))]
        some = requests[: max(20, int(one * scale * _SHORT_S * line.servers))]
        ways: dict[str, Callable[[Sequence[int]], float]] = {
            "sequential": lambda ports: _rate(few, clients.one_at_a_time, ports, insert),
            "one a server": lambda ports: _rate(some, clients.one_a_server, ports),
            "thread pool": lambda ports: _rate(requests, clients.thread_pool, ports, line.slots),
            "closed loop": lambda ports: _rate(requests, clients.closed_loop, ports, line.slots),
            "notemill": lambda ports: sum(each.rate for each in prepared.ask(ports, line.slots)),
        }
        datatrove = os.environ.get("NOTEMILL_BENCH_DATATROVE")
        if datatrove and line.servers == 1:  # it knows one address
            ways["datatrove"] = lambda ports: _datatrove(datatrove, ports, requests, line.slots)
        for repeat in range(repeats):
            for way, rate in ways.items():
                with _served(line, scale) as ports:
                    value = rate(ports) / scale
                more = {"scale": round(scale, 2), "database": database, "texts": len(notes)}
                yield Measurement(asdict(line), way, round(value, 3), "notes/s", repeat, more)


def _context(line: Line) -> int:
    return CONTEXT if line.server in GPUS else 1024  # the shipped model holds no more


def rates(line: Line, notes: Sequence[str]) -> tuple[float, float]:
    """Notes a second that one slot of one GPU should reach, and how much faster its clock runs."""
    if line.server not in GPUS:
        return 3.0, 1.0
    speed = Speed(GPUS[line.server])
    tokens = mean(map(len, notes)) / CHARACTERS_A_TOKEN

    def together(slots: int) -> float:
        step = speed.step_s(slots, slots * tokens)
        return 1 / (speed.read_s(tokens, tokens / 2) + ANSWER_TOKENS * step / slots)

    capacity = line.servers * together(line.slots)
    return together(1), min(FASTEST, FASTEST_SLOT * line.slots * line.servers) / capacity


def _rate(requests: Sequence[bytes], ask: Callable[..., list[str]], *arguments: Any) -> float:
    ports, *rest = arguments
    began = time.monotonic()
    answers = ask(ports, requests, *rest)
    took = time.monotonic() - began
    assert all(answers)
    return len(requests) / took


@contextmanager
def _served(line: Line, scale: float) -> Iterator[list[int]]:
    slots = ["--slots", str(line.slots), "--context", str(_context(line))]
    if line.server == "llama.cpp":
        weights = REPOSITORY / "models" / "notemill-tiny.gguf"
        program = ["notemill.engines.llamacpp.program", "--model", str(weights), "--alias", MODEL]
        command = [*program, "--threads", "1", *slots]
    elif line.server == "ollama":
        command = ["benchmarks.performance.ollama", *slots]
    else:
        command = ["benchmarks.performance.service", "--gpu", line.server, *slots]
        command += ["--servers", str(line.servers), "--scale", str(scale)]
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if line.server == "llama.cpp" else None,
        text=True,
    ) as server:
        try:
            if server.stderr:
                yield [int(server.stderr.readline().rsplit(":", 1)[1])]
            else:
                assert server.stdout
                yield json.loads(server.stdout.readline())
        finally:
            server.terminate()


def _datatrove(python: str, ports: Sequence[int], requests: Sequence[bytes], slots: int) -> float:
    with tempfile.TemporaryDirectory(prefix="notemill-datatrove-") as folder:
        file = Path(folder) / "requests.jsonl"
        file.write_bytes(b"\n".join(requests))
        program = Path(__file__).with_name("datatrove_client.py")
        done = subprocess.run(
            [python, str(program), str(file), str(ports[0]), str(slots)],
            capture_output=True,
            check=True,
            text=True,
            cwd=folder,
        )
        return float(done.stdout.split()[-1])


@contextmanager
def _table(folder: Path) -> Iterator[tuple[clients.Insert, str]]:
    """A table that each answer is inserted into, in MariaDB or, where there is none, SQLite."""
    create = "CREATE TABLE answers (note INTEGER, answer TEXT)"
    try:
        debian.ensure(PACKAGES)
    except debian.Missing:
        with closing(sqlite3.connect(folder / "answers.sqlite")) as file:
            file.execute(create)

            def insert(number: int, answer: str) -> None:
                file.execute("INSERT INTO answers VALUES (?, ?)", (number, answer))
                file.commit()

            yield insert, "SQLite"
        return
    with (
        MariaDB() as server,
        closing(
            pymysql.connect(
                host=server.host,
                port=server.port,
                user=server.user,
                password=server.password,
                database=server.database,
            )
        ) as connection,
    ):
        cursor = connection.cursor()
        cursor.execute(create)

        def insert_row(number: int, answer: str) -> None:
            cursor.execute("INSERT INTO answers VALUES (%s, %s)", (number, answer))
            connection.commit()

        yield insert_row, "MariaDB"
