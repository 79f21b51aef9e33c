"""CSV: a header, and records that may have line ends within quotes. All cells are text."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.notes.sources.broken import BrokenLines, LineError, some
from notemill.notes.sources.ids import Ids
from notemill.notes.sources.lines import too_long
from notemill.notes.sources.row import SourceRow, Wanted, apart
from notemill.notes.sources.stream import MOST_BYTES, Opened

_DELIMITERS = ",;\t|"


def csv_rows(file: Opened, wanted: Wanted, ids: Ids, broken: BrokenLines) -> Iterator[SourceRow]:
    """The records that can be taken; empty lines are none. Raises NotemillError for no such CSV."""
    csv.field_size_limit(MOST_BYTES)
    lines = _Lines(file)
    header, delimiter = _header(lines, file, wanted)
    positions = [header.index(name) for name in wanted.ids]
    text = header.index(wanted.text)
    names = apart(header)
    ids.hold([IdColumn(name=name, kind="text") for name in wanted.ids], wanted.name)
    records = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        try:
            cells = next(records)
            if not cells:
                continue
            lines.check()
            if [cells[0].removeprefix("\ufeff"), *cells[1:]] == header:
                raise LineError("the header once more: are two files in one?")
            if len(cells) != len(header):
                raise LineError(
                    f"{len(cells)} cells, and the header has {len(header)}; is a text with a "
                    "delimiter, a quote or a line end not in quotes?"
                )
            values = tuple(cells[position] for position in positions)
            ids.check(values)
        except StopIteration:
            return
        except LineError as reason:
            broken.add(lines.first, reason)
        except csv.Error as error:
            broken.add(lines.first, f"no CSV: {error}")
        else:
            whole = dict(zip(names, cells, strict=True)) if wanted.whole else None
            yield SourceRow(lines.first, values, cells[text], whole)


class _Lines:
    """The file's lines, decoded, for csv's reader. first: where the record that is read begins."""

    def __init__(self, file: Opened) -> None:
        self._file = file
        self._number = 0
        self._size = 0
        self._undecoded: LineError | None = None
        self.first = 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.bytes.readline(MOST_BYTES + 1)
        if not line:
            raise StopIteration
        self._number += 1
        self._size += len(line)
        if self._size > MOST_BYTES:
            raise too_long(self._file, self.first, "is a quote opened there and never closed?")
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            # The record goes on, so that the quotes of what follows are where they are.
            self._undecoded = LineError(f"not UTF-8, in line {self._number} at its byte "
                                        f"{error.start + 1}")  # fmt: skip
            return line.decode("utf-8", errors="replace")

    def begin(self) -> None:
        """A record begins with the next line."""
        self.first = self._number + 1
        self._size = 0
        self._undecoded = None

    def check(self) -> None:
        """Raise LineError if a line of the record was not UTF-8."""
        if self._undecoded:
            raise self._undecoded


def _header(lines: _Lines, file: Opened, wanted: Wanted) -> tuple[list[str], str]:
    """The names of the columns, and the delimiter: with which the wanted ones are there."""
    first = next(lines, "")
    while first.count('"') % 2 and (more := next(lines, "")):
        first += more
    cut = {each: _cut(first, each) for each in _DELIMITERS}
    columns = [*wanted.ids, wanted.text]
    for delimiter, names in cut.items():
        if all(names.count(name) == 1 for name in columns):
            return names, delimiter
    names = max(cut.values(), key=len)
    twice = [name for name in columns if names.count(name) > 1]
    missing = [name for name in columns if name not in names]
    raise NotemillError(
        f"the header has two columns {some(twice)}"
        if twice
        else f"the header has no column {some(missing)}; its columns are: {some(names)}",
        where=f"{file.path}, line 1",
        remedy=f"correct id_columns and text_column of cohorts.{wanted.cohort}, or the header; "
        "upper and lower case count",
    )


def _cut(first: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([first], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []
