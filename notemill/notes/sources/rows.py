"""The rows of all files of a cohort, in one order: by the files' names, then as they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from notemill.config import Cohort
from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.logs import log
from notemill.notes.sources.broken import BrokenLines
from notemill.notes.sources.cells import csv_rows
from notemill.notes.sources.files import check_each_once, files_of
from notemill.notes.sources.ids import Ids
from notemill.notes.sources.lines import json_rows
from notemill.notes.sources.messages import Messages
from notemill.notes.sources.record import FilesRead, SourceFile
from notemill.notes.sources.row import SourceRow, Wanted, wanted_of
from notemill.notes.sources.stream import Opened, changed_while_read, opened
from notemill.notes.sources.tables import parquet_rows


class SourceFiles:
    """A cohort's files, read once from the first row to the last.

    ids: their columns, known from the first row on. read: what the manifest says of the files,
    known when the rows have come to their end.
    """

    def __init__(self, name: str, cohort: Cohort) -> None:
        self._name = name
        self._cohort = cohort
        self.ids = Ids(name, cohort.id_columns)
        self._read: list[SourceFile] = []

    @property
    def read(self) -> FilesRead:
        """What the manifest says of the files."""
        return FilesRead(
            patterns=[str(pattern) for pattern in self._cohort.files or []],
            numbered=self._cohort.numbered,
            messages=self._cohort.messages,
            files=self._read,
        )

    def rows(self, *, whole: bool = False) -> Iterator[SourceRow]:
        """All rows. whole: with all that the files have of them (`SourceRow.whole`).

        Raises NotemillError when a line is broken, which names all of them as far as they are not
        too many; when a file can't be read, and when one changed since the first was opened.
        """
        paths = files_of(self._name, self._cohort.files or [])
        check_each_once(self._name, paths)
        broken, messages = BrokenLines(self._name), Messages()
        for file, path in paths.items():
            broken.file = file
            wanted = wanted_of(self._name, self._cohort, file, whole=whole)
            with opened(path) as source:
                rows = 0
                for row in _rows_of(source, wanted, self.ids, broken, messages):
                    rows += 1
                    yield row
                self._read.append(_record(source, wanted, rows))
        broken.refuse()
        self._still_the_same(paths)
        if messages.system:
            log.warning(
                "cohort '%s': lines that have a message of the system beside the note: %d. That is "
                "not sent: the task has its own prompts",
                self._name,
                messages.system,
            )

    def _still_the_same(self, paths: dict[str, Path]) -> None:
        """Raise NotemillError if a file came, went or changed while others were read."""
        if files_of(self._name, self._cohort.files or []) != paths:
            raise NotemillError(
                f"files of cohort '{self._name}' came or went while they were read",
                where=f"cohorts.{self._name}.files",
                remedy="wait until what writes them has ended, and run again; nothing was written",
            )
        for file in self._read:
            stat = paths[file.name].stat()
            if (stat.st_size, stat.st_mtime_ns) != (file.size, file.modified_ns):
                raise changed_while_read(paths[file.name])


def first_rows(
    name: str, cohort: Cohort, paths: dict[str, Path], most: int
) -> tuple[list[IdColumn], list[str]]:
    """The id columns by the first rows of some files, none without a row; what each file is.

    Raises NotemillError as reading all rows does, for these.
    """
    ids, broken = Ids(name, cohort.id_columns), BrokenLines(name, most=1)
    told = []
    for file, path in paths.items():
        broken.file = file
        with opened(path) as source:
            wanted = wanted_of(name, cohort, file, whole=False)
            for _ in islice(_rows_of(source, wanted, ids, broken, Messages()), most):
                pass
            told.append(f"{file}: {_FORMATS[source.format]}")
    return ids.columns, told


_FORMATS = {"csv": "CSV", "json": "JSON lines", "parquet": "Parquet"}


def read_again(
    name: str, cohort: Cohort, read: FilesRead, *, whole: bool = True
) -> Iterator[SourceRow]:
    """The rows of a cohort's files once more, in their order, as they were when it was read.

    Raises NotemillError, at the latest behind the last row, where a file is not the one that was
    read: what is made of the rows counts only when they have come to their end.
    """
    source = SourceFiles(name, cohort)
    yield from source.rows(whole=whole)
    before = {file.name: file.sha256 for file in read.files}
    now = {file.name: file.sha256 for file in source.read.files}
    if before != now:
        changed = sorted(file for file in before | now if before.get(file) != now.get(file))
        raise NotemillError(
            f"files of cohort '{name}' are not those that it was read from: "
            + ", ".join(changed[:20])
            + (f" and {len(changed) - 20} more" if len(changed) > 20 else ""),
            where=f"cohorts.{name}.files",
            remedy="bring them back as they were (the manifest has each one's sha256)",
        )


def _record(source: Opened, wanted: Wanted, rows: int) -> SourceFile:
    stat, sha256 = source.same_to_the_end()
    return SourceFile(
        name=wanted.name,
        format=source.format,
        size=stat.st_size,
        modified_ns=stat.st_mtime_ns,
        sha256=sha256,
        rows=rows,
    )


def _rows_of(
    source: Opened, wanted: Wanted, ids: Ids, broken: BrokenLines, messages: Messages
) -> Iterator[SourceRow]:
    if source.format == "json":
        return json_rows(source, wanted, ids, broken, messages)
    if wanted.numbered or wanted.messages:
        key = "id_columns" if wanted.numbered else "text_column"
        raise NotemillError(
            f"cohort '{wanted.cohort}' has no {key}, and this file is no JSON lines",
            where=str(source.path),
            remedy=f"name the columns of the file as cohorts.{wanted.cohort}.{key}",
        )
    readers: dict[str, Callable[..., Iterator[SourceRow]]] = {
        "csv": csv_rows,
        "parquet": parquet_rows,
    }
    return readers[source.format](source, wanted, ids, broken)
