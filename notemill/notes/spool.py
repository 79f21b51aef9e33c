"""Rows on their way to shards: sorted runs on disk, merged a shard at a time.

Memory holds one run's rows while reading and a few rows of each run while merging, whatever the
size of the table.
"""

from __future__ import annotations

import heapq
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from notemill.files import explained, private_folder
from notemill.notes.manifest import IdColumn
from notemill.notes.shard import Note, id_fields
from notemill.notes.text import NoteText, TextState, shard_of

_RUN_BYTES = 64 << 20
_ROW_BYTES = 300
"""Rough memory of a row beside its text."""
_ROWS_A_GROUP = 512
_SEQUENCE = "own-sequence"  # with a hyphen, which no id column's name has

_Row = tuple[int, bytes, tuple[Any, ...], int, str | None, str, int]
"""shard, text_sha256, ids, sequence, text, state, replaced: in the order in which rows sort."""


class Spool:
    """Takes rows in any order; gives each shard's rows ordered by text hash, ids and sequence."""

    def __init__(self, folder: Path, shards: int) -> None:
        self.columns: list[IdColumn] = []
        self._shards = shards
        self._folder = private_folder(folder / f".spool-{os.uname().nodename}-{os.getpid()}")
        self._rows: list[_Row] = []
        self._bytes = 0
        self._runs: list[tuple[Path, dict[int, list[int]]]] = []

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
        self._rows.append(
            (
                shard_of(text.sha256, self._shards),
                text.sha256,
                ids,
                sequence,
                text.text,
                text.state.value,
                text.replaced,
            )
        )
        self._bytes += _ROW_BYTES + len(text.text or "")
        if self._bytes >= _RUN_BYTES:
            self.finish()

    def finish(self) -> None:
        """Write what is in memory as one sorted run."""
        if not self._rows:
            return
        self._rows.sort(key=_order)
        path = self._folder / f"{len(self._runs)}.parquet"
        with explained(path):
            groups = _write_run(path, self._rows, self._schema())
        self._runs.append((path, groups))
        self._rows, self._bytes = [], 0

    def notes(self, shard: int) -> Iterator[tuple[int, Note]]:
        """A shard's rows with their sequence numbers, merged over all runs."""
        runs = (_read_run(path, groups.get(shard, [])) for path, groups in self._runs)
        for row in heapq.merge(*runs, key=_order):
            _, sha256, ids, sequence, text, state, replaced = row
            yield sequence, Note(ids, text, sha256, TextState(state), replaced)

    def ids_of(self, sequences: Iterable[int]) -> list[tuple[Any, ...]]:
        """Ids of the rows with these numbers, in no order."""
        wanted = set(sequences)
        names = [column.name for column in self.columns]
        found = []
        for path, _ in self._runs:
            table = pq.read_table(path, columns=[_SEQUENCE, *names]).to_pydict()
            for row in zip(table[_SEQUENCE], *(table[name] for name in names), strict=True):
                if row[0] in wanted:
                    found.append(row[1:])
        return found

    def _schema(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field("own-shard", pa.int32()),
                pa.field("own-text-sha256", pa.binary(32)),
                *id_fields(self.columns),
                pa.field(_SEQUENCE, pa.int64()),
                pa.field("own-text", pa.large_string()),
                pa.field("own-state", pa.string()),
                pa.field("own-replaced", pa.int32()),
            ]
        )


def _order(row: _Row) -> tuple[int, bytes, tuple[Any, ...], int]:
    return row[:4]


def _write_run(path: Path, rows: list[_Row], schema: pa.Schema) -> dict[int, list[int]]:
    """Write rows as row groups that hold one shard each; returns the groups of each shard."""
    groups: dict[int, list[int]] = {}
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        start, group = 0, 0
        while start < len(rows):
            shard, end = rows[start][0], start
            while end < min(len(rows), start + _ROWS_A_GROUP) and rows[end][0] == shard:
                end += 1
            flat = [(row[0], row[1], *row[2], *row[3:]) for row in rows[start:end]]
            arrays = [
                pa.array(values, field.type)
                for values, field in zip(zip(*flat, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            groups.setdefault(shard, []).append(group)
            start, group = end, group + 1
    path.chmod(0o600)
    return groups


def _read_run(path: Path, groups: list[int]) -> Iterator[_Row]:
    if not groups:
        return
    with pq.ParquetFile(path) as file:
        for group in groups:
            columns = [column.to_pylist() for column in file.read_row_group(group).columns]
            for row in zip(*columns, strict=True):
                yield (row[0], row[1], row[2:-4], *row[-4:])
