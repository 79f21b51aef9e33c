"""How long a load takes, with the proof and without it, on a real MariaDB and on SQLite.

    python -m benchmarks.load [--rows 300000] [--database mariadb|sqlite]

Loads made-up answers three times in one run: with the proof into empty tables, without it into
empty tables, and with it once more over the rows that are there. Prints seconds of each and the
proof's own, as wall time and as this process's time on the CPU, and its peak memory.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from notemill.load.proof import Proof, Prover
from notemill.load.report import LoadReport
from tests.servers.clinic import ServerClinic
from tests.servers.mariadb import MariaDB
from tests.unit.conftest import Clinic, write_task
from tests.unit.loads import Loads

TABLES = ("answers", "answers_failures", "experiments")
SCHEMA = """
from typing import Literal

from pydantic import BaseModel


class Answer(BaseModel):
    response: Literal["(1) Likely", "(2) Unlikely", "(3) Unable to say"]
    explanation: str
    size: float | None
    sides: list[str]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--database", choices=["mariadb", "sqlite"], default="mariadb")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="notemill-load-") as folder:
        with _clinic(options.database, Path(folder)) as clinic:
            _measure(clinic, options.rows, options.shards)


@contextmanager
def _clinic(kind: str, folder: Path) -> Iterator[Clinic]:
    if kind == "sqlite":
        yield Clinic(folder)
        return
    with MariaDB() as server:
        yield ServerClinic(server, folder)


def _measure(clinic: Clinic, rows: int, shards: int) -> None:
    query = (
        "WITH RECURSIVE numbers AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers "
        f"WHERE n < {rows}) SELECT n AS visit, 'note ' || n AS note FROM numbers"
    )
    if isinstance(clinic, ServerClinic):
        query = query.replace("'note ' || n", "CONCAT('note ', n)")
    clinic.extract(query=query, shards=shards)
    loads = Loads(clinic, write_task(clinic.folder / "tasks", SCHEMA), _answer)
    loads.answer()
    print(f"{rows} rows in {shards} shards; memory so far {_peak():.0f} MiB", flush=True)
    _report("with the proof", _timed(loads.load))
    _empty(clinic)
    with mock.patch.object(Prover, "prove", _count_alone):
        _report("without it", _timed(loads.load))
    _empty(clinic)
    _report("with the proof", _timed(loads.load))
    _report("with the proof, once more", _timed(loads.load))


def _answer(text: str, _: str) -> dict[str, Any]:
    number = int(text.split()[1])
    return {
        "response": "(2) Unlikely",
        "explanation": f"Nothing in note {number} speaks for it, and this is why it is unlikely.",
        "size": number / 7,
        "sides": ["left", "right"],
    }


def _count_alone(prover: Prover, _: Any, notes: int) -> Proof:
    prover._count(notes)
    return prover._proof


def _timed(load: Callable[[], LoadReport]) -> tuple[float, float, float, float, LoadReport]:
    """Seconds of the load and of the proof in it, each wall and CPU, and the load's report."""
    spent = []
    prove = Prover.prove

    def measured(*arguments: Any) -> Proof:
        started = time.monotonic(), time.process_time()
        proof = prove(*arguments)
        spent.append((time.monotonic() - started[0], time.process_time() - started[1]))
        return proof

    with mock.patch.object(Prover, "prove", measured):
        started = time.monotonic(), time.process_time()
        report = load()
        took = time.monotonic() - started[0], time.process_time() - started[1]
    return *took, *spent[0], report


def _report(what: str, measured: tuple[float, float, float, float, LoadReport]) -> None:
    wall, cpu, proof_wall, proof_cpu, report = measured
    print(
        f"{what}: {wall:.1f} s (CPU {cpu:.1f}), of them the proof {proof_wall:.1f} s "
        f"(CPU {proof_cpu:.1f}) for {report.values_compared} values; "
        f"peak memory {_peak():.0f} MiB",
        flush=True,
    )


def _empty(clinic: Clinic) -> None:
    for table in TABLES:
        clinic.run(f"DROP TABLE {table}")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
