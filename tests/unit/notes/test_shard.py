"""notemill.notes.shard"""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from notemill.database.keys import IdColumn, IdKind
from notemill.errors import NotemillError
from notemill.notes.shard import Note, NotesDigest, ShardWriter, read_notes, told
from notemill.notes.text import NoteText, TextState, read_text
from tests.unit.notes.shards import table

VISIT = [IdColumn(name="visit", kind="integer")]


def note(visit: Any, text: str | bytes | None) -> Note:
    read = read_text(text)
    return Note((visit,), read.text, read.sha256, read.state, read.replaced)


def written(path: Path, notes: list[Note], columns: list[IdColumn] = VISIT) -> ShardWriter:
    ordered = sorted(notes, key=lambda note: note.text_sha256)
    with ShardWriter(path, columns) as writer:
        for some in (ordered[:2], ordered[2:]):
            rows = [(each.ids, NoteText(each.text, *each[3:1:-1], each[4])) for each in some]
            notes_of_table = table(columns, *rows)
            writer.add(notes_of_table, told(notes_of_table, columns))
    return writer


NOTES = [note(1, "one"), note(2, None), note(3, " "), note(4, b"\xff"), note(5, "one")]


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    written(tmp_path / "0000.parquet", NOTES)
    return tmp_path / "0000.parquet"


def test_notes_come_back_as_they_were(shard: Path) -> None:
    assert sorted(read_notes(shard, VISIT, with_text=True)) == sorted(NOTES)
    without = [each._replace(text=None) for each in NOTES]
    assert sorted(read_notes(shard, VISIT, with_text=False)) == sorted(without)


def test_many_notes_come_back_over_several_groups(tmp_path: Path) -> None:
    notes = [note(number, f"text {number}") for number in range(5000)]
    written(tmp_path / "file", notes)
    assert pq.ParquetFile(tmp_path / "file").num_row_groups == 3
    assert sorted(read_notes(tmp_path / "file", VISIT, with_text=True)) == notes


def test_a_shard_without_notes_is_a_shard(tmp_path: Path) -> None:
    assert written(tmp_path / "file", []).entry("0000").notes == 0
    assert list(read_notes(tmp_path / "file", VISIT, with_text=True)) == []


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", -(2**63)),
        ("text", "caf\xe9 "),
        ("binary", b"\x00\xff"),
        ("decimal", Decimal("-0.10")),
        ("date", datetime.date(1900, 1, 1)),
        ("timestamp", datetime.datetime(2024, 2, 29, 23, 59, 59, 999999)),
    ],
)
def test_ids_keep_their_type_and_value(tmp_path: Path, kind: IdKind, value: Any) -> None:
    columns = [IdColumn(name="visit", kind=kind, scale=2)]
    written(tmp_path / "file", [note(value, "x")], columns)
    (back,) = read_notes(tmp_path / "file", columns, with_text=True)
    assert back.ids == (value,)
    assert type(back.ids[0]) is type(value)


def test_the_entry_counts_texts_that_will_be_asked(tmp_path: Path) -> None:
    entry = written(tmp_path / "file", NOTES).entry("0000")
    assert (entry.name, entry.notes, entry.texts) == ("0000", 5, 2)


def test_the_digest_tells_other_notes_from_the_same(tmp_path: Path) -> None:
    def digest(*notes: Note) -> str:
        return written(tmp_path / "file", list(notes)).entry("0000").digest

    same = digest(note(1, "one"), note(2, None))
    assert digest(note(1, "one"), note(2, None)) == same
    others = [
        digest(note(1, "one")),
        digest(note(1, "two"), note(2, None)),
        digest(note(7, "one"), note(2, None)),
        digest(note(1, "one"), note(2, "")),
    ]
    assert len({same, *others}) == 1 + len(others)


def test_a_file_cut_short_anywhere_is_named(shard: Path) -> None:
    whole = shard.read_bytes()
    for length in [0, 3, 4, 100, len(whole) // 2, len(whole) - 9, len(whole) - 1]:
        shard.write_bytes(whole[:length])
        with pytest.raises(NotemillError, match="damaged or cut short") as refused:
            list(read_notes(shard, VISIT, with_text=True))
        assert refused.value.where == str(shard)
        assert "read anew" in refused.value.remedy


def test_a_file_with_damaged_pages_is_named(shard: Path) -> None:
    whole = shard.read_bytes()
    shard.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    with pytest.raises(NotemillError, match="damaged or cut short"):
        list(read_notes(shard, VISIT, with_text=True))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotemillError, match="missing") as refused:
        list(read_notes(tmp_path / "0000.parquet", VISIT, with_text=True))
    assert refused.value.where == str(tmp_path / "0000.parquet")


def test_another_id_column_is_named(shard: Path) -> None:
    columns = [*VISIT, IdColumn(name="part", kind="text")]
    with pytest.raises(NotemillError, match="lacks the columns part") as refused:
        list(read_notes(shard, columns, with_text=False))
    assert "--forcerun extract" in refused.value.remedy


def test_the_digest_is_the_same_for_notes_that_were_read_back(tmp_path: Path) -> None:
    columns = [
        IdColumn(name="number", kind="decimal", scale=2),
        IdColumn(name="at", kind="timestamp"),
        IdColumn(name="day", kind="date"),
        IdColumn(name="key", kind="binary"),
        IdColumn(name="visit", kind="integer"),
        IdColumn(name="name", kind="text"),
    ]
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678)
    ids = (Decimal("1.10"), at, at.date(), b"\xff", 7, "ä ")
    path = tmp_path / "0000.parquet"
    writer = written(path, [Note(ids, "cough", b"x" * 32, TextState.OK, 0)], columns)
    digest = NotesDigest()
    for note in read_notes(path, columns, with_text=False):
        digest.add(note)
    assert digest.hexdigest() == writer.entry("0000").digest
