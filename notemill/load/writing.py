"""Rows into a table, by the fastest way that the database takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import chain
from typing import Any

import pyarrow as pa
import pymysql
import sqlalchemy as sa
from psycopg import sql
from pymysql.constants import SERVER_STATUS
from sqlalchemy.exc import DBAPIError

from notemill.database.copying import send_copy
from notemill.database.driver import driver_errors, driver_of
from notemill.database.keys import POSTGRESQL
from notemill.database.packets import send_rows
from notemill.database.refusals import PACKET
from notemill.load.lines import FORMAT, copy_lines, lines, values
from notemill.load.values import as_stored, is_sqlite

_STATEMENT_BYTES = 1 << 20
_BESIDE_ROWS = 16 << 10
"""Bytes of a statement that are no row."""
_HARMLESS = "Note"


class Way(StrEnum):
    """How rows come into a database."""

    STREAM = "LOAD DATA LOCAL INFILE"
    STATEMENTS = "INSERT statements of many rows"
    COPY = "COPY"
    BOUND = "bound values"


def way_into(connection: sa.Connection, scratch: sa.Table) -> Way:
    """The fastest way that works, tried without rows. scratch: an empty table of this session."""
    if connection.dialect.name == POSTGRESQL:
        return Way.COPY
    if is_sqlite(connection):
        return Way.BOUND
    way = Way.STREAM
    try:
        write(connection, scratch, {}, [], way)
    except DBAPIError:
        if connection.invalidated:
            raise
        way = Way.STATEMENTS
    connection.rollback()
    return way


def write(
    connection: sa.Connection,
    table: sa.Table,
    constants: dict[str, str],
    batches: Iterable[pa.RecordBatch],
    way: Way,
) -> None:
    """Insert all rows of the batches. constants: columns that are the same in each.

    Raises DBAPIError, in a stream too, where LOAD DATA LOCAL would leave a row out with a warning.
    """
    if way is Way.BOUND:
        _bind(connection, table, constants, batches)
        return
    with driver_errors(connection):
        if way is Way.COPY:
            _copy(connection, table, constants, batches)
        elif way is Way.STREAM:
            _stream(connection, table, constants, batches)
        else:
            _state(connection, table, constants, batches)


def _copy(
    connection: sa.Connection,
    table: sa.Table,
    constants: dict[str, str],
    batches: Iterable[pa.RecordBatch],
) -> None:
    driver = driver_of(connection)
    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        return
    names = [*first.schema.names, *constants]
    into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT text, ENCODING 'UTF8')").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    zoned = {c.name for c in table.columns if getattr(c.type, "timezone", False)}

    def columns(batch: pa.RecordBatch) -> list[pa.Array]:
        own = [
            column.cast(pa.timestamp("us", tz="UTC")) if name in zoned else column
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        return [*own, *(pa.repeat(value, batch.num_rows) for value in constants.values())]

    send_copy(driver, into, (copy_lines(columns(batch)) for batch in chain([first], batches)))


def _stream(
    connection: sa.Connection,
    table: sa.Table,
    constants: dict[str, str],
    batches: Iterable[pa.RecordBatch],
) -> None:
    driver = driver_of(connection)
    quote = connection.dialect.identifier_preparer.quote
    batches = iter(batches)
    first = next(batches, None)
    names = table.columns.keys() if first is None else first.schema.names
    fields, sets = [], [f"{quote(name)} = {driver.escape(v)}" for name, v in constants.items()]
    for number, name in enumerate(names):
        if isinstance(table.c[name].type, sa.LargeBinary):
            fields.append(f"@notemill_{number}")
            sets.append(f"{quote(name)} = UNHEX(@notemill_{number})")
        else:
            fields.append(quote(name))
    into = f"INTO TABLE {quote(table.name)} {FORMAT} ({', '.join(fields)})"
    if sets:
        into += f" SET {', '.join(sets)}"
    filled = batches if first is None else chain([first], batches)
    sent = (lines(batch.columns) for batch in filled)
    if send_rows(driver, into, sent):
        _refuse_warnings(driver)


def _refuse_warnings(driver: Any) -> None:
    """LOAD DATA LOCAL makes errors warnings, because the sender can't be told to stop."""
    for level, code, message in driver.show_warnings():
        if level != _HARMLESS:
            raise pymysql.err.DataError(code, message)


def _state(
    connection: sa.Connection,
    table: sa.Table,
    constants: dict[str, str],
    batches: Iterable[pa.RecordBatch],
) -> None:
    driver = driver_of(connection)
    quote = connection.dialect.identifier_preparer.quote
    packet = connection.exec_driver_sql("SELECT @@SESSION.max_allowed_packet").scalar_one()
    room = max(min(_STATEMENT_BYTES, packet - _BESIDE_ROWS), 1)
    backslashes = not (driver.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES)
    for batch in batches:
        names = [*batch.schema.names, *constants]
        insert = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, names))}) VALUES "
        columns = [*batch.columns, *(pa.repeat(v, batch.num_rows) for v in constants.values())]
        for rows in _together(values(columns, backslashes=backslashes), room):
            statement = insert.encode() + b",".join(rows)
            if len(statement) >= packet:
                # The server would end the connection without a word of why.
                raise pymysql.err.DataError(PACKET, "a row is larger than max_allowed_packet")
            driver.query(statement)


def _together(rows: list[bytes], room: int) -> Iterator[list[bytes]]:
    """As many rows at once as there is room for bytes, one at least."""
    size, first = 0, 0
    for number, row in enumerate(rows):
        if number > first and size + len(row) > room:
            yield rows[first:number]
            size, first = 0, number
        size += len(row) + 1
    yield rows[first:]


def _bind(
    connection: sa.Connection,
    table: sa.Table,
    constants: dict[str, str],
    batches: Iterable[pa.RecordBatch],
) -> None:
    quote = connection.dialect.identifier_preparer.quote
    for batch in batches:
        names = [*batch.schema.names, *constants]
        columns = [as_stored(column.to_pylist(), "sqlite") for column in batch.columns]
        columns += [[value] * batch.num_rows for value in constants.values()]
        marks = ", ".join("?" * len(names))
        insert = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, names))})"
        connection.exec_driver_sql(f"{insert} VALUES ({marks})", list(zip(*columns, strict=True)))
