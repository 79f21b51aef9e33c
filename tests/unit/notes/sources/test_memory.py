"""Files read in a process of its own: its peak memory on files that hurt."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.workflow.project import REPOSITORY

STEP = """
import sys
from pathlib import Path
from notemill.answers.recut import JournaledAnswers
from notemill.config import Cohort
from notemill.notes.extract import extract
from notemill.paths import Layout
file, results = map(Path, sys.argv[1:])
layout, cohort = Layout(results), Cohort(files=str(file), id_columns=["id"], text_column="text")
extract(None, "c", cohort, layout, JournaledAnswers(layout, "c"))
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""
LONG = ('says "no", and ' * 17 + "\n") * (1 << 12)
"""A mebibyte."""


def wide_lines(path: Path) -> None:
    """Three notes of 16 MB in characters of four bytes."""
    with path.open("w") as file:
        for number in range(3):
            note = {"id": number, "text": f"{number}" + "\U0001f600" * 4_000_000}
            file.write(json.dumps(note, ensure_ascii=False) + "\n")


def large_csv(path: Path) -> None:
    """300 notes of a megabyte, of many lines each."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows((number, f"{number}{LONG}") for number in range(300))


def one_row_group(path: Path) -> None:
    """500 notes of a megabyte in one row group of Parquet."""
    texts = pa.chunked_array([pa.array([LONG], pa.large_string())] * 500)  # one, in memory
    notes = pa.table({"id": pa.array(range(500)), "text": texts})
    pq.write_table(notes, path, use_dictionary=False)
    assert pq.ParquetFile(path).num_row_groups == 1


@pytest.mark.parametrize("write", [wide_lines, large_csv, one_row_group])
def test_memory_stays_below_400_mib(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "notes")
    command = [sys.executable, "-c", STEP, str(tmp_path / "notes"), str(tmp_path / "results")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 400
