"""How long a load with its proof takes, beside LOAD DATA LOCAL INFILE of the same rows.

    python -m benchmarks.load                         300,000 rows in 16 shards, on a real MariaDB
    python -m benchmarks.load --rows 100000 1000000 3000000 --shards 16 2000
    python -m benchmarks.load --database sqlite

Each load runs in a process of its own; its peak memory is VmHWM of /proc/PID/status. Between the
loads the `mariadb` client reads the same rows from a file into a table of the same definition, in
the order of their key and in that of the shards. `measure` gives the figures as plain values.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from notemill.answers.columns import answer_columns
from notemill.answers.shard import OUTCOME_FIELDS, ShardOrigin
from notemill.config import Database, Experiment, OpenAiEngine
from notemill.database.keys import IdColumn
from notemill.load import loader
from notemill.load.proof import Proof, Prover
from notemill.load.work import Load
from notemill.notes.manifest import Counts, Manifest, ShardEntry
from notemill.notes.shard import id_fields
from notemill.paths import shard_names
from notemill.tasks.run import Run
from notemill.tasks.task import Task, read_task
from tests.servers.clinic import ServerClinic
from tests.servers.mariadb import MariaDB, program
from tests.unit.conftest import Clinic, write_task
from tests.unit.loads import ID, NAME

IDS = [IdColumn(name="visit", kind="integer")]
TABLES = ("answers", "answers_failures", "experiments")
MOST_SHUFFLED = 300_000
"""Rows that the client reads in the order of the shards too; it takes ever longer for each."""
SCHEMA = """
from typing import Literal

from pydantic import BaseModel


class Answer(BaseModel):
    response: Literal["(1) Likely", "(2) Unlikely", "(3) Unable to say"]
    explanation: str
    size: float | None
    sides: list[str]
"""


@dataclass(frozen=True)
class Loaded:
    """One size, medians of all rounds. Seconds of: load, a whole load with its proof into empty
    tables; proof, its share of them; again, the same load over the very rows, which are compared
    and not written; client, by LOAD DATA in the order of the key; shuffled, in that of the shards,
    None where not measured. peak_mib: of the load's process.
    """

    database: str
    rows: int
    shards: int
    rounds: int
    load: float
    proof: float
    again: float
    peak_mib: float
    client: float | None
    shuffled: float | None

    @property
    def ratio(self) -> float | None:
        """The load's time in times of the client."""
        return self.load / self.client if self.client else None


