"""Finds ids that come with different texts, over the whole cohort, in little memory.

Texts decide the shard, so one id's texts lie in different shards; here the rows meet again by a
hash of their ids. 40 bytes a row go to disk, and from there a part of the ids to memory at a time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from notemill.files import explained, open_private, private_folder

_PARTS = 256
_BUFFERED_BYTES = 8 << 20
_ROWS_AT_ONCE = 1 << 18
_IDS_AT_ONCE = 1 << 20
_RECORD = np.dtype([("id", "<u8", 2), ("text", "<u8", 2), ("sequence", "<u8")])

Keep = Literal["first", "last"]


class RowSet:
    """Some of a query's rows, by number; a bit for each of all."""

    def __init__(self, rows: int) -> None:
        self._bits = np.zeros(rows // 8 + 1, dtype=np.uint8)

    def add(self, rows: np.ndarray) -> None:
        """Take rows in, 64-bit numbers."""
        np.bitwise_or.at(self._bits, rows >> 3, (1 << (rows & 7)).astype(np.uint8))

    def has(self, rows: np.ndarray) -> np.ndarray:
        """Which of these rows it has."""
        bits: np.ndarray = self._bits[rows >> 3] >> (rows & 7).astype(np.uint8) & 1
        return bits.astype(bool)


class IdConflicts:
    """Takes every row's ids and text hash; tells which ids have more than one text."""

    def __init__(self, folder: Path) -> None:
        self._folder = private_folder(folder / f".spool-ids-{os.uname().nodename}-{os.getpid()}")
        self._buffered: list[np.ndarray] = []
        self._bytes = 0
        self._rows = 0

    def __enter__(self) -> IdConflicts:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, ids: Iterable[tuple[Any, ...]], texts_sha256: Iterable[bytes]) -> None:
        """Take the query's next rows."""
        keys = [hashlib.blake2b(repr(each).encode(), digest_size=16).digest() for each in ids]
        records = np.empty(len(keys), dtype=_RECORD)
        records["id"] = np.frombuffer(b"".join(keys), "<u8").reshape(-1, 2)
        records["text"] = np.frombuffer(b"".join(texts_sha256), "<u8").reshape(-1, 4)[:, :2]
        records["sequence"] = np.arange(self._rows, self._rows + len(keys))
        self._rows += len(keys)
        self._buffered.append(records)
        self._bytes += records.nbytes
        if self._bytes >= _BUFFERED_BYTES:
            self._write()

    def examples(self, most: int) -> tuple[list[int], int]:
        """Rows of some ids with different texts, one row an id, and the number of such ids."""
        rows: list[int] = []
        count = 0
        for kept, others in self._compared("first"):
            clashing = np.zeros(len(kept), dtype=bool)
            for _, places in others:
                clashing[places] = True
            count += int(clashing.sum())
            rows += map(int, kept["sequence"][clashing][: most - len(rows)])
        return rows, count

    def rows_to_drop(self, keep: Keep) -> RowSet:
        """Rows whose text is not that of their id's first (or last) row in the query's order."""
        dropped = RowSet(self._rows)
        for _, others in self._compared(keep):
            for records, _ in others:
                dropped.add(records["sequence"])
        return dropped

    def _compared(
        self, keep: Keep
    ) -> Iterator[tuple[np.ndarray, Iterator[tuple[np.ndarray, np.ndarray]]]]:
        """For ids by the part: the first (last) row of each, and the rows with another text.

        Those come with the place of their id's kept row, some at a time.
        """
        self._write()
        for path in sorted(self._folder.iterdir()):
            slices = 1 + path.stat().st_size // (_IDS_AT_ONCE * _RECORD.itemsize)
            for number in range(slices):
                kept = _kept(_records(path, number, slices), keep)
                yield kept, _others(_records(path, number, slices), kept)

    def _write(self) -> None:
        if not self._bytes:
            return
        records = np.concatenate(self._buffered)
        self._buffered, self._bytes = [], 0
        parts = (records["id"][:, 0] & np.uint64(255)).astype(np.int64) % _PARTS
        order = np.argsort(parts, kind="stable")
        for each in np.split(order, np.flatnonzero(np.diff(parts[order])) + 1):
            path = self._folder / str(parts[each[0]])
            with explained(path):
                with os.fdopen(open_private(path, os.O_WRONLY | os.O_APPEND), "wb") as file:
                    file.write(records[each].tobytes())


def _records(path: Path, number: int, slices: int) -> Iterator[np.ndarray]:
    """A part's records of one slice of its ids, some at a time."""
    with path.open("rb") as file:
        while len(records := np.fromfile(file, dtype=_RECORD, count=_ROWS_AT_ONCE)):
            if slices > 1:
                records = records[records["id"][:, 1] % np.uint64(slices) == number]
            yield records


def _kept(chunks: Iterator[np.ndarray], keep: Keep) -> np.ndarray:
    """One record an id, ordered by id: the first in the query's order, or the last."""
    kept = np.empty(0, dtype=_RECORD)
    for chunk in chunks:
        records = np.concatenate((kept, chunk))
        ids = records["id"]
        by_id = (records["sequence"], ids[:, 1], ids[:, 0])
        records = records[np.lexsort(by_id)]
        ids = records["id"]
        change = np.any(ids[1:] != ids[:-1], axis=1)
        one = np.ones(min(1, len(records)), dtype=bool)
        kept = records[np.concatenate((one, change) if keep == "first" else (change, one))]
    return kept


def _others(
    chunks: Iterator[np.ndarray], kept: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Records whose text is not their id's kept one, each with its place in `kept`."""
    for chunk in chunks:
        records = np.concatenate((kept, chunk))
        is_other = np.arange(len(records)) >= len(kept)
        ids = records["id"]
        order = np.lexsort((is_other, ids[:, 1], ids[:, 0]))  # each id's kept one first
        records, is_other = records[order], is_other[order]
        places = np.cumsum(~is_other) - 1
        different = np.any(records["text"] != kept["text"][places], axis=1)
        yield records[different], places[different]
