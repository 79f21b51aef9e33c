"""A cohort's query as it is sent: once, read-only, its rows streamed; and what is asked over it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from notemill.database.cursor import PostgresRows
from notemill.database.keys import POSTGRESQL
from notemill.notes.text import UndecodedText

_SQLITE_STEPS = 10_000


def only_read(connection: sa.Connection) -> None:
    """Let the session change nothing from here on, and leave texts undecoded."""
    if connection.dialect.name == POSTGRESQL:
        connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        connection.commit()
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
        # Undecoded, so that a text with invalid UTF-8 is counted and not an error.
        connection.connection.dbapi_connection.text_factory = UndecodedText  # type: ignore[union-attr]
    else:
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        # The server gives up on a reader that pauses; writing a full spool is such a pause.
        connection.exec_driver_sql("SET SESSION net_write_timeout = 3600")
        connection.commit()


def streamed(connection: sa.Connection, query: str) -> sa.CursorResult[Any] | PostgresRows:
    """The query's rows through a server-side cursor, in one read-only transaction.

    One row is fetched at a time: a thousand notes may be gigabytes.
    """
    only_read(connection)
    if connection.dialect.name == POSTGRESQL:
        connection = connection.execution_options(no_parameters=True)
        return PostgresRows(connection, bare(query), UndecodedText)
    return connection.execution_options(
        stream_results=True, max_row_buffer=1, no_parameters=True
    ).exec_driver_sql(bare(query))


def over_query(selected: str, query: str, more: str = "") -> str:
    """SQL that selects from the query's rows. more: what comes behind it, such as a LIMIT."""
    return f"SELECT {selected} FROM (\n{bare(query)}\n) AS notemill_rows {more}".rstrip()


@contextmanager
def limited(connection: sa.Connection, seconds: int) -> Iterator[None]:
    """End the connection's next statement when it has taken too long."""
    if connection.dialect.name == "sqlite":
        sqlite: Any = connection.connection.dbapi_connection
        end = time.monotonic() + seconds
        sqlite.set_progress_handler(lambda: time.monotonic() > end, _SQLITE_STEPS)
        try:
            yield
        finally:
            sqlite.set_progress_handler(None, _SQLITE_STEPS)
    elif connection.dialect.name == POSTGRESQL:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{seconds}s'")
        yield
    else:
        mariadb = getattr(connection.dialect, "is_mariadb", False)
        limit = "max_statement_time" if mariadb else "max_execution_time"
        connection.exec_driver_sql(f"SET SESSION {limit} = {seconds * (1 if mariadb else 1000)}")
        yield


def bare(query: str) -> str:
    """The query without white space around it and the semicolon behind it."""
    return query.strip().rstrip(";")
