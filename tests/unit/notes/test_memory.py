"""Extract in a process of its own: its peak memory and its open files on tables that hurt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.extract import MIB, Row, fill, measured, notes


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(lambda: notes(60, 3 * MIB), id="60 notes of 3 MB"),
        pytest.param(lambda: notes(3, 16 * MIB, wide=True), id="3 of 16 MB, 4 bytes a character"),
    ],
)
def test_memory_stays_below_400_mib(tmp_path: Path, table: Callable[[], Iterator[Row]]) -> None:
    fill(tmp_path / "notes.sqlite", table())
    for step, shards in (("extract", 2), ("recut", 1), ("read", 1)):
        assert measured(step, tmp_path, shards)["peak_mib"] < 400
