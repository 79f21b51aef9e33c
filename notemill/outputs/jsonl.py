"""Rows as JSON lines: an object for each note, with the other fields that the source has of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

import pyarrow as pa

from notemill.errors import NotemillError
from notemill.notes.shard import ROW
from notemill.outputs.forms import Form
from notemill.outputs.source import joined, members

OTHERS = "\0others"
"""What a line holds beside the columns: its members as they are written, joined; empty for none."""
_ROWS_READ = 1024
_encoded = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_TYPES: list[tuple[Callable[[pa.DataType], bool], type]] = [
    (pa.types.is_boolean, bool),
    (pa.types.is_integer, int),
    (pa.types.is_floating, float),
]
"""What JSON has of them; of all others text."""
_TYPED: list[tuple[Callable[[pa.DataType], bool], Callable[[str], Any]]] = [
    (pa.types.is_binary, bytes.fromhex),
    (pa.types.is_timestamp, datetime.fromisoformat),
    (pa.types.is_date, date.fromisoformat),
    (pa.types.is_decimal, Decimal),
]
"""What a text of JSON was in the column, where that is not of texts."""

SourceMembers = tuple[tuple[Any, ...], str]
"""A row of the source: its ids, and its other members, as OTHERS has them."""
Source = Callable[[], Iterator[SourceMembers]]
"""The source's rows, from the first one on."""


class JsonLines(Form):
    """Numbers, texts, true and false as JSON has them, times in ISO 8601, decimals as text, bytes
    as hexadecimal digits, lists and objects of an answer as such."""

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        ids: Sequence[str],
        json_columns: Collection[str],
        source: Source | None,
    ) -> None:
        """ids, json_columns: names of the columns that are ids, and that hold JSON text."""
        super().__init__(path, schema.append(pa.field(OTHERS, pa.large_string(), nullable=False)))
        self._names = schema.names
        self._own = frozenset(schema.names)
        self._ids = ids
        self._json = set(json_columns)
        self._source = source

    def made(self, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        source = enumerate(self._source()) if self._source else iter(())
        for batch in rows:
            others = [""] * batch.num_rows
            if self._source:
                ids = zip(*(batch.column(name).to_pylist() for name in self._ids), strict=True)
                numbers = batch.column(ROW).to_pylist()
                others = [_at(source, *wanted) for wanted in zip(numbers, ids, strict=True)]
            columns = [*batch.select(self._names).columns, pa.array(others, pa.large_string())]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)
        for _ in source:  # to its end: only there it is known that no file has changed
            pass

    def write(self, place: Path, batches: Iterator[pa.RecordBatch]) -> None:
        keys = [f"{json.dumps(name, ensure_ascii=False)}: " for name in self._names]
        with self.writing(place) as stream:
            for batch in batches:
                *columns, others = batch.columns
                told = [
                    [key + value for value in self._told(name, column)]
                    for key, name, column in zip(keys, self._names, columns, strict=True)
                ]
                lines = [
                    f"{{{', '.join(filter(None, [*row, other]))}}}\n"
                    for *row, other in zip(*told, others.to_pylist(), strict=True)
                ]
                stream.write("".join(lines).encode())

    def read(self, place: Path) -> Iterator[pa.RecordBatch]:
        with self.reading(place) as stream:
            lines = io.BufferedReader(stream)
            while some := [line for _, line in zip(range(_ROWS_READ), lines, strict=False)]:
                yield self._batch([line.decode().removesuffix("\n") for line in some])

    def _batch(self, lines: Sequence[str]) -> pa.RecordBatch:
        rows = [json.loads(line) for line in lines]
        fields = list(self.schema)[:-1]
        columns = [self._read_back([row[field.name] for row in rows], field) for field in fields]
        others = [
            self._others(line) if len(row) > len(fields) else ""
            for line, row in zip(lines, rows, strict=True)
        ]
        columns.append(pa.array(others, pa.large_string()))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _others(self, line: str) -> str:
        row = members(line)
        return joined({name: row[name] for name in row if name not in self._own})

    def _told(self, name: str, column: pa.Array) -> list[str]:
        """The values as JSON."""
        values = column.to_pylist()
        if name in self._json:
            return ["null" if value is None else value for value in values]
        told = _told_by(column.type)
        return ["null" if value is None else told(value) for value in values]

    def _read_back(self, values: list[Any], field: pa.Field) -> pa.Array:
        if field.name in self._json:
            texts = [v if v is None else json.dumps(v, ensure_ascii=False) for v in values]
            return pa.array(texts, field.type)
        kind = next((kind for is_it, kind in _TYPES if is_it(field.type)), str)
        if {*map(type, values)} - {kind, type(None)}:
            raise ValueError(f"{field.name} is of another type")
        if typed := next((read for is_it, read in _TYPED if is_it(field.type)), None):
            values = [v if v is None else typed(v) for v in values]
        return pa.array(values, field.type)


def plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value


def _told_by(kind: pa.DataType) -> Callable[[Any], str]:
    """How a column's values are written; texts and whole numbers, which are most, at once."""
    if pa.types.is_string(kind):
        return encode_basestring
    if pa.types.is_integer(kind):
        return str
    return lambda value: _encoded(plain(value))


def _at(source: Iterator[tuple[int, SourceMembers]], number: int, ids: tuple[Any, ...]) -> str:
    """The other members of the source's row of this number, to which it is read on."""
    for place, (found, others) in source:
        if place == number:
            if found != ids:
                break
            return others
    raise NotemillError(
        "the cohort's files have other rows than when it was read; the file was not written",
        where="cohorts.*.files",
        remedy="bring them back as they were (the manifest has each one's sha256)",
    )
