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
        _leave_if_lost(connection)
        raise DBAPIError(None, None, error, hide_parameters=True) from error
    except BaseException:
        _leave_if_lost(connection)
        raise


def _leave_if_lost(connection: sa.Connection) -> None:
    """Use no more what the driver has closed: ending it in order would hide the first error."""
    if not connection.invalidated:
        driver: Any = connection.connection.driver_connection
        if driver.closed if isinstance(driver, psycopg.Connection) else not driver.open:
            connection.invalidate()


def driver_of(connection: sa.Connection) -> Any:
    """PyMySQL's or psycopg's own connection, with a transaction begun if none is."""
    connection.exec_driver_sql("SELECT 1" if connection.dialect.name == POSTGRESQL else "DO 0")
    return connection.connection.driver_connection
