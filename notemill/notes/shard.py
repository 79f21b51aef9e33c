"""A notes shard: a Parquet file of id columns and texts, ordered by the text's hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.notes.manifest import ShardEntry
from notemill.notes.purged import EXTRACT_AGAIN
from notemill.notes.runs import runs, text_sizes
from notemill.notes.text import NoteText, TextState

READ_ANEW = (
    "run snakemake once with `--forcerun extract` added: what is lost is read anew, no answered "
    "note is asked again"
)
"""Remedy for a notes shard that is lost or damaged."""

PURGED = b"notemill_purged"
"""Key of the file's metadata: that texts were taken out of it."""

ROW = "notemill_row"
"""The row's number in the source, from 0; null in cohorts that were read by an older version."""
CHARACTERS = "notemill_characters"
"""How long a purged text was: evaluations tell long notes from short ones."""
_ROWS_A_GROUP = 2048
_BYTES_A_GROUP = 8 << 20
"""Of the texts of a row group, which is written and read as one."""
_ARROW = {
    "integer": pa.int64(),
    "text": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us"),
    "uuid": pa.string(),
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


def numbered(notes: pa.Table) -> pa.Table:
    """Notes with their rows' numbers, null where they came without."""
    if ROW in notes.column_names:
        return notes
    return notes.append_column(ROW, pa.nulls(len(notes), pa.int64()))


def notes_table(
    columns: list[IdColumn], ids: Sequence[Sequence[Any]], texts: Sequence[NoteText]
) -> pa.Table:
    """Rows of a notes shard. ids: the values of each id column."""
    schema = notes_schema(columns)
    text, states, sha256s, replaced = zip(*texts, strict=True) if texts else ((), (), (), ())
    # Encoded here: Arrow would leave a second copy with a text that the driver still holds.
    encoded = [each if each is None else each.encode() for each in text]
    values = [*ids, encoded, sha256s, states, replaced]
    arrays = [pa.array(each, field.type) for each, field in zip(values, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


class NotesDigest:
    """sha256 over notes' ids, texts and states, in their order; independent of the file format."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def add(self, note: Note) -> None:
        """Take the next note."""
        self._sha256.update(repr((note.ids, note.text_sha256.hex(), note.state.value)).encode())

    def update(self, told: bytes) -> None:
        """Take the next notes as `told` tells of them."""
        self._sha256.update(told)

    def hexdigest(self) -> str:
        """The digest of the notes so far."""
        return self._sha256.hexdigest()


def text_hashes(notes: pa.Table) -> np.ndarray:
    """Each row's hash of its text as four numbers, the first one foremost."""
    hashes = notes["text_sha256"].combine_chunks()
    four = np.frombuffer(hashes.buffers()[1] or b"", ">u8").reshape(-1, 4)
    return four[hashes.offset : hashes.offset + len(hashes)]


def told(notes: pa.Table, columns: list[IdColumn]) -> bytes:
    """What a digest takes of notes: of each what `NotesDigest.add` takes."""
    ids = zip(*(notes[column.name].to_pylist() for column in columns), strict=True)
    digits = text_hashes(notes).tobytes().hex()
    hashes = [digits[place : place + 64] for place in range(0, len(digits), 64)]
    states = notes["text_state"].to_pylist()
    return "".join(map(repr, zip(ids, hashes, states, strict=True))).encode()


class ShardWriter:
    """Writes notes, which must come ordered by the text's hash, and sums them up."""

    def __init__(self, path: Path, columns: list[IdColumn]) -> None:
        schema = notes_schema(columns).append(pa.field(ROW, pa.int64()))
        # Dictionaries and statistics keep texts in memory and help no one who reads them.
        small = [name for name in schema.names if name not in ("text", "text_sha256", ROW)]
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            use_dictionary=small,
            write_statistics=small,
            write_page_checksum=True,
        )
        self._held = schema.empty_table()
        self._digest = NotesDigest()
        self._last_text = np.zeros((1, 4), np.uint64)
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
        if kind is None and len(self._held):
            self._writer.write_table(self._held)
        self._writer.close()

    def add(self, notes: pa.Table, of_notes: bytes) -> None:
        """Append notes. of_notes: what a digest takes of them (`told`)."""
        self._digest.update(of_notes)
        self.notes += len(notes)
        self._count_texts(notes)
        held = pa.concat_tables([self._held, numbered(notes)])
        for start, stop in runs(text_sizes(held), _BYTES_A_GROUP, _ROWS_A_GROUP):
            self._held = held.slice(start, stop - start)
            if stop < len(held):  # a full group
                self._writer.write_table(self._held)

    def entry(self, name: str) -> ShardEntry:
        """What the manifest says of this shard."""
        return ShardEntry(
            name=name, notes=self.notes, texts=self.texts, digest=self._digest.hexdigest()
        )

    def _count_texts(self, notes: pa.Table) -> None:
        asked = text_hashes(notes.filter(pc.equal(notes["text_state"], TextState.OK.value)))
        hashes = np.concatenate([self._last_text, asked])
        self.texts += int(np.any(hashes[1:] != hashes[:-1], axis=1).sum())
        self._last_text = hashes[-1:]


def read_notes(path: Path, columns: list[IdColumn], *, with_text: bool) -> Iterator[Note]:
    """Notes of a shard in the order of their texts' hashes, one row group in memory at once.

    Without text, `text` is None on every row and the file is read several times faster; else each
    is held to its hash. Raises NotemillError for a file that is damaged or not a notes shard.
    """
    for table in read_tables(path, columns, with_text=with_text):
        yield from map(
            Note,
            zip(*(table[column.name].to_pylist() for column in columns), strict=True),
            map(_plain, table["text"]) if with_text else repeat(None),
            table["text_sha256"].to_pylist(),
            map(TextState, table["text_state"].to_pylist()),
            table["replaced_bytes"].to_pylist(),
        )


def read_tables(path: Path, columns: list[IdColumn], *, with_text: bool) -> Iterator[pa.Table]:
    """A shard's row groups, as `read_notes` has their rows, with their numbers (`ROW`).

    Without text there is no such column.

    Raises NotemillError for a file that is damaged or not a notes shard.
    """
    wanted = [name for name in notes_schema(columns).names if with_text or name != "text"]
    with readable_parquet(path, remedy=READ_ANEW) as file:
        if with_text:
            must_have_texts(file, path)
        missing = set(wanted) - set(file.schema_arrow.names)
        if missing:
            raise NotemillError(
                f"this notes shard lacks the columns {', '.join(sorted(missing))}",
                where=str(path),
                remedy=READ_ANEW,
            )
        there = [*wanted, *({ROW} & set(file.schema_arrow.names))]
        # Not iter_batches: it counts rows, over row groups, however large they are.
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=there, use_threads=False).select(there)
            if with_text:
                _hold_texts(table, path)
            yield numbered(table)


def is_purged(file: pq.ParquetFile) -> bool:
    """Whether texts were taken out of this notes shard."""
    return PURGED in (file.schema_arrow.metadata or {})


def must_have_texts(file: pq.ParquetFile, path: Path) -> None:
    """Raise NotemillError for a notes shard whose texts were purged."""
    if is_purged(file):
        raise NotemillError(
            "this notes shard has no texts any more: its cohort was purged",
            where=str(path),
            remedy=EXTRACT_AGAIN,
        )


def _plain(text: pa.Scalar) -> str | None:
    """One text is in memory at once as Python's, which may take four bytes a character."""
    value: str | None = text.as_py()
    return value


def _hold_texts(table: pa.Table, path: Path) -> None:
    """Raise NotemillError if a text is not the one whose hash stands beside it."""
    text = table["text"].cast(pa.large_string()).combine_chunks()
    _, places, data = text.buffers()
    ends = np.frombuffer(places, np.int64)[text.offset : text.offset + len(text) + 1].tolist()
    texts = memoryview(data or b"")
    for start, end, text_sha256 in zip(
        ends, ends[1:], table["text_sha256"].to_pylist(), strict=False
    ):
        if hashlib.sha256(texts[start:end]).digest() != text_sha256:
            raise NotemillError(
                "this notes shard holds a text that is not the one it was",
                where=str(path),
                remedy=READ_ANEW,
            )


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
