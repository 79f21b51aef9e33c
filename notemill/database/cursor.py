"""A query of PostgreSQL through a cursor of the server, each row as it comes and exactly.

Values come in the binary format, so that no setting of the session (DateStyle, time zone) changes
how an id reads; what the query itself makes of them is as in the user's own client.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from psycopg.adapt import Transformer
from psycopg.pq import Format
from psycopg.types.string import ByteaBinaryLoader

from notemill.database.driver import driver_errors, driver_of
from notemill.database.keys import BYTES_A_CHARACTER, Instant, Unfit, UuidText

_NAME = "notemill_rows"
_BYTEA, _INT8, _INT2, _INT4, _OID, _JSON, _XML = 17, 20, 21, 23, 26, 114, 142
_BPCHAR, _VARCHAR, _DATE, _TIMESTAMP, _TIMESTAMPTZ = 1042, 1043, 1082, 1114, 1184
_NUMERIC, _UUID = 1700, 2950
_DAY = datetime.date(2000, 1, 1)
_TIME = datetime.datetime(2000, 1, 1)
_INSTANT = Instant(2000, 1, 1)
"""Where PostgreSQL's days and microseconds begin."""
_HEAD = 4
"""What is added to a declared length."""
Convert = Callable[[bytes], Any]


class _Column(NamedTuple):
    """oid: of the type, a domain's base. category: S of texts, E of enums, as in pg_type."""

    name: str
    oid: int
    modifier: int
    category: str
    type_name: str


class PostgresRows:
    """The rows of a query, one at a time, with as much of a driver's result as extract uses.

    text: what a text's bytes become. Raises DBAPIError.
    """

    returns_rows = True
    """DECLARE takes nothing that returns none."""

    def __init__(self, connection: sa.Connection, query: str, text: Convert) -> None:
        self._connection = connection
        self._driver = driver = driver_of(connection)
        with driver_errors(connection), driver.cursor() as cursor:
            # By the protocol that takes one statement alone.
            cursor.execute(f"DECLARE {_NAME} NO SCROLL CURSOR FOR {query}", binary=True)
            columns = _columns(driver, cursor)
        self._names = [column.name for column in columns]
        self.description = [
            (column.name, column.type_name, None, _length(column), None, None, None)
            for column in columns
        ]
        self._converts = [_convert(driver, column, text) for column in columns]
        self._rows = self._stream([column.oid for column in columns])
        self.cursor = self

    def __iter__(self) -> Iterator[list[Any]]:
        return self._rows

    def keys(self) -> list[str]:
        """The columns' names."""
        return self._names

    def fetchone(self) -> list[Any] | None:
        """The next row, None behind the last one."""
        return next(self._rows, None)

    def fetchmany(self, rows: int) -> list[list[Any]]:
        """The next rows."""
        return list(islice(self._rows, rows))

    def close(self) -> None:
        """Read no more. The transaction may be of no use afterwards."""
        self._rows.close()

    def _stream(self, oids: Sequence[int]) -> Generator[list[Any]]:
        with driver_errors(self._connection), self._driver.cursor() as cursor:
            for oid in oids:
                cursor.adapters.register_loader(oid, ByteaBinaryLoader)
            # Row by row from the socket: a thousand notes may be gigabytes.
            for row in cursor.stream(f"FETCH ALL FROM {_NAME}", binary=True):
                yield [
                    value if value is None else convert(value)
                    for value, convert in zip(row, self._converts, strict=True)
                ]
            cursor.execute(f"CLOSE {_NAME}")


def _columns(driver: Any, cursor: Any) -> list[_Column]:
    # Not describe_portal, which no signal could end where the server does not answer.
    there = cursor.execute(f"FETCH 0 FROM {_NAME}", binary=True).pgresult
    found = [(there.fname(n).decode(), there.ftype(n), there.fmod(n)) for n in range(there.nfields)]
    cursor.execute(
        "SELECT t.typcategory::text, pg_catalog.format_type(w.oid, w.modifier) "
        "FROM unnest(%s::oid[], %s::int[]) WITH ORDINALITY AS w (oid, modifier, place) "
        "JOIN pg_catalog.pg_type AS t ON t.oid = w.oid ORDER BY w.place",
        ([oid for _, oid, _ in found], [modifier for _, _, modifier in found]),
    )
    return [_Column(*each, *told) for each, told in zip(found, cursor.fetchall(), strict=True)]


def _length(column: _Column) -> int | None:
    """Of a text in bytes, as it was declared."""
    sized = column.oid in (_VARCHAR, _BPCHAR) and column.modifier > _HEAD
    return (column.modifier - _HEAD) * BYTES_A_CHARACTER if sized else None


def _convert(driver: Any, column: _Column, text: Convert) -> Convert:
    """What makes a value of its bytes."""
    if column.oid in (_INT2, _INT4, _INT8):
        return _integer
    if column.oid == _OID:
        return int.from_bytes
    if column.oid == _BPCHAR:
        # Blanks at its end mean nothing: a cast to text takes them off, and so does every join.
        return lambda value: text(value.rstrip(b" "))
    if column.category in "SE" or column.oid in (_JSON, _XML):
        return text
    if column.oid == _NUMERIC:
        load = Transformer.from_context(driver).get_loader(_NUMERIC, Format.BINARY).load
        return lambda value: _finite(load(value))
    known: dict[int, Convert] = {
        _BYTEA: bytes,
        _UUID: _uuid,
        _DATE: _date,
        _TIMESTAMP: _timestamp,
        _TIMESTAMPTZ: _instant,
    }
    other = Unfit(f"is of a kind that can't name a note ({column.type_name})", column.type_name)
    return known.get(column.oid, lambda _: other)


def _integer(value: bytes) -> int:
    return int.from_bytes(value, signed=True)


def _uuid(value: bytes) -> str:
    return UuidText(uuid.UUID(bytes=value))


_BEYOND = Unfit("holds a time that is infinite or not of the years 1 to 9999", "a time")
_NOT_FINITE = Unfit("holds a number that is infinite or none (NaN)", "numeric")


def _finite(value: Decimal) -> Any:
    return value if value.is_finite() else _NOT_FINITE


def _date(value: bytes) -> Any:
    try:
        return _DAY + datetime.timedelta(days=_integer(value))
    except OverflowError:
        return _BEYOND


def _timestamp(value: bytes, begin: datetime.datetime = _TIME) -> Any:
    try:
        return begin + datetime.timedelta(microseconds=_integer(value))
    except OverflowError:
        return _BEYOND


def _instant(value: bytes) -> Any:
    return _timestamp(value, _INSTANT)
