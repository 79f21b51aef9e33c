"""The gold as it lies: the wanted columns of a CSV, a Parquet file or a query, a cell as it is."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notemill.config import Evaluation
from notemill.errors import NotemillError
from notemill.files import explained

_DELIMITERS = ",;\t"
_LONGEST_CELL = 2**31 - 1
_PARQUET, _ZIP = b"PAR1", b"PK\x03\x04"
_SAVE_AS = "save it as CSV UTF-8, or as Parquet"


@dataclass(frozen=True)
class Cells:
    """Cells by column, in the order of the rows. rows: each one's number, for errors."""

    columns: dict[str, list[Any]]
    rows: list[int]
    sha256: str


def wanted_columns(evaluation: Evaluation, ids: Sequence[str]) -> list[str]:
    """The columns that are read of the gold, each once."""
    others = [*filter(None, [evaluation.patient, evaluation.split]), *evaluation.subgroups]
    return list(dict.fromkeys([*ids, *evaluation.fields.values(), *others]))


def check_file(name: str, evaluation: Evaluation, wanted: Sequence[str]) -> None:
    """Raise NotemillError for a gold file that is missing, or a CSV without a wanted column.

    Reads no further than the header.
    """
    if evaluation.file is None:
        return
    with _readable(name, evaluation.file), evaluation.file.open("rb") as stream:
        beginning = stream.read(4)
    if beginning == _PARQUET:
        return
    _refuse_other_kinds(beginning, evaluation.file)
    with _readable(name, evaluation.file), _csv_errors(evaluation.file):
        with evaluation.file.open(encoding="utf-8-sig", newline="") as stream:
            _positions(_header(stream.readline), wanted, evaluation.file)


def read_file(name: str, path: Path, wanted: Sequence[str]) -> Cells:
    """The wanted columns of a CSV, all texts, or of a Parquet file, typed. Raises NotemillError.

    Rows are numbered as a spreadsheet does, the header being 1; of Parquet from 1. Rows without
    anything in any cell are none.
    """
    with _readable(name, path):
        content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if content.startswith(_PARQUET):
        return _parquet(content, path, wanted, sha256)
    _refuse_other_kinds(content[:4], path)
    with _csv_errors(path):
        return _csv(content.decode("utf-8-sig"), path, wanted, sha256)


def cells_of_rows(
    names: Sequence[str], rows: Iterator[Sequence[Any]], wanted: Sequence[str], where: str
) -> Cells:
    """The wanted columns of a query's rows, numbered from 1. sha256: whatever the rows' order."""
    positions = _positions_of(names, wanted, where)
    picked = [[row[position] for position in positions] for row in rows]
    written = sorted(json.dumps(row, default=str, ensure_ascii=False) for row in picked)
    sha256 = hashlib.sha256("\n".join([json.dumps(list(wanted)), *written]).encode()).hexdigest()
    columns = {name: [row[place] for row in picked] for place, name in enumerate(wanted)}
    return Cells(columns, list(range(1, len(picked) + 1)), sha256)


def _csv(text: str, path: Path, wanted: Sequence[str], sha256: str) -> Cells:
    header = _header(io.StringIO(text, newline="").readline)
    positions = _positions(header, wanted, path)
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=header.delimiter, strict=True)
    columns: dict[str, list[Any]] = {name: [] for name in wanted}
    rows, ragged = [], []
    for number, row in enumerate(_placed(reader), start=1):
        if number == 1 or not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header.names):
            ragged.append(number)
            continue
        rows.append(number)
        for name, position in zip(wanted, positions, strict=True):
            columns[name].append(row[position])
    if ragged:
        raise NotemillError(
            f"rows have more or fewer cells than the header's {len(header.names)}: "
            f"{told_rows(ragged)}",
            where=str(path),
            remedy="is a text with a comma, a quote or a line break not in quotes? " + _SAVE_AS,
        )
    return Cells(columns, rows, sha256)


