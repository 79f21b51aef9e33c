"""A cut of a cohort: its notes in so many shards, written and read in one order.

Shards are ranges of the texts' hashes, so one shard after another gives the same notes in the same
order whatever their number: a cut is made from another one as it is read, and what both hold is
compared by one digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.files import written_whole
from notemill.notes.manifest import ShardEntry
from notemill.notes.shard import READ_ANEW, Note, NotesDigest, ShardWriter, read_notes
from notemill.notes.text import shard_of
from notemill.paths import shard_names
from notemill.progress import Progress


@dataclass(frozen=True)
class Cut:
    """A cut's shards as they were written, and the digest of all its notes."""

    entries: list[ShardEntry]
    digest: str


def write_cut(folder: Path, notes: Iterator[Note], shards: int, columns: list[IdColumn]) -> Cut:
    """Write notes, which come in the order of their texts' hashes, as shards below `folder`."""
    digest = NotesDigest()
    entries = []
    progress = Progress("shards written", total=shards)
    note = next(notes, None)
    for number, name in enumerate(shard_names(shards)):
        path = folder / f"{name}.parquet"
        with written_whole(path) as partial, ShardWriter(partial, columns) as writer:
            while note is not None and shard_of(note.text_sha256, shards) == number:
                digest.add(note)
                writer.add(note)
                note = None  # or two are in memory while the next one comes
                note = next(notes, None)
        entries.append(writer.entry(name))
        progress.add()
    if note is not None:
        raise NotemillError("the notes are not in their order", remedy=READ_ANEW)
    return Cut(entries, digest.hexdigest())


def read_cut(folder: Path, shards: int, columns: list[IdColumn]) -> Iterator[Note]:
    """All notes of a cut. Raises NotemillError for a shard that is missing or damaged."""
    for name in shard_names(shards):
        yield from read_notes(folder / f"{name}.parquet", columns, with_text=True)
