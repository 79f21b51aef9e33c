"""notemill.notes.conflicts, against an oracle that keeps everything in memory."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notemill.errors import NotemillError
from notemill.notes import conflicts as module
from notemill.notes.conflicts import IdConflicts
from tests.disks import small_disk
from tests.unit.conftest import names_in

PARTS = 3
Row = tuple[tuple[Any, ...], str]
ids = st.tuples(st.integers(0, 6), st.sampled_from(["a", "A", "a "]))
tables = st.lists(st.tuples(ids, st.sampled_from(["", "x", "y", "z"])), max_size=60)


@pytest.fixture(autouse=True, scope="module")
def few_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PARTS", PARTS)
        patch.setattr(module, "_ROWS_AT_ONCE", 4)
        patch.setattr(module, "_IDS_AT_ONCE", 6)  # parts with more records come in slices
        patch.setattr(module, "_BUFFERED_BYTES", 500)
        yield


def found(rows: list[Row], folder: Path) -> IdConflicts:
    conflicts = IdConflicts(folder)
    for some in (rows[:7], rows[7:8], rows[8:]):
        hashes = [hashlib.sha256(text.encode()).digest() for _, text in some]
        conflicts.add([row_ids for row_ids, _ in some], hashes)
    return conflicts


def clashes(rows: list[Row]) -> list[list[int]]:
    """Numbers of the rows of each id that has more than one text."""
    by_id = defaultdict(list)
    for sequence, (row_ids, _) in enumerate(rows):
        by_id[row_ids].append(sequence)
    return [group for group in by_id.values() if len({rows[row][1] for row in group}) > 1]


@given(tables)
def test_ids_with_different_texts_are_counted_and_shown(rows: list[Row]) -> None:
    with TemporaryDirectory() as folder, found(rows, Path(folder)) as conflicts:
        examples, count = conflicts.examples(5)
    expected = clashes(rows)
    assert count == len(expected)
    assert len(examples) == min(5, count)
    groups = [next(i for i, group in enumerate(expected) if row in group) for row in examples]
    assert len(set(groups)) == len(groups)  # one row an id


@given(tables, st.sampled_from(["first", "last"]))
def test_the_first_or_last_text_of_an_id_is_kept(
    rows: list[Row], keep: Literal["first", "last"]
) -> None:
    with TemporaryDirectory() as folder, found(rows, Path(folder)) as conflicts:
        dropped = conflicts.rows_to_drop(keep)
    expected = set()
    for group in clashes(rows):
        kept = rows[group[0 if keep == "first" else -1]][1]
        expected |= {row for row in group if rows[row][1] != kept}
    assert set(np.flatnonzero(dropped.has(np.arange(len(rows)))).tolist()) == expected


def test_its_files_are_private_and_gone_afterwards(tmp_path: Path) -> None:
    with found([((1,), "x")], tmp_path):
        (folder,) = tmp_path.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert names_in(tmp_path) == []


def test_a_full_disk_is_named_and_nothing_stays(tmp_path: Path) -> None:
    with small_disk(tmp_path):  # smaller than a block for each part
        with pytest.raises(NotemillError, match="no space is left"):
            with IdConflicts(tmp_path) as conflicts:
                for number in range(10_000):  # more than any buffer takes
                    conflicts.add([(number,)], [b"x" * 32])
                conflicts.examples(5)
        assert names_in(tmp_path) == []


def test_a_disk_that_is_full_at_the_end_is_named_too(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        with pytest.raises(NotemillError, match="no space is left"):
            with found([((1,), "x")], tmp_path) as conflicts:
                disk.fill()
                conflicts.examples(5)
        assert names_in(tmp_path) == [".filler"]
