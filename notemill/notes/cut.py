"""A cut of a cohort: its notes in so many shards, written and read in one order.

Shards are ranges of the texts' hashes, so one shard after another gives the same notes in the same
order whatever their number: a cut is made from another one as it is read, and what both hold is
compared by one digest.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.files import written_whole
from notemill.notes.manifest import ShardEntry
from notemill.notes.shard import READ_ANEW, NotesDigest, ShardWriter, read_tables, text_hashes, told
from notemill.notes.text import first_of_shard
from notemill.paths import shard_names
from notemill.progress import Progress

_Item = TypeVar("_Item")


class _Piece(NamedTuple):
    """Some notes of a shard. told: what a digest takes of them."""

    shard: int
    notes: pa.Table
    told: bytes


_END = _Piece(-1, pa.table({}), b"")
"""Behind the last notes, of no shard."""


@dataclass(frozen=True)
class Cut:
    """A cut's shards as they were written, and the digest of all its notes."""

    entries: list[ShardEntry]
    digest: str


def write_cut(folder: Path, notes: Iterator[pa.Table], shards: int, columns: list[IdColumn]) -> Cut:
    """Write notes, which come in the order of their texts' hashes, as shards below `folder`."""
    digest = NotesDigest()
    entries = []
    progress = Progress("shards written", total=shards)
    with closing(ahead(_pieces(notes, shards, columns))) as pieces:
        piece = next(pieces, _END)
        for number, name in enumerate(shard_names(shards)):
            path = folder / f"{name}.parquet"
            with written_whole(path) as partial, ShardWriter(partial, columns) as writer:
                while piece.shard == number:
                    digest.update(piece.told)
                    writer.add(piece.notes, piece.told)
                    piece = next(pieces, _END)
            entries.append(writer.entry(name))
            progress.add()
    return Cut(entries, digest.hexdigest())


def read_cut(folder: Path, shards: int, columns: list[IdColumn]) -> Iterator[pa.Table]:
    """All notes of a cut. Raises NotemillError for a shard that is missing or damaged."""
    for name in shard_names(shards):
        yield from read_tables(folder / f"{name}.parquet", columns, with_text=True)


def ahead(items: Iterator[_Item]) -> Generator[_Item]:
    """The same, each made in a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
            del item


def _pieces(tables: Iterator[pa.Table], shards: int, columns: list[IdColumn]) -> Iterator[_Piece]:
    """Notes in their order, parted where a shard ends."""
    firsts = np.array([first_of_shard(shard, shards) for shard in range(shards)], np.uint64)
    last = np.zeros(1, np.uint64)
    for table in tables:
        begins = text_hashes(table)[:, 0].astype(np.uint64)
        both = np.concatenate([last, begins])
        if np.any(both[1:] < both[:-1]):
            raise NotemillError("the notes are not in their order", remedy=READ_ANEW)
        last = begins[-1:] if len(begins) else last
        places = [*np.searchsorted(begins, firsts).tolist(), len(table)]
        for shard in np.unique(np.searchsorted(firsts, begins, side="right") - 1).tolist():
            start, stop = places[shard], places[shard + 1]
            notes = table.slice(start, stop - start)
            yield _Piece(shard, notes, told(notes, columns))
