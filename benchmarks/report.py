"""What a report over many notes takes: `python -m benchmarks.report [ROWS]`, by default 1,000,000.

Result shards with made-up answers, of the columns and row groups that answer jobs write.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from notemill.answers.columns import answer_columns
from notemill.answers.shard import OUTCOME_FIELDS, ShardOrigin
from notemill.config import read_config
from notemill.database.keys import IdColumn
from notemill.files import private_folder
from notemill.notes.manifest import Counts, Manifest, ShardEntry
from notemill.notes.shard import id_fields
from notemill.paths import Layout, cut_name
from notemill.plan.runs import plan_runs
from notemill.report.gather import gather
from notemill.tasks.run import Run

_A_SHARD = 100_000
_SCHEMA = """
from typing import Literal
from pydantic import BaseModel

class Answer(BaseModel):
    response: Literal["yes", "no", "unclear"]
    age: int | None
    reason: str
"""
_IDS = [IdColumn(name="visit", kind="integer"), IdColumn(name="seen", kind="date")]


def main(rows: int) -> None:
    """Write, report, print seconds and memory."""
    with tempfile.TemporaryDirectory() as folder:
        config = _config(Path(folder), shards=-(-rows // _A_SHARD))
        (run,) = plan_runs(config)
        layout = Layout(config.results)
        _write(layout, run, rows)
        started = time.monotonic()
        report = gather(config, [run])
        seconds = time.monotonic() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        (told,) = report.answers
        print(f"{rows:,} rows: {seconds:.1f} s, {peak:.0f} MiB at most; {told.answered} answered")


def _config(folder: Path, shards: int):  # type: ignore[no-untyped-def]
    task = private_folder(folder / "tasks" / "q")
    (task / "system.md").write_text("Read.\n")
    (task / "user.md").write_text("{note}\n")
    (task / "schema.py").write_text(_SCHEMA)
    return read_config(
        {
            "results": str(folder / "results"),
            "tasks": str(folder / "tasks"),
            "database": {"url": "sqlite:///x.sqlite"},
            "cohorts": {
                "many": {
                    "query": "SELECT visit, seen, note FROM notes",
                    "id_columns": ["visit", "seen"],
                    "text_column": "note",
                    "shards": shards,
                }
            },
            "engines": {"local": {"kind": "ollama", "models": "/models"}},
            "experiments": {
                "q": {"task": "q", "engine": "local", "model": "m:1", "results_table": "r"}
            },
        }
    )


def _write(layout: Layout, run: Run, rows: int) -> None:
    count = -(-rows // _A_SHARD)
    cut = cut_name(count)
    entries = [
        ShardEntry(
            name=f"{n:04d}", notes=min(_A_SHARD, rows - n * _A_SHARD), texts=0, digest=str(n)
        )
        for n in range(count)
    ]
    Manifest(
        cohort="many",
        query="SELECT visit, seen, note FROM notes",
        id_columns=_IDS,
        text_column="note",
        same_id_different_text="error",
        counts=Counts(rows=rows, notes=rows, texts=rows),
        digest="d",
        extracted_at="2026-11-01T00:00:00+00:00",
        seconds=1,
        server="MariaDB 11",
        notemill="0",
        shards=entries,
    ).write(layout.manifest("many", cut))
    for number, entry in enumerate(entries):
        path = layout.answers("many", run.experiment_id, cut, entry.name)
        private_folder(path.parent)
        _write_shard(path, run, entry, number)


def _write_shard(path: Path, run: Run, entry: ShardEntry, number: int) -> None:
    rng = np.random.default_rng(number)
    n = entry.notes
    origin = ShardOrigin(
        cohort="many",
        shard=entry.name,
        experiment=run.experiment_id,
        notes_digest=entry.digest,
        model_digest="m",
        weights_sha256="w",
        notemill="0",
        notes=n,
        texts=n,
        failed=0,
        asked=n,
        tokens=n * 900,
        seconds=n / 20,
        jobs=1,
    )
    columns = answer_columns(run.task, "llm_", _IDS)
    schema = pa.schema(
        [*id_fields(_IDS), *OUTCOME_FIELDS, *(column.arrow for column in columns)],
        metadata={b"notemill": origin.model_dump_json().encode()},
    )
    answered = rng.random(n) < 0.999
    values = {
        "visit": np.arange(n) + number * _A_SHARD,
        "seen": np.datetime64("2015-01-01") + rng.integers(0, 3650, n),
        "text_sha256": ["0" * 64] * n,
        "status": np.where(answered, "answered", "schema"),
        "detail": [""] * n,
        "attempts": rng.choice([1, 1, 1, 1, 2, 3], n),
        "changes": [""] * n,
        "prompt_tokens": rng.gamma(3, 250, n).astype(int) + 80,
        "answer_tokens": rng.integers(20, 60, n),
        "seconds": rng.random(n),
        "engine": ["ollama 0.20"] * n,
        "answered_at": [datetime(2026, 11, 1, tzinfo=UTC)] * n,
        "control_tokens": np.zeros(n, int),
        "llm_response": pa.array(
            rng.choice(["yes", "no", "unclear"], n, p=[0.1, 0.88, 0.02]), mask=~answered
        ),
        "llm_age": pa.array(rng.integers(0, 99, n), mask=~answered | (rng.random(n) < 0.05)),
        "llm_reason": pa.array([json.dumps(i)[:5] + " of it" for i in range(n)], mask=~answered),
    }
    arrays = [pa.array(values[field.name]).cast(field.type) for field in schema]
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=1024)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