def _placed(reader: Any) -> Iterator[list[str]]:
    """The reader's rows; its errors say in which line."""
    try:
        yield from reader
    except csv.Error as error:
        raise csv.Error(f"{error}, in line {reader.line_num}") from None


def _parquet(content: bytes, path: Path, wanted: Sequence[str], sha256: str) -> Cells:
    import pyarrow as pa  # noqa: PLC0415  (the plan looks at headers of CSV alone)
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(io.BytesIO(content)) as file:
            _positions_of(file.schema_arrow.names, wanted, str(path))
            table = file.read(columns=list(wanted))
            columns = {name: table[name].to_pylist() for name in wanted}
    except (pa.ArrowException, UnicodeDecodeError, OSError, ValueError):
        raise NotemillError(
            "this Parquet file is damaged, or holds values that can't be read here",
            where=str(path),
            remedy="write it anew (times to the microsecond), or as CSV UTF-8",
        ) from None
    return Cells(columns, list(range(1, table.num_rows + 1)), sha256)


@dataclass(frozen=True)
class _Header:
    names: list[str]
    delimiter: str


def _header(line: Any) -> _Header:
    """The first record's cells; the delimiter is the one that makes most of them."""
    first = line()
    while first.count('"') % 2 and (more := line()):
        first += more
    cut = [
        _Header(next(csv.reader([first], delimiter=each, strict=True), []), each)
        for each in _DELIMITERS
    ]
    return max(cut, key=lambda header: len(header.names))


def _positions(header: _Header, wanted: Sequence[str], path: Path) -> list[int]:
    return _positions_of(header.names, wanted, str(path))


def _positions_of(names: Sequence[str], wanted: Sequence[str], where: str) -> list[int]:
    """Where the wanted columns are. What else is there may be data, where a header is missing."""
    there = list(names)
    if missing := [name for name in wanted if name not in there]:
        nearly = {
            name: [each for each in there if each.strip().lower() == name.lower()]
            for name in missing
        }
        alike = [f"'{each}' is not '{name}'" for name, found in nearly.items() for each in found]
        raise NotemillError(
            f"the gold has no column {', '.join(missing)} among its {len(there)}"
            + (f"; {', '.join(alike)}" if alike else ""),
            where=where,
            remedy="name the columns in the first row (ids as the cohort's id_columns), or correct "
            "the evaluation in the configuration; upper and lower case count",
        )
    if twice := [name for name in wanted if there.count(name) > 1]:
        raise NotemillError(
            f"the gold has two columns {', '.join(twice)}",
            where=where,
            remedy="rename or delete one of them",
        )
    return [there.index(name) for name in wanted]


def _refuse_other_kinds(beginning: bytes, path: Path) -> None:
    if beginning.startswith(_ZIP):
        raise NotemillError(
            "this is a workbook or an archive, not a CSV", where=str(path), remedy=_SAVE_AS
        )
    if beginning[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise NotemillError(
            "this CSV is UTF-16, not UTF-8",
            where=str(path),
            remedy='save it as "CSV UTF-8"; "Unicode text" is something else',
        )


@contextmanager
def _readable(name: str, path: Path) -> Iterator[None]:
    try:
        with explained(path):
            yield
    except (FileNotFoundError, IsADirectoryError):
        raise NotemillError(
            f"the gold file of evaluation '{name}' is not there",
            where=f"{path}, which is {path.absolute()}",
            remedy=f"correct evaluations.{name}.file; a relative path is taken from the folder "
            "that the workflow runs in",
        ) from None


@contextmanager
def _csv_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise NotemillError(
            f"line {line} is not UTF-8 text", where=str(path), remedy=_SAVE_AS
        ) from None
    except csv.Error as error:
        raise NotemillError(f"this is no CSV: {error}", where=str(path), remedy=_SAVE_AS) from None


def told_rows(rows: Sequence[int]) -> str:
    """Rows for an error: the first ones, and how many more."""
    told = ", ".join(str(row) for row in rows[:5])
    return told + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")
