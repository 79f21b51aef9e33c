"""Rows on their way to shards: sorted parts on disk, merged into one order.

Memory holds one part's rows while reading, and while merging one row of each of a few parts and
one text, whatever the size of the table or of a note. Parts beyond a few are first merged into
fewer, so no more than a few files are open and each row is written once or twice more.
"""

from __future__ import annotations

import heapq
import os
import pickle
import shutil
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

from notemill.files import explained, private_folder
from notemill.notes.shard import Note
from notemill.notes.text import NoteText, TextState

_PART_BYTES = 48 << 20
_ROW_BYTES = 400
"""Memory of a row beside its text and ids."""
_PARTS_AT_ONCE = 64
_CODEC = pa.Codec("zstd", 1)
_BUFFER = 1 << 17
_LENGTHS = struct.Struct("<IQ")
"""Bytes of a record's pickled row and of its compressed text."""


class _Row(NamedTuple):
    """All but the text, in the order in which rows sort. size: bytes of the text, None for NULL."""

    text_sha256: bytes
    ids: tuple[Any, ...]
    sequence: int
    state: str
    replaced: int
    size: int | None


class Spool:
    """Takes rows in any order; gives them ordered by text hash, ids and sequence."""

    def __init__(self, folder: Path) -> None:
        self._folder = private_folder(folder / f".spool-{os.uname().nodename}-{os.getpid()}")
        self._rows: list[tuple[_Row, bytes]] = []
        self._bytes = 0
        self._parts: list[Path] = []
        self._numbers = count()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, sequence: int, ids: tuple[Any, ...], text: NoteText) -> None:
        """Take a row; sequence is its number in the query's order."""
        encoded = None if text.text is None else text.text.encode()
        packed = _CODEC.compress(encoded or b"", asbytes=True)
        size = None if encoded is None else len(encoded)
        row = _Row(text.sha256, ids, sequence, text.state.value, text.replaced, size)
        self._rows.append((row, packed))
        self._bytes += _ROW_BYTES + len(packed) + sum(map(sys.getsizeof, ids))
        if self._bytes >= _PART_BYTES:
            self._write_part()

    def done_adding(self) -> None:
        """Write what is in memory, and merge parts until a few are left."""
        if self._rows:
            self._write_part()
        while len(self._parts) > _PARTS_AT_ONCE:
            self._parts = [
                self._merged(self._parts[start : start + _PARTS_AT_ONCE])
                for start in range(0, len(self._parts), _PARTS_AT_ONCE)
            ]

    def notes(self) -> Iterator[tuple[int, Note]]:
        """All rows with their sequence numbers."""
        for row, part in _in_order(self._parts):
            text = None
            if row.size is not None:
                text = _CODEC.decompress(part.text(), row.size, asbytes=True).decode()
            yield (
                row.sequence,
                Note(row.ids, text, row.text_sha256, TextState(row.state), row.replaced),
            )

    def ids_of(self, sequences: Iterable[int]) -> list[tuple[Any, ...]]:
        """Ids of the rows with these numbers, in the order of their texts' hashes."""
        wanted = set(sequences)
        return [row.ids for row, _ in _in_order(self._parts) if row.sequence in wanted]

    def _write_part(self) -> None:
        self._rows.sort()
        self._parts.append(self._written_part(self._rows))
        self._rows, self._bytes = [], 0

    def _merged(self, parts: list[Path]) -> Path:
        merged = self._written_part((row, part.text()) for row, part in _in_order(parts))
        for part in parts:
            part.unlink()
        return merged

    def _written_part(self, rows: Iterable[tuple[_Row, bytes]]) -> Path:
        path = self._folder / str(next(self._numbers))
        with explained(path), path.open("wb", buffering=_BUFFER) as file:
            path.chmod(0o600)
            for row, packed in rows:
                record = pickle.dumps(tuple(row))
                file.write(_LENGTHS.pack(len(record), len(packed)))
                file.write(record)
                file.write(packed)
        return path


class _Part:
    """Reads a part row by row; a row's text only when it is wanted, before the next row."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unread = 0

    def rows(self) -> Iterator[tuple[_Row, _Part]]:
        while lengths := self._file.read(_LENGTHS.size):
            length, self._unread = _LENGTHS.unpack(lengths)
            yield _Row._make(pickle.loads(self._file.read(length))), self
            self._file.seek(self._unread, os.SEEK_CUR)

    def text(self) -> bytes:
        """The compressed text of the row at hand."""
        packed = self._file.read(self._unread)
        self._unread = 0
        return packed


def _in_order(parts: list[Path]) -> Iterator[tuple[_Row, _Part]]:
    """Rows of sorted parts, merged."""
    with ExitStack() as files:
        opened = [_Part(files.enter_context(path.open("rb", buffering=_BUFFER))) for path in parts]
        yield from heapq.merge(*(part.rows() for part in opened))
