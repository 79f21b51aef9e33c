"""notemill.notes.spool"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notemill.errors import NotemillError
from notemill.notes import spool as module
from notemill.notes.manifest import IdColumn
from notemill.notes.spool import Spool
from notemill.notes.text import read_text, shard_of

from .conftest import full_disk, names_in, of_this_process

SHARDS = 3
COLUMNS = [IdColumn(name="visit", kind="integer"), IdColumn(name="part", kind="text")]
Rows = list[tuple[tuple[int, str], str | None]]
rows_of_a_table = st.lists(
    st.tuples(
        st.tuples(st.integers(-5, 5), st.sampled_from("ab")),
        st.none() | st.text(max_size=3) | st.sampled_from(["same", "other"]),
    ),
    max_size=25,
)


def filled(folder: Path, rows: Rows) -> Spool:
    spool = Spool(folder, SHARDS)
    spool.columns = COLUMNS
    for sequence, (ids, text) in enumerate(rows):
        spool.add(sequence, ids, read_text(text))
    spool.finish()
    return spool


@pytest.fixture(autouse=True)
def small_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A run holds some three rows, and a group two, so that small tables take many of both."""
    monkeypatch.setattr(module, "_RUN_BYTES", 1000)
    monkeypatch.setattr(module, "_ROWS_A_GROUP", 2)
    yield


@settings(max_examples=20)
@given(rows=rows_of_a_table)
def test_every_row_comes_back_once_in_its_texts_shard_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, rows: Rows
) -> None:
    with filled(tmp_path_factory.mktemp("spool"), rows) as spool:
        shards = [list(spool.notes(shard)) for shard in range(SHARDS)]
    for number, shard in enumerate(shards):
        assert all(shard_of(note.text_sha256, SHARDS) == number for _, note in shard)
        order = [(note.text_sha256, note.ids, sequence) for sequence, note in shard]
        assert order == sorted(order)
    back = {sequence: (note.ids, note.text) for shard in shards for sequence, note in shard}
    assert sum(map(len, shards)) == len(rows)
    assert back == dict(enumerate(rows))


def test_memory_holds_one_run_whatever_the_table(tmp_path: Path) -> None:
    with Spool(tmp_path, SHARDS) as spool:
        spool.columns = COLUMNS
        most = 0
        for sequence in range(200):
            spool.add(sequence, (sequence, "a"), read_text("x" * 100))
            most = max(most, len(spool._rows))
        assert most <= 3
        spool.finish()
        assert len(spool._runs) > 60
        assert sum(len(list(spool.notes(shard))) for shard in range(SHARDS)) == 200


def test_ids_are_found_by_sequence(tmp_path: Path) -> None:
    rows: Rows = [((number, "a"), f"text {number}") for number in range(20)]
    with filled(tmp_path, rows) as spool:
        assert sorted(spool.ids_of([3, 17])) == [(3, "a"), (17, "a")]


def test_id_columns_may_be_called_as_the_spools_own(tmp_path: Path) -> None:
    names = ["shard", "sequence", "state", "replaced", "text_sha256", "text"]
    with Spool(tmp_path, 1) as spool:
        spool.columns = [IdColumn(name=name, kind="integer") for name in names]
        spool.add(0, (1, 2, 3, 4, 5, 6), read_text("x"))
        spool.finish()
        assert [note.ids for _, note in spool.notes(0)] == [(1, 2, 3, 4, 5, 6)]
        assert spool.ids_of([0]) == [(1, 2, 3, 4, 5, 6)]


def test_its_files_are_private_and_gone_afterwards(tmp_path: Path) -> None:
    with filled(tmp_path, [((1, "a"), "x")]):
        (folder,) = tmp_path.iterdir()
        (run,) = folder.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert run.stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path) == []


def test_a_full_disk_is_named_and_nothing_stays(tmp_path: Path) -> None:
    full_disk(tmp_path / of_this_process(".spool-") / "0.parquet")
    with pytest.raises(NotemillError, match="no space is left"):
        with Spool(tmp_path, SHARDS) as spool:
            spool.columns = COLUMNS
            for sequence in range(10):
                spool.add(sequence, (sequence, "a"), read_text("x" * 200))
    assert names_in(tmp_path) == []
