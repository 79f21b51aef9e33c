"""Extract beside `mariadb --quick`, as curves over rows and shards, and over tables that hurt.

    python -m benchmarks.extract                 all of it, some minutes
    python -m benchmarks.extract --table large   one of the tables that hurt (SQLite)
    python -m benchmarks.extract --client        300,000 notes of 2 kB beside the client
    python -m benchmarks.extract --curves        time per row over rows and over shards (MariaDB)

Each step runs in a process of its own; its peak memory is VmHWM of /proc/PID/status. The client's
command and the extract take turns, and medians are told: of seconds by the clock, and of seconds
on the CPU, which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from tests.servers.mariadb import MariaDB, program

MIB = 1 << 20
QUERY = "SELECT visit, note FROM notes"
Row = tuple[int, str | None]

STEP = """
import json, sys, time
from pathlib import Path
from notemill.answers.recut import JournaledAnswers
from notemill.config import Cohort, Database
from notemill.paths import Layout, cut_name, shard_names
from notemill.notes.extract import extract
step, folder, shards, query, database = json.loads(sys.argv[1])
layout = Layout(Path(folder) / "results")
cohort = Cohort(
    query=query, id_columns=["visit"], text_column="note", shards=shards,
    same_id_different_text="first",
)
started, worked = time.monotonic(), time.process_time()
if step == "read":
    from notemill.notes.manifest import read_manifest
    from notemill.notes.shard import read_notes
    columns = read_manifest(layout.manifest("all", cut_name(shards))).id_columns
    for name in shard_names(shards):
        path = layout.notes("all", cut_name(shards), name)
        notes = sum(1 for note in read_notes(path, columns, with_text=True))
else:
    extract(Database(**database), "all", cohort, layout, JournaledAnswers(layout, "all"))
