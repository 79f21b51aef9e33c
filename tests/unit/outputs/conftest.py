"""A clinic's cohort, answered, whose answers go to files."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from notemill.load.report import LoadReport
from notemill.outputs.deliver import deliver
from tests.unit.conftest import Clinic, write_task
from tests.unit.loads import ID, Loads

TEXTS: list[tuple[Any, Any]] = [
    (7, "two"),
    (3, "=1+1"),
    (9, None),
    (1, "one"),
    (4, "a;=b"),
    (2, "one"),
    (7, "two"),
    (8, "- x\n-y"),
]
"""Notes in no order of their ids or hashes; one stands there twice."""
ORDER = [7, 3, 9, 1, 4, 2, 8]
FAILED = {"two": "schema"}


class Files(Loads):
    """Loads into files."""

    def file(self, name: str) -> Path:
        return self.clinic.folder / "out" / name

    def deliver(self, *names: str, experiment: str = ID, **changes: Any) -> LoadReport:
        """Write files of these names, and no table."""
        values = {"results_table": None, "outputs": [str(self.file(name)) for name in names]}
        work = self.work(experiment=experiment, **(values | changes))
        database = self.clinic.database if work.run.experiment.results_table else None
        return deliver(database, work, self.clinic.layout, self.cohort())

    def cohort(self) -> Any:
        return self.clinic.cohort()


@pytest.fixture
def files(clinic: Clinic) -> Files:
    clinic.fill(*TEXTS)
    clinic.extract()
    files = Files(clinic, write_task(clinic.folder / "tasks"))
    files.answer(FAILED)
    return files


def parquet_rows(path: Path) -> list[dict[str, Any]]:
    table: pa.Table = pq.read_table(path)
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def csv_rows(path: Path) -> list[dict[str, str]]:
    """As Python's own reader has them, which knows nothing of Arrow."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.DictReader(content.decode("utf-8-sig").splitlines(keepends=True)))


def json_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]
