"""Rows as the bytes that PostgreSQL sends for them by COPY in its binary format.

The bytes of a column say its type's values exactly: equal bytes are equal values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from psycopg import sql

from notemill.load.lines import bytes_of
from notemill.load.wire import NotEncodable, fixed

_INTEGERS = {20: ">i8", 21: ">i2", 23: ">i4"}
_BOOL, _BYTEA, _DOUBLE, _DATE, _UUID = 16, 17, 701, 1082, 2950
_TEXTS = (25, 1043)
_TIMES = (1114, 1184)
_FIRST_DAY = 10957
"""2000-01-01, from which PostgreSQL counts, in days since 1970."""
_DAY_MICROS = 86_400_000_000


def encoded_copy(columns: Sequence[pa.Array], oids: Sequence[int]) -> bytes:
    """All rows, one behind the other. oids: PostgreSQL's numbers of the columns' types.

    Raises NotEncodable for a column whose bytes can't be told.
    """
    rows = len(columns[0])
    pieces = [fixed(_big(np.full(rows, len(columns)), ">i2"))]
    for column, oid in zip(columns, oids, strict=True):
        data = _data(column, oid).cast(pa.large_binary())
        sizes = pc.binary_length(data).fill_null(-1).to_numpy(zero_copy_only=False)
        pieces += [fixed(_big(sizes, ">i4")), data]
    joined = pc.binary_join_element_wise(
        *pieces, pa.scalar(b"", pa.large_binary()), null_handling="replace", null_replacement=b""
    )
    return bytes_of(joined).tobytes()


def copy_select(
    driver: Any, table: sa.Table, ids: Sequence[str], whose: Mapping[str, str]
) -> tuple[sql.Composable, list[int]]:
    """The SELECT of our rows by ascending ids, and PostgreSQL's numbers of its columns' types.

    whose: the values of experiment and cohort, the same on every row. Raises psycopg.Error.
    """
    selected, order = [], []
    for column in table.columns:
        name: sql.Composable = sql.Identifier(column.name)
        if column.name in ids:
            # By bytes, whichever collation the column has.
            text = isinstance(column.type, sa.String)
            order.append(sql.SQL('{} COLLATE "C"').format(name) if text else name)
        numeric = isinstance(column.type, sa.Numeric) and not isinstance(column.type, sa.Float)
        selected.append(sql.SQL("CAST({} AS text)").format(name) if numeric else name)
    ours = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(whose[name]))
        for name in ("experiment", "cohort")
    ]
    select = sql.SQL("SELECT {} FROM {} WHERE {}").format(
        sql.SQL(", ").join(selected), sql.Identifier(table.name), sql.SQL(" AND ").join(ours)
    )
    with driver.cursor() as cursor:
        cursor.execute(sql.SQL("{} LIMIT 0").format(select))
        oids = [column.type_code for column in cursor.description]
    return sql.SQL("{} ORDER BY {}").format(select, sql.SQL(", ").join(order)), oids


def _data(column: pa.Array, oid: int) -> pa.Array:
    kind = column.type
    if pa.types.is_boolean(kind) and oid == _BOOL:
        return _numbers(column.cast(pa.int8()), "u1")
    if pa.types.is_integer(kind) and oid in _INTEGERS:
        return _numbers(column, _INTEGERS[oid])
    if pa.types.is_float64(kind) and oid == _DOUBLE:
        return _numbers(column, ">f8")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        if oid == _UUID:
            return pa.array([bytes.fromhex(each.replace("-", "")) for each in column.to_pylist()])
        if oid in _TEXTS:
            return column
    if pa.types.is_binary(kind) and oid == _BYTEA:
        return column
    if pa.types.is_decimal(kind) and oid in _TEXTS:  # asked for as text
        texts = [None if value is None else f"{value:f}" for value in column.to_pylist()]
        return pa.array(texts, pa.large_string())
    if pa.types.is_date32(kind) and oid == _DATE:
        return _numbers(column.cast(pa.int32()), ">i4", _FIRST_DAY)
    if pa.types.is_timestamp(kind) and oid in _TIMES:
        micros = column.cast(pa.timestamp("us")).cast(pa.int64())
        return _numbers(micros, ">i8", _FIRST_DAY * _DAY_MICROS)
    raise NotEncodable


def _numbers(column: pa.Array, kind: str, less: int = 0) -> pa.Array:
    wide = column.fill_null(less).to_numpy(zero_copy_only=False)
    whole = wide - less if less else wide
    told = whole.astype(kind)
    if kind != ">f8" and not np.array_equal(told, whole):
        raise NotEncodable  # its bytes would be another number's
    return fixed(told.view(np.uint8).reshape(len(whole), -1), column)


def _big(numbers: np.ndarray, kind: str) -> np.ndarray:
    """Rows of the bytes of whole numbers, the first byte foremost."""
    return numbers.astype(kind).view(np.uint8).reshape(len(numbers), -1)
