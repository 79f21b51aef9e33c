"""A cohort's query, read once: some rows at a time, in one read-only transaction, counted twice."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from notemill.config import Cohort, Database
from notemill.database.connect import connect, server_name, thrown_away
from notemill.database.cursor import PostgresRows
from notemill.database.keys import POSTGRESQL, IdColumn, Unfit, check_key_size
from notemill.database.refusals import database_errors, error_code
from notemill.errors import NotemillError
from notemill.logs import log
from notemill.notes.columns import IdReader, column_positions
from notemill.notes.conflicts import IdConflicts
from notemill.notes.query import limited, over_query, streamed
from notemill.notes.shard import notes_table
from notemill.notes.sources.record import FilesRead
from notemill.notes.spool import Spool
from notemill.notes.text import read_text
from notemill.progress import Progress

_COUNT_S = 120
"""What counting the rows a second time may cost."""
_CUT = {
    "mysql": "does the server cut results (SHOW VARIABLES LIKE 'sql_select_limit'), is a table "
    "without transactions (MyISAM) written to, or "
}
"""What else gives other rows than were counted."""
BYTES_AT_ONCE = 4 << 20
ROWS_AT_ONCE = 4096


class SourceRead(NamedTuple):
    """What was read into the spool: id columns, number of rows, from where; and of which files."""

    ids: list[IdColumn]
    rows: int
    server: str
    files: FilesRead | None = None


def read_rows(
    database: Database, name: str, cohort: Cohort, spool: Spool, conflicts: IdConflicts
) -> SourceRead:
    """Read the query into the spool.

    Raises NotemillError when the query fails, lacks a column or an id, gives nothing, or gives
    another number of rows than its COUNT.
    """
    with database_errors(database, f"reading cohort '{name}'", query_of=f"cohorts.{name}.query"):
        engine = connect(database)
        try:
            with thrown_away(engine) as connection:
                server = server_name(connection)
                ids, count = _read(connection, name, cohort, spool, conflicts)
                if count:
                    _compare_with_count(connection, name, cohort, count)
        finally:
            engine.dispose()
    if not count:
        raise NotemillError(
            f"the query of cohort '{name}' returned nothing",
            where=f"cohorts.{name}.query",
            remedy="run the query in your SQL client and correct it; nothing was written",
        )
    spool.done_adding()
    return SourceRead(ids, count, server)


def _read(
    connection: sa.Connection,
    name: str,
    cohort: Cohort,
    spool: Spool,
    conflicts: IdConflicts,
) -> tuple[list[IdColumn], int]:
    progress = Progress("rows read")
    result = streamed(connection, cohort.query)
    if not result.returns_rows:
        raise NotemillError(
            f"the query of cohort '{name}' gives no rows, because it asks for none",
            where=f"cohorts.{name}.query",
            remedy="write one SELECT as the query",
        )
    positions = column_positions(result.keys(), cohort, name)
    text_position = positions.pop()
    reader = IdReader(cohort.id_columns, positions, result.cursor.description, name)
    for rows in _some_rows(connection, result, text_position):
        ids = reader.read(rows)
        if connection.dialect.name == POSTGRESQL:
            check_key_size(ids, reader.columns)
        texts = [read_text(checked_text(row[text_position], cohort, name)) for row in rows]
        rows.clear()
        spool.add(notes_table(reader.columns, ids, texts))
        conflicts.add(zip(*ids, strict=True), (text.sha256 for text in texts))
        progress.add(len(texts))
        del texts, ids
    return reader.columns, progress.done


def _some_rows(
    connection: sa.Connection, result: sa.CursorResult[Any] | PostgresRows, text: int
) -> Iterator[list[Any]]:
    """The rows as they come from the driver, some in memory at once: one may be very large.

    Not by way of the result, which would take as long for each row as the driver.
    """
    fetch = result.cursor.fetchone
    rows: list[Any] = list(result.fetchmany(1))  # which it holds
    row = rows[0] if rows else None
    size = 0
    try:
        while row is not None:
            size += sys.getsizeof(row[text])
            row = None  # or two rows are in memory while the next one comes
            if size >= BYTES_AT_ONCE or len(rows) >= ROWS_AT_ONCE:
                yield rows
                rows, size = [], 0
            row = fetch()
            if row is not None:
                rows.append(row)
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError(None, None, error, hide_parameters=True) from error
    if rows:
        yield rows


def _compare_with_count(connection: sa.Connection, name: str, cohort: Cohort, rows: int) -> None:
    """Hold the rows that came to what the server counts, in the same transaction.

    A setting of the server or a driver that cuts a result short is seen so. Where the server
    can't count within some minutes, or not at all, the log says that nothing was compared.
    """
    try:
        with limited(connection, _COUNT_S):
            counted = connection.exec_driver_sql(over_query("COUNT(*)", cohort.query)).scalar_one()
    except DBAPIError as error:
        log.warning(
            "the %d rows were not compared with a COUNT: the database gave none within %d s "
            "(error %s)",
            rows,
            _COUNT_S,
            error_code(error) or type(error.orig).__name__,
        )
        return
    if counted != rows:
        raise NotemillError(
            f"the query of cohort '{name}' gave {rows} rows, and COUNT(*) over it says {counted}",
            where=f"cohorts.{name}.query",
            remedy=_CUT.get(connection.dialect.name, "")
            + "does the query give other rows each time (RANDOM(), LIMIT without ORDER BY)? "
            "Correct that and run again; nothing was written",
        )
    log.info("%d rows read, as many as COUNT(*) says", rows)


def checked_text(value: Any, cohort: Cohort, name: str) -> str | bytes | None:
    """A value of the text column. Raises NotemillError when it is no text."""
    if value is None or isinstance(value, str | bytes):
        return value
    kind = value.kind if isinstance(value, Unfit) else type(value).__name__
    raise NotemillError(
        f"the text column '{cohort.text_column}' holds {kind}, not text",
        where=f"cohorts.{name}.text_column",
        remedy="name the column with the note's text, or cast it in the query",
    )
