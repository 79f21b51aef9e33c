"""A cohort's files, read once: some rows at a time, in the order of the files."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from notemill.config import Cohort
from notemill.errors import NotemillError
from notemill.notes.conflicts import IdConflicts
from notemill.notes.rows import BYTES_AT_ONCE, ROWS_AT_ONCE, SourceRead
from notemill.notes.shard import notes_table
from notemill.notes.sources.row import SourceRow
from notemill.notes.sources.rows import SourceFiles
from notemill.notes.spool import Spool
from notemill.notes.text import read_text
from notemill.progress import Progress


def read_files(name: str, cohort: Cohort, spool: Spool, conflicts: IdConflicts) -> SourceRead:
    """Read the files into the spool.

    Raises NotemillError for files that are not there, broken lines, a file that changes while it is
    read, and for files without any note.
    """
    source = SourceFiles(name, cohort)
    progress = Progress("rows read")
    for rows in _some_rows(source.rows()):
        ids = list(zip(*(row.ids for row in rows), strict=True))
        texts = [read_text(row.text) for row in rows]
        rows.clear()
        spool.add(notes_table(source.ids.columns, ids, texts))
        conflicts.add(zip(*ids, strict=True), (text.sha256 for text in texts))
        progress.add(len(texts))
        del texts, ids
    if not progress.done:
        raise NotemillError(
            f"the files of cohort '{name}' have no notes",
            where=f"cohorts.{name}.files",
            remedy="correct the paths; nothing was written",
        )
    spool.done_adding()
    read = source.read
    told = f"{len(read.files)} files" if len(read.files) > 1 else "a file"
    return SourceRead(source.ids.columns, progress.done, told, read)


def _some_rows(all_rows: Iterator[SourceRow]) -> Iterator[list[SourceRow]]:
    """The rows, some in memory at once: one may be very large."""
    rows: list[SourceRow] = []
    size = 0
    for row in all_rows:
        rows.append(row)
        size += sys.getsizeof(row.text)
        if size >= BYTES_AT_ONCE or len(rows) >= ROWS_AT_ONCE:
            del row  # or it is in memory while the next one comes
            yield rows
            rows, size = [], 0
    if rows:
        yield rows
