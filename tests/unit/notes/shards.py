"""The notes that an extract has written, read back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from notemill.database.keys import IdColumn
from notemill.notes.manifest import read_manifest
from notemill.notes.shard import Note, notes_table, read_notes
from notemill.notes.text import NoteText, read_text
from notemill.paths import cut_name, shard_names
from tests.unit.conftest import Clinic


def table(columns: list[IdColumn], *rows: tuple[tuple[Any, ...], Any]) -> pa.Table:
    """Rows of ids and a text as the database gives it, as extract has them."""
    texts = [text if isinstance(text, NoteText) else read_text(text) for _, text in rows]
    ids = [list(values) for values in zip(*(ids for ids, _ in rows), strict=True)]
    return notes_table(columns, ids or [[] for _ in columns], texts)


def rows_of(notes: pa.Table, columns: list[IdColumn]) -> Iterator[Note]:
    """The same as notes."""
    for row in notes.to_pylist():
        ids = tuple(row[column.name] for column in columns)
        yield Note(ids, row["text"], row["text_sha256"], row["text_state"], row["replaced_bytes"])


def shards_of(clinic: Clinic, name: str = "chest", shards: int = 3) -> list[list[Note]]:
    """The notes of each shard, read back."""
    columns = read_manifest(clinic.manifest(name)).id_columns
    cut = cut_name(shards)
    return [
        list(read_notes(clinic.layout.notes(name, cut, shard), columns, with_text=True))
        for shard in shard_names(shards)
    ]


def notes_of(clinic: Clinic) -> dict[Any, str | None]:
    """Text of each visit."""
    return {note.ids[0]: note.text for shard in shards_of(clinic) for note in shard}