def measure(rows: int, shards: int, *, rounds: int = 3, database: str = "mariadb") -> Loaded:
    """Load `rows` rows from so many shards, `rounds` times, the client's turn between them."""
    with (
        tempfile.TemporaryDirectory(prefix="notemill-load-") as name,
        _clinic(database, Path(name)) as clinic,
    ):
        write_task(clinic.folder / "tasks", SCHEMA)
        make_shards(clinic.folder, rows, shards)
        dump = clinic.folder / "rows.tsv"
        found: list[dict[str, float]] = []
        for number in range(rounds):
            told = _load(clinic)
            told["again"] = _load(clinic)["load"]
            if isinstance(clinic, ServerClinic):
                if number == 0:
                    _dump(clinic, dump, shuffled=rows <= MOST_SHUFFLED)
                told["client"] = _by_client(clinic, dump)
                if rows <= MOST_SHUFFLED:
                    told["shuffled"] = _by_client(clinic, dump.with_suffix(".shuffled"))
            for table in TABLES:
                clinic.run(f"DROP TABLE {table}")
            found.append(told)

    def middle(what: str) -> float | None:
        return round(statistics.median(t[what] for t in found), 3) if what in found[0] else None

    return Loaded(
        database=database,
        rows=rows,
        shards=shards,
        rounds=rounds,
        load=middle("load") or 0.0,
        proof=middle("proof") or 0.0,
        again=middle("again") or 0.0,
        peak_mib=max(told["peak_mib"] for told in found),
        client=middle("client"),
        shuffled=middle("shuffled"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[300_000])
    parser.add_argument("--shards", type=int, nargs="+", default=[16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=["mariadb", "sqlite"], default="mariadb")
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "DATABASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_load_here(Path(options.one[0]), options.one[1])))
        return
    for rows in options.rows:
        for shards in options.shards:
            found = measure(rows, shards, rounds=options.rounds, database=options.database)
            print(json.dumps(asdict(found) | {"ratio": found.ratio}), flush=True)


@contextmanager
def _clinic(kind: str, folder: Path) -> Iterator[Clinic]:
    if kind == "sqlite":
        yield Clinic(folder)
        return
    with MariaDB() as server:
        yield ServerClinic(server, folder)


def make_shards(folder: Path, rows: int, shards: int) -> None:
    """Result shards of answered notes with made-up answers; ids in no order, as hashes put them."""
    order = np.random.default_rng(1).permutation(rows) + 1
    for number, (name, ids) in enumerate(
        zip(shard_names(shards), np.array_split(order, shards), strict=True)
    ):
        schema = _schema(read_task(folder / "tasks", "cough"))
        origin = _origin(name, len(ids), number)
        schema = schema.with_metadata({b"notemill": origin.model_dump_json().encode()})
        path = folder / f"{name}.parquet"
        pq.write_table(_rows(ids, schema), path, compression="zstd", row_group_size=1024)


def _schema(task: Task) -> pa.Schema:
    answers = [column.arrow for column in answer_columns(task, "llm_", IDS)]
    return pa.schema([*id_fields(IDS), *OUTCOME_FIELDS, *answers])


def _rows(ids: np.ndarray, schema: pa.Schema) -> pa.Table:
    visit = pa.array(ids)
    numbers = visit.cast(pa.string())
    digits = np.random.default_rng(ids[0]).bytes(32 * len(ids)).hex()
    hashes = pa.array([digits[64 * n : 64 * n + 64] for n in range(len(ids))])
    explained = pc.binary_join_element_wise(
        "Nothing in note ", numbers, " speaks for it, and this is why it is unlikely.", ""
    )
    same: dict[str, Any] = {
        "status": "answered",
        "detail": "",
        "attempts": 1,
        "changes": "",
        "prompt_tokens": 20,
        "answer_tokens": 10,
        "seconds": 0.5,
        "engine": "small 1",
        "control_tokens": 0,
        "llm_response": "(2) Unlikely",
        "llm_sides": '["left", "right"]',
    }
    columns = {
        "visit": visit,
        "text_sha256": hashes,
        "answered_at": pa.array((ids % 86400 + 1_700_000_000) * 1_000_000),
        "llm_explanation": explained,
        "llm_size": pc.divide(visit.cast(pa.float64()), 7.0),
    } | {name: pa.repeat(value, len(ids)) for name, value in same.items()}
    return pa.Table.from_arrays(
        [columns[field.name].cast(field.type) for field in schema], schema=schema
    )


def _origin(name: str, rows: int, number: int) -> ShardOrigin:
    return ShardOrigin(
        cohort="chest",
        shard=name,
        experiment=ID,
        notes_digest=str(number),
        model_digest="m" * 64,
        weights_sha256="w" * 64,
        notemill="0",
        notes=rows,
        texts=rows,
        failed=0,
        asked=rows,
        tokens=30 * rows,
        seconds=2.0,
        jobs=1,
    )


def _work(folder: Path) -> Load:
    """The load of the shards in a folder."""
    shards = sorted(folder.glob("*.parquet"))
    counts = [pq.read_metadata(path).num_rows for path in shards]
    entries = [
        ShardEntry(name=path.stem, notes=rows, texts=rows, digest=str(number))
        for number, (path, rows) in enumerate(zip(shards, counts, strict=True))
    ]
    rows = sum(counts)
    manifest = Manifest(
        cohort="chest",
        query="SELECT visit, note FROM notes",
        id_columns=IDS,
        text_column="note",
        same_id_different_text="error",
        counts=Counts(rows=rows, notes=rows, texts=rows),
        digest="0" * 64,
        extracted_at="2026-01-01T00:00:00+00:00",
        seconds=0.0,
        server="none",
        notemill="0",
        shards=entries,
    )
    run = Run(
        name=NAME,
        experiment=Experiment.model_validate(
            {"task": "cough", "engine": "e", "model": "m:1", "results_table": "answers"}
        ),
        engine=OpenAiEngine(kind="openai", address="https://models.example/v1"),
        task=read_task(folder / "tasks", "cough"),
        fingerprint=ID.rpartition("-")[2],
        cohorts=["chest"],
    )
    return Load(run, "experiments", manifest, shards)


def _load(clinic: Clinic) -> dict[str, float]:
    """A load in a process of its own."""
    database = clinic.database.model_dump_json()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", "--one", str(clinic.folder), database],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def _load_here(folder: Path, database: str) -> dict[str, float]:
    work = _work(folder)
    spent: list[float] = []
    prove = Prover.prove

    def timed(*arguments: Any) -> Proof:
        took, proof = _timed(lambda: prove(*arguments))
        spent.append(took)
        return proof

    Prover.prove = timed  # type: ignore[method-assign]
    took, report = _timed(lambda: loader.load(Database.model_validate_json(database), work))
    assert report.values_compared >= report.notes == work.manifest.counts.notes
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return {"load": took, "proof": sum(spent), "peak_mib": round(peak)}


def _timed(what: Callable[[], Any]) -> tuple[float, Any]:
    started = time.monotonic()
    done = what()
    return time.monotonic() - started, done


def _client(clinic: ServerClinic, statement: str, **options: Any) -> None:
    subprocess.run(
        [
            program("mariadb"),
            f"--defaults-file={clinic.folder / 'my.cnf'}",
            *("--local-infile=1", "--default-character-set=utf8mb4"),
            *("--batch", "--quick", "--skip-column-names"),
            clinic.server.database,
            f"--execute={statement}",
        ],
        check=True,
        **options,
    )


def _dump(clinic: ServerClinic, path: Path, *, shuffled: bool) -> None:
    """The rows as a load left them, in the order of the key, and in no order."""
    with path.open("wb") as file:
        _client(clinic, "SELECT * FROM answers ORDER BY visit", stdout=file)
    if shuffled:
        lines = path.read_bytes().splitlines(keepends=True)
        random.Random(1).shuffle(lines)
        path.with_suffix(".shuffled").write_bytes(b"".join(lines))


def _by_client(clinic: ServerClinic, path: Path) -> float:
    clinic.run("CREATE TABLE plain LIKE answers")
    read = f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE plain CHARACTER SET utf8mb4"
    took, _ = _timed(lambda: _client(clinic, read))
    told = clinic.rows("SELECT (SELECT COUNT(*) FROM plain) = (SELECT COUNT(*) FROM answers)")
    assert told == [(1,)]
    clinic.run("DROP TABLE plain")
    return took


if __name__ == "__main__":
    main()
