"""Parquet: rows with the file's own types, some at a time however large its row groups are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.notes.sources.broken import BrokenLines, LineError, some
from notemill.notes.sources.ids import Ids
from notemill.notes.sources.row import SourceRow, Wanted, apart
from notemill.notes.sources.stream import Opened

_BYTES_AT_ONCE = 4 << 20
_ROWS_AT_ONCE = 1024
_DIGITS = 38


def parquet_rows(
    file: Opened, wanted: Wanted, ids: Ids, broken: BrokenLines
) -> Iterator[SourceRow]:
    """The rows that can be taken. Raises NotemillError for columns that are not there or no ids."""
    number = 0
    # Neither prefetched nor held by the column: a row group may be as large as the file.
    with pq.ParquetFile(file.parquet(), buffer_size=1 << 20, pre_buffer=False) as parquet:
        schema = parquet.schema_arrow
        _check_names(schema, file, wanted)
        columns = [_id_column(schema.field(name), file, wanted) for name in wanted.ids]
        ids.hold(columns, wanted.name)
        _check_text(schema.field(wanted.text).type, file, wanted)
        names = None if wanted.whole else [*wanted.ids, wanted.text]
        for group in range(parquet.num_row_groups):
            batches = parquet.iter_batches(
                _rows_at_once(parquet.metadata.row_group(group)),
                row_groups=[group],
                columns=names,
                use_threads=False,
            )
            for batch in batches:
                for row in _rows(batch, columns, wanted, number, file):
                    number = row.number
                    try:
                        ids.check(row.ids)
                        if isinstance(row.text, LineError):
                            raise row.text
                    except LineError as reason:
                        broken.add(number, reason, what="row")
                    else:
                        yield row
        if number != parquet.metadata.num_rows:
            raise NotemillError(
                f"this file gave {number} rows, and says that it has {parquet.metadata.num_rows}",
                where=str(file.path),
                remedy="is it copied whole? Copy it again; nothing was written",
            )


def _rows(
    batch: pa.RecordBatch, columns: list[IdColumn], wanted: Wanted, before: int, file: Opened
) -> Iterator[SourceRow]:
    """A batch's rows; a text that is no UTF-8 is a LineError."""
    values = [_id_values(batch.column(column.name), column, file, wanted) for column in columns]
    texts = _texts(batch.column(wanted.text))
    whole = _whole(batch) if wanted.whole else [None] * len(batch)
    rows = zip(zip(*values, strict=True), texts, whole, strict=True)
    for number, row in enumerate(rows, before + 1):
        yield SourceRow(number, *row)


def _whole(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """All values of each row by the column's name; times finer than Python's own as text."""
    finest = pa.time64("ns")
    columns = [
        column.cast(pa.string()) if column.type == finest else column for column in batch.columns
    ]
    named: list[dict[str, Any]] = pa.RecordBatch.from_arrays(
        columns, names=apart(batch.schema.names)
    ).to_pylist()
    return named


def _rows_at_once(group: Any) -> int:
    """So many that their texts are some megabytes, by the size of the row group."""
    size: int = group.total_byte_size // max(1, group.num_rows)
    return max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // max(1, size)))


def _texts(column: pa.Array) -> list[Any]:
    try:
        texts: list[Any] = column.cast(pa.large_string()).to_pylist()
    except (UnicodeDecodeError, pa.ArrowInvalid):
        return [_text(value) for value in column.cast(pa.large_binary(), safe=False).to_pylist()]
    return texts


def _text(value: bytes | None) -> Any:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError as error:
        return LineError(f"its text is not UTF-8, at its byte {error.start + 1}")


def _id_values(column: pa.Array, to: IdColumn, file: Opened, wanted: Wanted) -> list[Any]:
    if isinstance(column.type, pa.UuidType):
        return [None if value is None else str(value) for value in column.to_pylist()]
    try:
        values: list[Any] = column.cast(_arrow(to)).to_pylist()
    except (pa.ArrowInvalid, UnicodeDecodeError):
        raise NotemillError(
            f"id column '{to.name}' has values that no id can have: a number beyond 64 bits or of "
            f"more than {_DIGITS} digits, a time finer than a microsecond, or text that is not "
            "UTF-8",
            where=str(file.path),
            remedy=f"write it as text (cohort '{wanted.cohort}')",
        ) from None
    return values


def _arrow(column: IdColumn) -> pa.DataType:
    types = {
        "integer": pa.int64(),
        "text": pa.string(),
        "binary": pa.binary(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
    }
    return types.get(column.kind) or pa.decimal128(_DIGITS, column.scale or 0)


def _id_column(field: pa.Field, file: Opened, wanted: Wanted) -> IdColumn:
    """The id column that a column of the file makes, with its own type."""
    of, name = field.type, field.name
    if pa.types.is_dictionary(of):
        of = of.value_type
    if _is_text(of) or isinstance(of, pa.UuidType):
        return IdColumn(name=name, kind="text")
    if pa.types.is_integer(of):
        return IdColumn(name=name, kind="integer")
    if pa.types.is_fixed_size_binary(of):
        return IdColumn(name=name, kind="binary", length=of.byte_width)
    if pa.types.is_binary(of) or pa.types.is_large_binary(of):
        return IdColumn(name=name, kind="binary")
    if pa.types.is_decimal(of) and 0 <= of.scale <= _DIGITS:
        return IdColumn(name=name, kind="decimal", scale=of.scale)
    if pa.types.is_date(of):
        return IdColumn(name=name, kind="date")
    if pa.types.is_timestamp(of) and of.tz is None:
        return IdColumn(name=name, kind="timestamp")
    raise NotemillError(
        f"id column '{name}' of cohort '{wanted.cohort}' is of a type that can't name a note "
        f"({field.type})",
        where=str(file.path),
        remedy="write it as a whole number or as text",
    )


def _check_text(of: pa.DataType, file: Opened, wanted: Wanted) -> None:
    if pa.types.is_dictionary(of):
        of = of.value_type
    if not (_is_text(of) or pa.types.is_binary(of) or pa.types.is_large_binary(of)):
        raise NotemillError(
            f"the text column '{wanted.text}' holds {of}, not text",
            where=str(file.path),
            remedy=f"correct cohorts.{wanted.cohort}.text_column",
        )


def _is_text(of: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_string_view(of)
    )


def _check_names(schema: pa.Schema, file: Opened, wanted: Wanted) -> None:
    names = schema.names
    for name in [*wanted.ids, wanted.text]:
        if names.count(name) != 1:
            raise NotemillError(
                f"the file has {'no' if name not in names else 'more than one'} column {name}; "
                f"its columns are: {some(names)}",
                where=str(file.path),
                remedy=f"correct id_columns and text_column of cohorts.{wanted.cohort}; upper and "
                "lower case count",
            )
