"""Rows in the order of their ids, however many: sorted runs in a file without a name, merged.

A database keeps a table in the order of its key. Rows that come in another order cost it a page
read and written for each; in this one they are written, and read back, page after page.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from notemill.errors import NotemillError
from notemill.leftovers import temporary_place

_RUN_BYTES = 24 << 20
"""Rows in memory before they are sorted and put aside."""
_BLOCK_BYTES = 512 << 10
"""Of a run, read at once while all runs are merged."""
_CODEC = "lz4"

_Place = tuple[int, int, int]
"""A block in the file: offset, bytes, bytes in memory."""


class Sorted:
    """Record batches of one schema by ascending `keys`: text by code point, bytes by their value.

    As many rows as go into some MiB never leave memory; more lie in a temporary file that has no
    name and no reader but this process.
    """

    def __init__(self, schema: pa.Schema, keys: list[str]) -> None:
        self.rows = 0
        self._schema = schema
        self._keys = keys
        self._pending: list[pa.RecordBatch] = []
        self._bytes = 0
        self._runs: list[list[_Place]] = []
        self._file: int | None = None
        self._place: Path | None = None
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows in any order."""
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        self._pending.append(batch)
        self._bytes += batch.nbytes
        if self._bytes >= _RUN_BYTES:
            self._put_aside()

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """All rows in their order, at most `rows` at once; again at each call."""
        if self._runs:
            self._put_aside()
            found: Iterable[pa.Table] = self._merged()
        else:
            found = [self._sorted(self._pending)]
        for table in found:
            yield from table.to_batches(max_chunksize=rows)

    def _sorted(self, batches: list[pa.RecordBatch]) -> pa.Table:
        table = pa.Table.from_batches(batches, schema=self._schema)
        order = pc.sort_indices(table, sort_keys=[(key, "ascending") for key in self._keys])
        return table.take(order).combine_chunks()

    def _put_aside(self) -> None:
        if not self._pending:
            return
        table = self._sorted(self._pending)
        self._pending, self._bytes = [], 0
        rows = max(1, table.num_rows * _BLOCK_BYTES // max(table.nbytes, 1))
        self._runs.append([self._write(batch) for batch in table.to_batches(max_chunksize=rows)])

    def _write(self, batch: pa.RecordBatch) -> _Place:
        block = batch.serialize()
        packed = pa.compress(block, codec=_CODEC, asbytes=True)
        try:
            if self._file is None:
                # Private and gone with this process, whatever ends it.
                self._place = temporary_place()
                with tempfile.TemporaryFile(dir=self._place) as file:
                    self._file = os.dup(file.fileno())
            written = 0
            while written < len(packed):
                written += os.pwrite(self._file, packed[written:], self._end + written)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise NotemillError(
                "no space is left for sorting the rows by their ids; nothing was changed",
                where=str(self._place),
                remedy="free some space there, or set TMPDIR to a folder on a disk with room for "
                "the result shards once more",
            ) from None
        place = (self._end, len(packed), block.size)
        self._end += len(packed)
        return place

    def _read(self, place: _Place) -> pa.RecordBatch:
        assert self._file is not None
        offset, size, whole = place
        packed = os.pread(self._file, size, offset)
        return pa.ipc.read_record_batch(pa.decompress(packed, whole, codec=_CODEC), self._schema)

    def _merged(self) -> Iterator[pa.Table]:
        """What all runs have up to the first end of a block, sorted; and so on."""
        rests = [iter(run) for run in self._runs]
        heads: dict[int, pa.RecordBatch] = {}
        for number, rest in enumerate(rests):
            heads[number] = self._read(next(rest))
        while heads:
            ends = {number: self._key(head, head.num_rows - 1) for number, head in heads.items()}
            bound = min(ends.values())
            parts = []
            for number, head in list(heads.items()):
                if ends[number] <= bound:
                    parts.append(head)
                    place = next(rests[number], None)
                    if place is None:
                        del heads[number]
                    else:
                        heads[number] = self._read(place)
                elif count := self._up_to(head, bound):
                    parts.append(head.slice(0, count))
                    heads[number] = head.slice(count)
            yield self._sorted(parts)

    def _key(self, batch: pa.RecordBatch, row: int) -> tuple[Any, ...]:
        return tuple(batch.column(key)[row].as_py() for key in self._keys)

    def _up_to(self, batch: pa.RecordBatch, bound: tuple[Any, ...]) -> int:
        """How many of the rows, which are sorted, are not beyond the bound."""
        columns = [batch.column(key) for key in self._keys]
        pairs = [
            (column, pa.scalar(value, column.type))
            for column, value in zip(columns, bound, strict=True)
        ]
        last = pc.less_equal(*pairs[-1])
        within = reduce(
            lambda rest, pair: pc.or_(pc.less(*pair), pc.and_(pc.equal(*pair), rest)),
            reversed(pairs[:-1]),
            last,
        )
        return int(pc.sum(within).as_py())
