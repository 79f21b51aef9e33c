"""Connections to MySQL, MariaDB, PostgreSQL and SQLite, with credentials that stay out of sight."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pymysql.constants import CLIENT
from pymysql.optionfile import Parser

from notemill.config.database import PASSWORD_VARIABLE, Database
from notemill.database.keys import POSTGRESQL
from notemill.database.packets import leave_unread
from notemill.database.postgres import postgres_address, postgres_engine
from notemill.database.refusals import asks_for_file
from notemill.database.session import set_up_mysql
from notemill.database.tls import tls_context
from notemill.errors import NotemillError
from notemill.files import refuse_open

_CONNECT_TIMEOUT_S = 20
_SQLITE_BUSY_S = 60


def connect(database: Database, *, sends_rows: bool = False) -> sa.Engine:
    """An engine for the configured database; nothing is opened yet.

    sends_rows: whether its connections may send rows by LOAD DATA LOCAL (database/packets.py).

    Parameters never show in errors (hide_parameters), because they are notes and answers.
    Raises NotemillError for an address or files that can't be right.
    """
    url = sa.make_url(database.url)
    if url.get_backend_name() == POSTGRESQL:
        return postgres_engine(database, url)
    if database.schemas:
        raise NotemillError(
            "database.schemas is PostgreSQL's; elsewhere the url names the one database",
            where=f"database.url: {database.url}",
            remedy="leave schemas out",
        )
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    if not url.database:
        raise NotemillError(
            "database.url names no database",
            where=f"database.url: {database.url}",
            remedy="add it at the end: mysql+pymysql://host/NAME",
        )
    engine = sa.create_engine(
        url,
        connect_args=_mysql_arguments(database),
        hide_parameters=True,
        pool_pre_ping=True,
        isolation_level="REPEATABLE READ",
    )

    if sends_rows:

        @sa.event.listens_for(engine, "do_connect")
        def _may_send(_: Any, __: Any, ___: Any, options: dict[str, Any]) -> None:
            # The server is told so; PyMySQL still opens no file for it, without `local_infile`.
            options["client_flag"] = options.get("client_flag", 0) | CLIENT.LOCAL_FILES

    @sa.event.listens_for(engine, "handle_error")
    def _say_no_more(context: Any) -> None:
        # It waits for the file: what is sent now, a ROLLBACK, would never be answered.
        if asks_for_file(context.original_exception):
            context.is_disconnect = True

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        set_up_mysql(connection)

    @sa.event.listens_for(engine, "close")
    def _leave(connection: Any, _: Any) -> None:
        leave_unread(connection)

    return engine


@contextmanager
def thrown_away(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that nobody gets after this, whatever its session was made; in errors too.

    What is not read of its rows never is: ending it in order would read all that are left.
    """
    with engine.connect() as connection:
        try:
            yield connection
        finally:
            connection.invalidate()


def server_name(connection: sa.Connection) -> str:
    """Product and version, such as 'MariaDB 10.11.19' or 'SQLite 3.40.1'."""
    dialect = connection.dialect
    if dialect.name == "sqlite":
        return f"SQLite {connection.exec_driver_sql('SELECT sqlite_version()').scalar()}"
    if dialect.name == POSTGRESQL:
        version = str(connection.exec_driver_sql("SHOW server_version").scalar())
        return f"PostgreSQL {version.split(maxsplit=1)[0]}"
    version = str(connection.exec_driver_sql("SELECT VERSION()").scalar())
    product = "MariaDB" if getattr(dialect, "is_mariadb", False) else "MySQL"
    return f"{product} {version.split('-', maxsplit=1)[0]}"


def address(database: Database) -> tuple[str, int]:
    """Host and port, of the option file or the service where the URL has none.

    SQLite's file, or a socket's, and 0.
    """
    url = sa.make_url(database.url)
    if url.get_backend_name() == "sqlite":
        return str(Path(url.database or "").absolute()), 0
    if url.get_backend_name() == POSTGRESQL:
        return postgres_address(url)
    there = Parser()
    if database.option_file:
        there.read(database.option_file, encoding="utf-8")

    def option(name: str, default: str) -> str:
        return str(there.get(database.option_group, name, fallback=default))

    # As PyMySQL has it: what stands in the option file fills in what the URL leaves out.
    return url.host or option("host", "localhost"), url.port or int(option("port", "3306"))


def _mysql_arguments(database: Database) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "charset": "utf8mb4",
        "connect_timeout": _CONNECT_TIMEOUT_S,
    }
    if database.option_file:
        _check_option_file(database.option_file)
        arguments["read_default_file"] = str(database.option_file)
        arguments["read_default_group"] = database.option_group
    if password := os.environ.get(PASSWORD_VARIABLE):
        arguments["password"] = password
    if database.tls is not None:
        arguments["ssl"] = tls_context(database.tls)
    return arguments


def _check_option_file(path: Path) -> None:
    try:
        refuse_open(path, "the option file with your password")
    except OSError:
        raise NotemillError(
            "database.option_file can't be read",
            where=str(path),
            remedy="write it with [client], user=... and password=..., then `chmod 600` it",
        ) from None


def _sqlite(url: sa.URL) -> sa.Engine:
    path = Path(url.database or "")
    if not path.is_file():
        raise NotemillError(
            "the SQLite file of database.url does not exist",
            where=str(path.absolute()),
            remedy="correct the path in database.url: three slashes before a path below the folder "
            "that you run in, four before one from the root",
        )
    # mode=rw: no empty file where it went meanwhile.
    address = f"{path.absolute().as_uri()}?mode=rw"
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(address, timeout=_SQLITE_BUSY_S, uri=True),
        poolclass=sa.pool.NullPool,
        hide_parameters=True,
    )

    # The driver's own transactions begin late and not for every statement; ours are explicit.
    @sa.event.listens_for(engine, "connect")
    def _leave_transactions_to_us(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        write = connection.get_execution_options().get("notemill_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
