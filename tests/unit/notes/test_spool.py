"""notemill.notes.spool"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notemill.database.keys import IdColumn
from notemill.notes import spool as module
from notemill.notes.shard import Note
from notemill.notes.spool import ROW, Spool
from notemill.notes.text import read_text, shard_of
from tests.disks import small_disk
from tests.unit.conftest import names_in
from tests.unit.notes.shards import rows_of, table

SHARDS = 3
Rows = list[tuple[tuple[int, str], str | None]]
rows_of_a_table = st.lists(
    st.tuples(
        st.tuples(st.integers(-5, 5), st.sampled_from("ab")),
        st.none() | st.text(max_size=3) | st.sampled_from(["same", "other"]),
    ),
    max_size=25,
)


COLUMNS = [IdColumn(name="visit", kind="integer"), IdColumn(name="part", kind="text")]


def filled(folder: Path, rows: Rows) -> Spool:
    spool = Spool(folder)
    for row in rows:
        spool.add(table(COLUMNS, row))
    spool.done_adding()
    return spool


def back_from(spool: Spool) -> list[tuple[int, Note]]:
    """All rows with their numbers in the query."""
    return [
        numbered
        for notes in spool.notes()
        for numbered in zip(notes[ROW].to_pylist(), rows_of(notes, COLUMNS), strict=True)
    ]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A part holds three rows, and three are merged at once: small tables take several."""
    monkeypatch.setattr(module, "_PART_BYTES", 220)
    monkeypatch.setattr(module, "_PARTS_AT_ONCE", 3)
    monkeypatch.setattr(module, "_KEYS_A_BLOCK", 2)
    monkeypatch.setattr(module, "_ROWS_A_RUN", 5)
    yield


@settings(max_examples=20)
@given(rows=rows_of_a_table)
def test_every_row_comes_back_once_and_shard_after_shard(
    tmp_path_factory: pytest.TempPathFactory, rows: Rows
) -> None:
    with filled(tmp_path_factory.mktemp("spool"), rows) as spool:
        back = back_from(spool)
    shards = [shard_of(note.text_sha256, SHARDS) for _, note in back]
    assert shards == sorted(shards)
    order = [(note.text_sha256, note.ids, sequence) for sequence, note in back]
    assert order == sorted(order)
    assert len(back) == len(rows)
    assert {n: (note.ids, note.text) for n, note in back} == dict(enumerate(rows))
    for _, note in back:
        again = read_text(note.text)
        assert (note.text_sha256, note.state) == (again.sha256, again.state)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_memory_and_open_files_stay_the_same_whatever_the_table(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        most = 0
        for number in range(200):
            spool.add(table(COLUMNS, ((number, "a"), "x" * 100)))
            most = max(most, len(spool._tables))
        assert most <= 3
        assert len(spool._parts) > 60
        before = open_files()
        spool.done_adding()
        for _ in spool.notes():
            assert open_files() <= before + 2 * 3  # keys and texts of three parts
        assert sorted(number for number, _ in back_from(spool)) == list(range(200))


def test_a_row_is_written_once_more_a_level_and_not_once_more_a_part(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        for number in range(162):
            spool.add(table(COLUMNS, ((number, "a"), f"{number:3} of these")))
        spool.done_adding()
        assert len(spool._parts) == 2
        assert next(spool._numbers) == 54 + 18 + 6 + 2


def test_ids_are_found_by_sequence(tmp_path: Path) -> None:
    rows: Rows = [((number, "a"), f"text {number}") for number in range(20)]
    with filled(tmp_path, rows) as spool:
        assert sorted(spool.ids_of([3, 17], ["visit", "part"])) == [(3, "a"), (17, "a")]


def test_its_files_are_private_and_gone_afterwards(tmp_path: Path) -> None:
    with filled(tmp_path, [((1, "a"), "x")]):
        (folder,) = tmp_path.iterdir()
        (part,) = folder.iterdir()
        assert {each.stat().st_mode & 0o777 for each in (folder, part)} == {0o700}
        assert {file.stat().st_mode & 0o777 for file in part.iterdir()} == {0o600}
    assert names_in(tmp_path) == []


def test_a_full_disk_is_named_and_nothing_stays(tmp_path: Path) -> None:
    rows = [((number, "a"), "x" * number) for number in range(60)]

    def spooled() -> None:
        assert names_in(tmp_path) == [".filler"]
        with Spool(tmp_path) as spool:
            for row in rows:
                spool.add(table(COLUMNS, row))
            spool.done_adding()
            assert sum(map(len, spool.notes())) == len(rows)

    with small_disk(tmp_path, kib=1024) as disk:
        assert len(disk.refusals(spooled, 1 << 15)) > 3
