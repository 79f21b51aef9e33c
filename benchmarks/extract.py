"""Peak memory and time of extract, of a recut and of reading shards, over tables that hurt.

    python -m benchmarks.extract                 every table, some minutes
    python -m benchmarks.extract --table large   one of them

Each step runs in a process of its own; its peak memory is VmHWM of /proc/PID/status.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

MIB = 1 << 20
Row = tuple[int, str | None]

STEP = """
import json, sys, time
from pathlib import Path
from notemill.answers.recut import JournaledAnswers
from notemill.config import Cohort, Database
from notemill.paths import Layout, cut_name, shard_names
step, folder, shards = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
layout = Layout(folder / "results")
started = time.monotonic()
if step == "read":
    from notemill.notes.manifest import read_manifest
    from notemill.notes.shard import read_notes
    columns = read_manifest(layout.manifest("all", cut_name(shards))).id_columns
    for name in shard_names(shards):
        path = layout.notes("all", cut_name(shards), name)
        notes = sum(1 for note in read_notes(path, columns, with_text=True))
else:
    from notemill.notes.extract import extract
    cohort = Cohort(
        query="SELECT visit, note FROM notes", id_columns=["visit"], text_column="note",
        shards=shards, same_id_different_text="first",
    )
    database = Database(url=f"sqlite:///{folder}/notes.sqlite")
    extract(database, "all", cohort, layout, JournaledAnswers(layout, "all"))
took = time.monotonic() - started
status = Path("/proc/self/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps({"seconds": round(took, 1), "peak_mib": round(peak)}))
"""


def main() -> None:
    """Measure the tables that are named, or all."""
    tables = {
        "3 MB": lambda: notes(300, 3 * MIB),
        "16 MB": lambda: notes(40, 16 * MIB, wide=True),
        "100 kB": lambda: notes(12_000, 100_000),
        "2 kB": lambda: notes(300_000, 2000),
        "one text": lambda: ((number, "the same") for number in range(2_000_000)),
        "one id": lambda: ((1, str(number)) for number in range(2_000_000)),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", choices=tables, action="append")
    parser.add_argument("--shards", type=int, default=16)
    options = parser.parse_args()
    for name in options.table or tables:
        with tempfile.TemporaryDirectory(prefix="notemill-extract-") as folder:
            size = fill(Path(folder) / "notes.sqlite", tables[name]())
            for step, shards in (
                ("extract", options.shards),
                ("recut", options.shards + 1),
                ("read", options.shards + 1),
            ):
                told = measured(step, Path(folder), shards)
                print(f"{name}: {size:.0f} MiB, {step} into {shards} shards: {told}", flush=True)


def notes(count: int, size: int, *, wide: bool = False) -> Iterator[Row]:
    """Notes of so many bytes that compress about as clinical text does.

    wide: one character beyond the first plane, for which Python keeps four bytes a character.
    """
    chance = random.Random(7)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 11))) for _ in range(8000)]
    pool = " ".join(chance.choices(words, k=700_000))
    for number in range(count):
        start = chance.randrange(len(pool) // 2)
        text = f"{number} " + pool[start:] * (size // (len(pool) - start) + 1)
        yield number, ("\N{FACE WITH TEARS OF JOY}" if wide else "") + text[: size - 4]


def measured(step: str, folder: Path, shards: int) -> dict[str, float]:
    """Seconds and MiB of a step in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", STEP, step, str(folder), str(shards)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        check=True,
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def fill(file: Path, rows: Iterator[Row]) -> float:
    """Write the rows as table `notes` of a new database; returns its size in MiB."""
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("PRAGMA cache_size = -20000")
        database.execute("CREATE TABLE notes (visit INTEGER, note TEXT)")
        database.executemany("INSERT INTO notes VALUES (?, ?)", rows)
    return file.stat().st_size / MIB


if __name__ == "__main__":
    main()