took, cpu = time.monotonic() - started, time.process_time() - worked
status = Path("/proc/self/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps({"seconds": round(took, 2), "cpu_s": round(cpu, 2), "peak_mib": round(peak)}))
"""
HURTING = {
    "3 MB": lambda: notes(300, 3 * MIB),
    "16 MB": lambda: notes(40, 16 * MIB, wide=True),
    "100 kB": lambda: notes(12_000, 100_000),
    "2 kB": lambda: notes(300_000, 2000),
    "one text": lambda: ((number, "the same") for number in range(2_000_000)),
    "one id": lambda: ((1, str(number)) for number in range(2_000_000)),
}
"""Tables in SQLite."""


def main() -> None:
    """Measure what is named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", choices=HURTING, action="append")
    parser.add_argument("--client", action="store_true")
    parser.add_argument("--curves", action="store_true")
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    some = options.table or options.client or options.curves
    if options.client or not some:
        tell(beside_client(options.rows, 2000, options.shards, repeats=options.repeats))
    if options.curves or not some:
        for told in (*over_rows(), *over_shards()):
            tell(told)
    for name in options.table or ([] if some else HURTING):
        for told in over_table(name, options.shards):
            tell(told)


def tell(told: dict[str, Any]) -> None:
    print(json.dumps(told), flush=True)


def beside_client(rows: int, size: int, shards: int = 16, *, repeats: int = 3) -> dict[str, Any]:
    """Extract and `mariadb --quick` to /dev/null, the same query on the same server, in turns.

    Medians: seconds and seconds on the CPU of each, ratios of those, and the highest peak in MiB.
    The client's and the extract's own seconds on the CPU are told, not the server's.
    """
    with filled_server(notes(rows, size)) as server:
        turns = [
            {
                **{f"client_{key}": value for key, value in server.client().items()},
                **{f"extract_{key}": value for key, value in server.extract(shards).items()},
            }
            for _ in range(repeats)
        ]
    told = {key: round(median(turn[key] for turn in turns), 2) for key in turns[0]}
    told["extract_peak_mib"] = max(turn["extract_peak_mib"] for turn in turns)
    ratios = [turn["extract_seconds"] / turn["client_seconds"] for turn in turns]
    return {
        "rows": rows,
        "bytes_a_note": size,
        "shards": shards,
        "repeats": repeats,
        **told,
        "ratio": round(median(ratios), 2),
        "ratio_cpu": round(told["extract_cpu_s"] / told["client_cpu_s"], 2),
    }


def over_rows(
    numbers: Sequence[int] = (100_000, 300_000, 1_000_000, 3_000_000), size: int = 200
) -> Iterator[dict[str, Any]]:
    """Microseconds a row and peak MiB, over numbers of rows."""
    for rows in numbers:
        with filled_server(notes(rows, size)) as server:
            yield {"rows": rows, "bytes_a_note": size, **per_row(server.extract(16), rows)}


def over_shards(
    numbers: Sequence[int] = (16, 100, 500, 2000), rows: int = 300_000, size: int = 200
) -> Iterator[dict[str, Any]]:
    """Microseconds a row and peak MiB, over numbers of shards."""
    with filled_server(notes(rows, size)) as server:
        for shards in numbers:
            told = per_row(server.extract(shards), rows)
            yield {"shards": shards, "rows": rows, "bytes_a_note": size, **told}


def over_table(name: str, shards: int = 16) -> Iterator[dict[str, Any]]:
    """Extract, a recut and reading of a table that hurts: seconds and peak MiB."""
    with tempfile.TemporaryDirectory(prefix="notemill-extract-") as folder:
        size = fill(Path(folder) / "notes.sqlite", HURTING[name]())
        for step, cut in (("extract", shards), ("recut", shards + 1), ("read", shards + 1)):
            told = measured(step, Path(folder), cut)
            yield {"table": name, "table_mib": round(size), "step": step, "shards": cut, **told}


def per_row(told: dict[str, float], rows: int) -> dict[str, float]:
    """The same with microseconds a row."""
    return told | {
        "us_a_row": round(told["seconds"] / rows * 1e6, 2),
        "cpu_us_a_row": round(told["cpu_s"] / rows * 1e6, 2),
    }


class FilledServer:
    """A MariaDB with the table `notes`."""

    def __init__(self, server: MariaDB, folder: Path) -> None:
        self._folder = folder
        self._options = server.option_file(folder / "my.cnf")
        self._database = server.database
        self._url = f"mysql+pymysql://{server.host}:{server.port}/{server.database}"

    def client(self) -> dict[str, float]:
        """Seconds that `mariadb --quick` takes for all rows, to /dev/null."""
        before = os.times()
        subprocess.run(
            [
                program("mariadb"),
                f"--defaults-file={self._options}",
                *("--quick", "--batch", self._database, "--execute", QUERY),
            ],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        after = os.times()
        cpu = after.children_user + after.children_system
        cpu -= before.children_user + before.children_system
        return {"seconds": after.elapsed - before.elapsed, "cpu_s": cpu}

    def extract(self, shards: int) -> dict[str, float]:
        """Seconds and MiB of an extract of all rows."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            database = {"url": self._url, "option_file": str(self._options)}
            return measured("extract", Path(folder), shards, database)


@contextmanager
def filled_server(rows: Iterator[Row]) -> Iterator[FilledServer]:
    """A MariaDB with these rows, all of them in its memory if they fit into 1 GiB."""
    options = ("--innodb-buffer-pool-size=1G", "--local-infile=1", "--max-allowed-packet=64M")
    with (
        tempfile.TemporaryDirectory(prefix="notemill-extract-") as folder,
        MariaDB(*options) as server,
        server.connect(local_infile=True, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        table = Path(folder) / "notes.tsv"
        with table.open("w", encoding="utf-8") as file:
            file.writelines(f"{number}\t{text}\n" for number, text in rows)
        cursor.execute("CREATE TABLE notes (visit INT PRIMARY KEY, note MEDIUMTEXT)")
        cursor.execute(f"LOAD DATA LOCAL INFILE '{table}' INTO TABLE notes CHARACTER SET utf8mb4")
        table.unlink()
        cursor.execute("SELECT SUM(LENGTH(note)) FROM notes")
        yield FilledServer(server, Path(folder))


def notes(count: int, size: int, *, wide: bool = False) -> Iterator[Row]:
    """Notes of so many bytes that compress about as clinical text does.

    wide: one character beyond the first plane, for which Python keeps four bytes a character.
    """
    chance = random.Random(7)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 11))) for _ in range(8000)]
    pool = " ".join(chance.choices(words, k=700_000))
    for number in range(count):
        start = chance.randrange(len(pool) // 2)
        text = f"{number} " + pool[start : start + size]
        text += pool * ((size - len(text)) // len(pool) + 1) if len(text) < size else ""
        yield number, ("\N{FACE WITH TEARS OF JOY}" if wide else "") + text[: size - 4]


def measured(
    step: str, folder: Path, shards: int, database: dict[str, str] | None = None
) -> dict[str, float]:
    """Seconds, by the clock and on the CPU, and MiB of a step in a process of its own.

    Without a database it is the SQLite file in the folder.
    """
    database = database or {"url": f"sqlite:///{folder}/notes.sqlite"}
    done = subprocess.run(
        [sys.executable, "-c", STEP, json.dumps([step, str(folder), shards, QUERY, database])],
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
