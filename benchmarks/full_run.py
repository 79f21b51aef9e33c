"""The full path on real parts: a CSV of notes, a real MariaDB, a real Slurm, a real engine.

    python -m benchmarks.full_run NOTES.csv.gz --id note_id --text transcription \
        [--ollama PATH --models STORE --model NAME | --weights MODEL.gguf --model NAME]

Prints the counts that the load proved, the wall time, and what a second run, a deleted shard and a
repeated load do. Needs the Debian packages of the test servers. No note is kept.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from tests.servers.mariadb import MariaDB
from tests.servers.slurm import SlurmCluster
from tests.workflow.project import REPOSITORY, Project


def main() -> None:
    options = _options()
    os.umask(0o077)
    with (
        tempfile.TemporaryDirectory(prefix="notemill-run-") as folder,
        MariaDB() as database,
        SlurmCluster() as slurm,
    ):
        place = Path(folder)
        _fill(database, options)
        config = _config(database, place, options)
        # The jobs import the package from the repository.
        project = Project(place / "project", config, slurm.environment)
        with _timed("first run"):
            _must(project.on_slurm("--jobs", "3", timeout=7200))
        _print_reports(project, database)
        before = _rows(database)
        with _timed("second run"):
            print(f"  would do: {project.planned(profile='slurm') or 'nothing'}")
        shard = sorted((project.results / "answers").rglob("*.parquet"))[0]
        shard.unlink()
        print(f"one answer shard deleted; would do: {project.planned(profile='slurm')}")
        with _timed("that shard from its journal, and the load again"):
            _must(project.on_slurm())
        print(f"the same rows after the repeated load: {_rows(database) == before}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notes", type=Path)
    parser.add_argument("--id", default="note_id")
    parser.add_argument("--text", default="text")
    parser.add_argument("--limit", type=int, help="only the first notes")
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--context", type=int, default=8192)
    parser.add_argument("--ollama", type=Path)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--model", default="model")
    return parser.parse_args()


def _fill(database: MariaDB, options: argparse.Namespace) -> None:
    notes = pd.read_csv(options.notes, nrows=options.limit)[[options.id, options.text]]
    notes.columns = ["patientvisitid", "note_text"]
    notes["accession"] = "A" + notes["patientvisitid"].astype(str)
    engine = sa.create_engine(database.url())
    types = {"accession": sa.String(32), "note_text": sa.Text(1 << 24)}
    notes.to_sql("notes", engine, index=False, dtype=types, chunksize=500)
    engine.dispose()
    print(f"{len(notes)} notes in MariaDB")


def _config(database: MariaDB, place: Path, options: argparse.Namespace) -> dict[str, Any]:
    engine: dict[str, Any] = {"slots": options.slots, "gpu": "off"}
    if options.ollama:
        engine |= {
            "kind": "ollama",
            "command": [str(options.ollama)],
            "models": str(options.models.absolute()),
            "runner_options": {"num_thread": 1},
            "flash_attention": False,  # on a CPU it costs more than it gives
        }
    else:
        engine |= {
            "kind": "llamacpp",
            "weights": str(options.weights.absolute()),
        }
    return {
        "tasks": str(REPOSITORY / "config" / "tasks"),
        "database": {
            "url": f"mysql+pymysql://{database.host}:{database.port}/{database.database}",
            "option_file": str(database.option_file(place / "my.cnf")),
        },
        "cohorts": {
            "all_notes": {
                "query": "SELECT patientvisitid, accession, note_text FROM notes",
                "id_columns": ["patientvisitid", "accession"],
                "text_column": "note_text",
                "shards": options.shards,
            }
        },
        "engines": {"engine": engine},
        "experiments": {
            "pneumonia": {
                "task": "pneumonia",
                "engine": "engine",
                "model": options.model,
                "options": {"num_ctx": options.context},
                "results_table": "PNA_Results",
            }
        },
    }


def _print_reports(project: Project, database: MariaDB) -> None:
    for path in sorted((project.results / "loads").rglob("*.json")):
        print(path.read_text())
    for table in ("PNA_Results", "PNA_Results_failures"):
        print(
            f"rows in {table}: {database.execute(f'SELECT COUNT(*) FROM clinical.{table}')[0][0]}"
        )


def _rows(database: MariaDB) -> list[tuple[Any, ...]]:
    return [
        database.execute(
            "SELECT COUNT(*), COUNT(DISTINCT patientvisitid, accession), "
            "COUNT(DISTINCT text_sha256) "
            f"FROM clinical.{table}"
        )[0]
        for table in ("PNA_Results", "PNA_Results_failures")
    ]


def _must(done: Any) -> None:
    if done.returncode:
        print(done.stdout[-6000:])
        sys.exit("the run failed")


class _timed:  # noqa: N801
    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        print(f"{self._what}: {time.monotonic() - self._started:.1f} s wall", flush=True)


if __name__ == "__main__":
    main()
