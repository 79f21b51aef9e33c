"""Rows as a server sends them in the binary protocol of MySQL and MariaDB, made from Arrow columns.

Types and values say the bytes: a row that comes with other bytes has another value, and one with
these bytes has these values. Where that can't be said for a column, NotEncodable is raised, and
rows are compared one value after the other.

Source: https://mariadb.com/kb/en/resultset-row/, "Binary Resultset Row".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pymysql.constants import FIELD_TYPE

from notemill.database.packets import Field

_BYTES = 63
"""The character set of bytes."""
_INTEGERS = {
    FIELD_TYPE.TINY: np.int8,
    FIELD_TYPE.SHORT: np.int16,
    FIELD_TYPE.LONG: np.int32,
    FIELD_TYPE.INT24: np.int32,
    FIELD_TYPE.LONGLONG: np.int64,
}
_TEXTS = frozenset(
    {
        *(FIELD_TYPE.VARCHAR, FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING, FIELD_TYPE.BLOB),
        *(FIELD_TYPE.TINY_BLOB, FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB),
    }
)
_TIMES = frozenset({FIELD_TYPE.DATETIME, FIELD_TYPE.DATE})
_SHORT = 251
"""Lengths below this one take a byte."""
_NULLS_FROM = 2
"""The first bit of a row's nulls that is a column's."""


class NotEncodable(Exception):
    """A column whose bytes can't be told."""


def encoded(columns: Sequence[pa.Array], fields: Sequence[Field]) -> list[bytes]:
    """Each row's bytes, behind the packet's header."""
    rows = len(columns[0])
    pieces: list[pa.Array] = [_head(columns, rows)]
    for column, field in zip(columns, fields, strict=True):
        pieces += _pieces(column, field)
    joined = pc.binary_join_element_wise(
        *pieces, pa.scalar(b"", pa.large_binary()), null_handling="replace", null_replacement=b""
    )
    found: list[bytes] = joined.to_pylist()
    return found


def _head(columns: Sequence[pa.Array], rows: int) -> pa.Array:
    """A zero, and a bit for each column that is null."""
    nulls = np.zeros((rows, (len(columns) + _NULLS_FROM + 7) // 8 * 8), dtype=np.uint8)
    for number, column in enumerate(columns):
        if column.null_count:
            nulls[:, number + _NULLS_FROM] = column.is_null().to_numpy(zero_copy_only=False)
    bits = np.packbits(nulls, axis=1, bitorder="little")
    return fixed(np.hstack([np.zeros((rows, 1), dtype=np.uint8), bits]))


def _pieces(column: pa.Array, field: Field) -> list[pa.Array]:
    kind = column.type
    if pa.types.is_boolean(kind):
        return [_integers(column.cast(pa.int64()), field)]
    if pa.types.is_integer(kind):
        return [_integers(column, field)]
    if pa.types.is_float64(kind) and field.kind == FIELD_TYPE.DOUBLE:
        return [fixed(column.fill_null(0).to_numpy().view(np.uint8).reshape(-1, 8), column)]
    if _is_text(kind) and field.kind in _TEXTS and field.charset != _BYTES:
        return _counted(column)
    if pa.types.is_binary(kind) and field.kind in _TEXTS and field.charset == _BYTES:
        return _counted(column)
    if pa.types.is_decimal(kind) and field.kind == FIELD_TYPE.NEWDECIMAL:
        texts = [None if value is None else f"{value:f}" for value in column.to_pylist()]
        return _counted(pa.array(texts, pa.large_string()))
    if pa.types.is_temporal(kind) and field.kind in _TIMES:
        if pa.types.is_date(kind) != (field.kind == FIELD_TYPE.DATE):
            raise NotEncodable
        return [_times(column.cast(pa.timestamp("us")))]
    raise NotEncodable


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _integers(column: pa.Array, field: Field) -> pa.Array:
    if field.kind not in _INTEGERS or field.unsigned:
        raise NotEncodable
    wide = column.cast(pa.int64()).fill_null(0).to_numpy()
    narrow = wide.astype(_INTEGERS[field.kind])
    if not np.array_equal(narrow, wide):
        raise NotEncodable  # its bytes would be another number's
    return fixed(narrow.view(np.uint8).reshape(len(wide), -1), column)


def _counted(column: pa.Array) -> list[pa.Array]:
    """Lengths, and the bytes themselves."""
    values = column.cast(pa.large_binary())
    sizes = pc.binary_length(values).fill_null(0).to_numpy(zero_copy_only=False).astype("<i8")
    if sizes.max(initial=0) < _SHORT:
        return [fixed(sizes.astype(np.uint8)[:, None], column), values]
    widths = np.select([sizes < _SHORT, sizes < 1 << 16, sizes < 1 << 24], [0, 2, 3], 8)
    marks = np.select([widths == 0, widths == 2, widths == 3], [sizes, 0xFC, 0xFD], 0xFE)
    told = np.hstack([marks.astype(np.uint8)[:, None], sizes.view(np.uint8).reshape(-1, 8)])
    return [_cut(told, widths + 1, column), values]


def _times(column: pa.Array) -> pa.Array:
    """A length, and as much of date, time and microseconds as is not zero."""
    whole = column.fill_null(0)
    years, months, days = (pc.cast(part(whole), pa.int64()).to_numpy() for part in _DATE)
    hours, minutes, seconds = (pc.cast(part(whole), pa.int64()).to_numpy() for part in _CLOCK)
    micros = whole.cast(pa.int64()).to_numpy() % 1_000_000
    if np.any((years < 0) | (years > 9999)):
        raise NotEncodable
    sizes = np.select([micros != 0, (hours | minutes | seconds) != 0], [11, 7], 4)
    told = np.hstack(
        [
            sizes.astype(np.uint8)[:, None],
            years.astype("<u2").view(np.uint8).reshape(-1, 2),
            *(part.astype(np.uint8)[:, None] for part in (months, days, hours, minutes, seconds)),
            micros.astype("<u4").view(np.uint8).reshape(-1, 4),
        ]
    )
    return _cut(told, sizes + 1, column)


_DATE = (pc.year, pc.month, pc.day)
_CLOCK = (pc.hour, pc.minute, pc.second)


def fixed(matrix: np.ndarray, like: pa.Array | None = None) -> pa.Array:
    """Rows of bytes, all of one length, as binary values; null where `like` is."""
    rows, width = matrix.shape
    return _cut(matrix, np.full(rows, width), like)


def _cut(matrix: np.ndarray, sizes: np.ndarray, like: pa.Array | None = None) -> pa.Array:
    """The first bytes of each row, as many as `sizes` says; null where `like` is."""
    rows, width = matrix.shape
    offsets = np.zeros(rows + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    kept = matrix[np.arange(width) < sizes[:, None]] if np.any(sizes != width) else matrix
    data = pa.py_buffer(np.ascontiguousarray(kept))
    made = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), rows, [None, pa.py_buffer(offsets), data]
    )
    if like is None or not like.null_count:
        return made
    return pc.if_else(like.is_null(), pa.scalar(None, pa.large_binary()), made)
