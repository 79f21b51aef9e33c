"""The driver's own connection below SQLAlchemy's, and its errors as SQLAlchemy would have them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pymysql
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from notemill.database.keys import POSTGRESQL


@contextmanager
def driver_errors(connection: sa.Connection, but: Collection[int] = ()) -> Iterator[None]:
    """What the driver raises, as SQLAlchemy would have it, `but` for errors of these numbers."""
    try:
        yield
    except (pymysql.err.Error, psycopg.Error) as error:
        if error.args and error.args[0] in but:
            raise
        driver: Any = connection.connection.driver_connection
        lost = driver.closed if isinstance(error, psycopg.Error) else not driver.open
        if lost:
            connection.invalidate()
        raise DBAPIError(None, None, error, hide_parameters=True) from error


def driver_of(connection: sa.Connection) -> Any:
    """PyMySQL's or psycopg's own connection, with a transaction begun if none is."""
    connection.exec_driver_sql("SELECT 1" if connection.dialect.name == POSTGRESQL else "DO 0")
    return connection.connection.driver_connection
