"""Rows on their way to shards: sorted parts on disk, merged into one order, in columns.

Each part has its keys (all columns but the text) in one file and its texts in another. Keys are
merged some blocks at a time; what a part then gives to a run of rows is the next stretch of its
texts. Memory holds one part while reading, and while merging some blocks of keys and one run,
whatever the size of the table or of a note. Parts beyond a few are first merged into fewer, so no
more than a few files are open and each row is written once or twice more.
"""

from __future__ import annotations

import heapq
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from notemill.files import explained, open_private, private_folder
from notemill.notes.runs import runs, text_sizes
from notemill.notes.shard import ROW

_PART_BYTES = 16 << 20
_PARTS_AT_ONCE = 128
_KEYS_A_BLOCK = 1024
_BYTES_A_BATCH = 1 << 17
"""Of texts that are compressed as one; a longer one is alone."""
_BYTES_A_RUN = 8 << 20
_ROWS_A_RUN = 1 << 14
_SIZE = "\0size"
_PART = "\0part"
"""Columns beside the shard's: bytes of the row's text, whose row it is.

No column of a database has such a name.
"""
_IPC = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)


class Spool:
    """Takes a query's rows; gives them ordered by text hash, ids and number in the query.

    A part is sorted and written in a thread while the next one is read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = private_folder(folder / f".spool-{os.uname().nodename}-{os.getpid()}")
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[Path] | None = None
        self._tables: list[pa.Table] = []
        self._rows = 0
        self._bytes = 0
        self._parts: list[Path] = []
        self._numbers = count()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, notes: pa.Table) -> None:
        """Take the query's next rows (notes_schema)."""
        numbers = pa.array(np.arange(self._rows, self._rows + len(notes)))
        self._tables.append(notes.append_column(ROW, numbers))
        self._rows += len(notes)
        self._bytes += notes.nbytes
        if self._bytes >= _PART_BYTES:
            self._write_part()

    def done_adding(self) -> None:
        """Write what is in memory, and merge parts until a few are left."""
        if self._tables:
            self._write_part()
        self._wait()
        while len(self._parts) > _PARTS_AT_ONCE:
            self._parts = [
                self._merged(self._parts[start : start + _PARTS_AT_ONCE])
                for start in range(0, len(self._parts), _PARTS_AT_ONCE)
            ]

    def notes(self) -> Iterator[pa.Table]:
        """All rows with their numbers in the query's order (`ROW`), some at a time."""
        return _in_order(self._parts)

    def ids_of(self, sequences: Iterable[int], ids: list[str]) -> list[tuple[Any, ...]]:
        """Ids of the rows with these numbers, in the order of their texts' hashes."""
        wanted = pa.array(sequences, pa.int64())
        found: list[tuple[Any, ...]] = []
        with ExitStack() as files:
            for keys in _merged_keys([_Part(path, files) for path in self._parts]):
                of_these = keys.filter(pc.is_in(keys[ROW], wanted))
                found += zip(*(of_these[name].to_pylist() for name in ids), strict=True)
        return found

    def _write_part(self) -> None:
        self._wait()
        tables, self._tables, self._bytes = self._tables, [], 0
        self._writing = self._thread.submit(self._sorted_part, tables)

    def _wait(self) -> None:
        if self._writing:
            self._parts.append(self._writing.result())
            self._writing = None

    def _sorted_part(self, tables: list[pa.Table]) -> Path:
        table = pa.concat_tables(tables).combine_chunks()
        tables.clear()
        order = _order(table)
        sizes = text_sizes(table)[order.to_numpy()]
        return self._written(
            table.take(order[start:stop])
            for start, stop in runs(sizes, _BYTES_A_RUN // 8, _ROWS_A_RUN)
        )

    def _merged(self, parts: list[Path]) -> Path:
        merged = self._written(_in_order(parts))
        for part in parts:
            shutil.rmtree(part)
        return merged

    def _written(self, tables: Iterator[pa.Table]) -> Path:
        """A part of these rows, which come in their order."""
        part = private_folder(self._folder / str(next(self._numbers)))
        with explained(part), ExitStack() as files:
            writers: list[Any] = []
            for table in tables:
                sizes = text_sizes(table)
                keys = table.drop_columns("text").append_column(_SIZE, pa.array(sizes))
                texts = table.select(["text"])
                if not writers:
                    writers += [
                        _writer(part / name, schema, files)
                        for name, schema in (("keys", keys.schema), ("texts", texts.schema))
                    ]
                writers[0].write_table(keys, max_chunksize=_KEYS_A_BLOCK)
                for start, stop in runs(sizes, _BYTES_A_BATCH, _ROWS_A_RUN):
                    writers[1].write_table(texts.slice(start, stop - start))
        return part


def _writer(path: Path, schema: pa.Schema, files: ExitStack) -> Any:
    file = files.enter_context(os.fdopen(open_private(path, os.O_WRONLY | os.O_EXCL), "wb"))
    return files.enter_context(pa.ipc.new_stream(file, schema, options=_IPC))


class _Part:
    """Reads a part's keys by the block, and its texts in the same order when they are wanted."""

    def __init__(self, path: Path, files: ExitStack) -> None:
        self.keys, self._texts = (
            pa.ipc.open_stream(files.enter_context(pa.OSFile(str(path / name))))
            for name in ("keys", "texts")
        )
        self._rest = pa.array([], pa.large_string())

    def texts(self, rows: int) -> Iterator[pa.Array]:
        """The next rows' texts."""
        while rows:
            if not len(self._rest):
                self._rest = self._texts.read_next_batch().column(0)
            piece = self._rest[:rows]
            self._rest = self._rest[len(piece) :]
            rows -= len(piece)
            yield piece


def _in_order(paths: list[Path]) -> Iterator[pa.Table]:
    """Rows of sorted parts, merged."""
    with ExitStack() as files:
        parts = [_Part(path, files) for path in paths]
        for keys in _merged_keys(parts):
            for start, stop in runs(keys[_SIZE].to_numpy(), _BYTES_A_RUN, _ROWS_A_RUN):
                run = keys.slice(start, stop - start)
                texts = _texts(parts, run[_PART].to_numpy())
                place = run.schema.get_field_index("text_sha256")
                yield run.drop_columns([_SIZE, _PART]).add_column(place, "text", texts)


def _texts(parts: list[_Part], wanted: np.ndarray) -> pa.Array:
    """The next texts of the parts, in the order in which the parts are wanted."""
    counts = np.bincount(wanted, minlength=len(parts))
    texts = pa.concat_arrays(
        [
            piece
            for part, rows in zip(parts, counts.tolist(), strict=True)
            for piece in part.texts(rows)
        ]
    )
    place = np.empty(len(wanted), dtype=np.int64)
    place[np.argsort(wanted, kind="stable")] = np.arange(len(wanted))
    return texts.take(pa.array(place))


def _merged_keys(parts: list[_Part]) -> Iterator[pa.Table]:
    """Keys of all parts in one order, with the number of the part that each is from.

    Of each part the next block waits. The blocks that begin first are sorted together; what
    lies before the beginning of all that wait has its place.
    """
    waiting: list[tuple[Any, pa.Table, int]] = []

    def wait_for(number: int) -> None:
        for batch in parts[number].keys:
            block = pa.Table.from_batches([batch])
            block = block.append_column(_PART, pa.array(np.full(len(block), number)))
            heapq.heappush(waiting, (_first(block), block, number))
            return

    for number in range(len(parts)):
        wait_for(number)
    blocks: list[pa.Table] = []
    while waiting:
        for _ in range(min(len(parts), len(waiting))):
            _, block, number = heapq.heappop(waiting)
            blocks.append(block)
            wait_for(number)
        bound = waiting[0][1].slice(0, 1) if waiting else None
        keys = pa.concat_tables([*blocks, *([bound] if bound else [])]).combine_chunks()
        keys = keys.take(_order(keys))
        if bound:
            place = pc.index(keys[ROW], bound[ROW][0]).as_py()
            blocks = [keys.slice(place + 1)]
            keys = keys.slice(0, place)
        yield keys


def _key(table: pa.Table) -> list[str]:
    """Columns by which rows are ordered: the text's hash, the ids, the number in the query."""
    names = table.column_names
    return ["text_sha256", *names[: min(map(names.index, _NO_IDS & set(names)))], ROW]


_NO_IDS = {"text", "text_sha256"}
"""The columns behind the ids."""


def _order(table: pa.Table) -> pa.Array:
    return pc.sort_indices(table, sort_keys=[(name, "ascending") for name in _key(table)])


def _first(table: pa.Table) -> tuple[Any, ...]:
    return tuple(table[name][0].as_py() for name in _key(table))
