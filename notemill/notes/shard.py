"""A notes shard: a Parquet file of id columns and texts, ordered by the text's hash."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.notes.manifest import ShardEntry
from notemill.notes.text import TextState

READ_ANEW = (
    "run snakemake once with `--forcerun extract` added, and then as before: what is lost is "
    "read anew, no answered note is asked again"
)
"""Remedy for a notes shard that is lost or damaged."""

_ROWS_A_GROUP = 2048
_BYTES_A_GROUP = 8 << 20
"""Of memory that the texts of a row group take, which is written and read as one."""
_ARROW = {
    "integer": pa.int64(),
    "text": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}


class Note(NamedTuple):
    """One row of a notes shard. replaced_bytes: invalid sequences replaced in its text."""

    ids: tuple[Any, ...]
    text: str | None
    text_sha256: bytes
    state: TextState
    replaced_bytes: int


def id_fields(columns: list[IdColumn]) -> list[pa.Field]:
    """Arrow fields of the id columns, with their own types."""
    return [pa.field(column.name, _arrow_type(column), nullable=False) for column in columns]


def notes_schema(columns: list[IdColumn]) -> pa.Schema:
    """Arrow schema of a notes shard."""
    return pa.schema(
        [
            *id_fields(columns),
            pa.field("text", pa.large_string()),
            pa.field("text_sha256", pa.binary(32), nullable=False),
            pa.field("text_state", pa.string(), nullable=False),
            pa.field("replaced_bytes", pa.int32(), nullable=False),
        ]
    )


class NotesDigest:
    """sha256 over notes' ids, texts and states, in their order; independent of the file format."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def add(self, note: Note) -> None:
        """Take the next note."""
        self._sha256.update(repr((note.ids, note.text_sha256.hex(), note.state.value)).encode())

    def hexdigest(self) -> str:
        """The digest of the notes so far."""
        return self._sha256.hexdigest()


class ShardWriter:
    """Writes notes, which must come ordered by the text's hash, and sums them up."""

    def __init__(self, path: Path, columns: list[IdColumn]) -> None:
        self._schema = notes_schema(columns)
        # Dictionaries and statistics keep texts in memory and help no one who reads them.
        small = [name for name in self._schema.names if name not in ("text", "text_sha256")]
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            use_dictionary=small,
            write_statistics=small,
            write_page_checksum=True,
        )
        self._rows: list[Note] = []
        self._bytes = 0
        self._digest = NotesDigest()
        self._last_text = b""
        self.notes = 0
        self.texts = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, note: Note) -> None:
        """Append one note."""
        self.notes += 1
        if note.state is TextState.OK and note.text_sha256 != self._last_text:
            self.texts += 1
            self._last_text = note.text_sha256
        self._digest.add(note)
        self._rows.append(note)
        self._bytes += sys.getsizeof(note.text)
        if len(self._rows) >= _ROWS_A_GROUP or self._bytes >= _BYTES_A_GROUP:
            self._flush()

    def entry(self, name: str) -> ShardEntry:
        """What the manifest says of this shard."""
        return ShardEntry(
            name=name, notes=self.notes, texts=self.texts, digest=self._digest.hexdigest()
        )

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(_table(self._rows, self._schema))
            self._rows, self._bytes = [], 0


def read_notes(path: Path, columns: list[IdColumn], *, with_text: bool) -> Iterator[Note]:
    """Notes of a shard in the order of their texts' hashes, one row group in memory at once.

    Without text, `text` is None on every row and the file is read several times faster; else each
    is held to its hash. Raises NotemillError for a file that is damaged or not a notes shard.
    """
    names = [column.name for column in columns]
    wanted = [*names, "text_sha256", "text_state", "replaced_bytes"]
    if with_text:
        wanted.append("text")
    with readable_parquet(path, remedy=READ_ANEW) as file:
        missing = set(wanted) - set(file.schema_arrow.names)
        if missing:
            raise NotemillError(
                f"this notes shard lacks the columns {', '.join(sorted(missing))}",
                where=str(path),
                remedy=READ_ANEW,
            )
        # Not iter_batches: it counts rows, over row groups, however large they are.
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=wanted, use_threads=False)
            columns_of = {name: table[name].to_pylist() for name in wanted if name != "text"}
            texts = _held_texts(table, path) if with_text else repeat(None)
            yield from map(
                Note,
                zip(*(columns_of[name] for name in names), strict=True),
                texts,
                columns_of["text_sha256"],
                map(TextState, columns_of["text_state"]),
                columns_of["replaced_bytes"],
            )


def _held_texts(table: pa.Table, path: Path) -> Iterator[str | None]:
    """The texts of some rows, one in memory at once."""
    for text, text_sha256 in zip(table["text"], table["text_sha256"], strict=True):
        note = text.as_py()
        if hashlib.sha256((note or "").encode()).digest() != text_sha256.as_py():
            raise NotemillError(
                "this notes shard holds a text that is not the one it was",
                where=str(path),
                remedy=READ_ANEW,
            )
        yield note
        del note


@contextmanager
def readable_parquet(path: Path, *, remedy: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file, with an error that names it when it is damaged."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        raise NotemillError("this file is missing", where=str(path), remedy=remedy) from None
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise NotemillError(
            "this Parquet file is damaged or cut short", where=str(path), remedy=remedy
        ) from error


def _arrow_type(column: IdColumn) -> pa.DataType:
    if column.kind == "decimal":
        return pa.decimal128(38, column.scale or 0)
    return _ARROW[column.kind]


def _table(rows: list[Note], schema: pa.Schema) -> pa.Table:
    ids = zip(*(row.ids for row in rows), strict=True)
    arrays = [pa.array(values, field.type) for values, field in zip(ids, schema, strict=False)]
    arrays += [
        pa.array([row.text for row in rows], pa.large_string()),
        pa.array([row.text_sha256 for row in rows], pa.binary(32)),
        pa.array([row.state.value for row in rows], pa.string()),
        pa.array([row.replaced_bytes for row in rows], pa.int32()),
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
