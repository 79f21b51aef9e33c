"""Connections to PostgreSQL: credentials as its own library takes them, TLS, and our session.

The library reads ~/.pgpass, a service file and the PG... variables of the environment itself; what
it would pass over without an error, or read although others may, is refused here first.
"""

from __future__ import annotations

import configparser
import datetime
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import pq
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.string import TextLoader
from sqlalchemy.exc import DBAPIError

from notemill.config.database import PASSWORD_VARIABLE, Database
from notemill.database.tls import libpq_arguments
from notemill.errors import NotemillError
from notemill.files import refuse_open
from notemill.logs import log

PORT = 5432
_CONNECT_TIMEOUT_S = 20
_KEEP_ALIVE = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 6}
_LOCK_WAIT_S = 60
_SETTINGS = {
    "statement_timeout": "0",
    # Writing a full spool is a pause; so is reading back what was written.
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": f"{_LOCK_WAIT_S}s",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    # A machine that is gone holds its locks for two minutes, not two hours.
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
    # All rows of a cursor are wanted, not the first ones soon.
    "cursor_tuple_fraction": "1",
    # Floats by the digits that tell them apart.
    "extra_float_digits": "3",
}
"""What a server's or account's default could change, or end, without anybody's wish; those that
the server knows."""


def postgres_engine(database: Database, url: sa.URL) -> sa.Engine:
    """An engine for PostgreSQL; nothing is opened yet. Raises NotemillError."""
    given = described(url)
    if not given.get("dbname") and not given.get("service"):
        raise NotemillError(
            "database.url names no database",
            where=f"database.url: {database.url}",
            remedy="add it at the end: postgresql+psycopg://host/NAME; or name a service: "
            "postgresql+psycopg:///?service=NAME",
        )
    engine = sa.create_engine(
        url,
        connect_args=_arguments(database, given),
        hide_parameters=True,
        pool_pre_ping=True,
        isolation_level="REPEATABLE READ",
    )

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        try:
            _set_up_session(connection, database.schemas)
        except NotemillError:
            connection.close()
            raise

    return engine


def described(url: sa.URL) -> dict[str, str]:
    """Where a connection goes, by libpq's words: of the URL, its service, the environment."""
    inner = {
        "host": url.host,
        "port": str(url.port) if url.port else None,
        "user": url.username,
        "dbname": url.database,
    }
    query = {name: value for name, value in url.query.items() if isinstance(value, str)}
    found = {name: value for name, value in (inner | query).items() if value}
    known = {
        each.keyword.decode(): each.val.decode()
        for each in pq.Conninfo.get_defaults()
        if each.val is not None and each.envvar and os.environ.get(each.envvar.decode())
    }
    if name := found.get("service") or os.environ.get("PGSERVICE", ""):
        found["service"] = name
        known |= _service(name)
    return known | found


def postgres_address(url: sa.URL) -> tuple[str, int]:
    """Host and port; a socket's file and 0."""
    given = described(url)
    host = (given.get("hostaddr") or given.get("host") or "localhost").split(",")[0]
    port = int(given.get("port", str(PORT)).split(",")[0])
    return (f"{host}/.s.PGSQL.{port}", 0) if host.startswith("/") else (host, port)


def _arguments(database: Database, given: dict[str, str]) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "client_encoding": "utf8",
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "application_name": "notemill",
        # Poolers of connections know no statement that another connection prepared.
        "prepare_threshold": None,
        # Whether the server's machine is still there is asked after a minute, not two hours.
        **{name: value for name, value in _KEEP_ALIVE.items() if name not in given},
    }
    if password := os.environ.get(PASSWORD_VARIABLE):
        arguments["password"] = password
    elif "password" not in given:
        _check_password_file(given)
    if database.tls is not None:
        arguments |= libpq_arguments(database.tls)
    return arguments


def _check_password_file(given: dict[str, str]) -> None:
    """The library passes over a file that others may read, with a word on standard error alone."""
    path = Path(given.get("passfile") or "~/.pgpass").expanduser()
    try:
        refuse_open(path, "the password file")
    except FileNotFoundError:
        if "passfile" in given:
            raise NotemillError(
                "the password file is not there",
                where=str(path),
                remedy="write it with lines host:port:database:user:password, then `chmod 600` it",
            ) from None
    except OSError as error:
        raise NotemillError(
            f"the password file can't be read: {error.strerror}",
            where=str(path),
            remedy=f"chmod 600 {path}",
        ) from None


def _service(name: str) -> dict[str, str]:
    """A service's words. Raises NotemillError where it is in no file, or open with a password."""
    own = Path(os.environ.get("PGSERVICEFILE", "~/.pg_service.conf")).expanduser()
    system = Path(os.environ.get("PGSYSCONFDIR", "/etc/postgresql-common")) / "pg_service.conf"
    for path in (own, system):
        parser = configparser.ConfigParser(
            interpolation=None, delimiters=("=",), comment_prefixes=("#",), strict=False
        )
        try:
            parser.read_string(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        if parser.has_section(name):
            if parser.has_option(name, "password"):
                refuse_open(path, "the service file with your password")
            return dict(parser[name])
    raise NotemillError(
        f"the service '{name}' is in no service file",
        where=f"{own}, {system}",
        remedy=f"write [{name}] there, and below it host=, port=, dbname= and user=; the password "
        "stands in ~/.pgpass",
    )


class _InUtc(TimestamptzLoader):
    """Instants as ids keep them: in UTC, without a zone."""

    def load(self, data: Any) -> datetime.datetime:
        return super().load(data).astimezone(datetime.UTC).replace(tzinfo=None)


def _set_up_session(connection: Any, schemas: list[str]) -> None:
    """Set the session of a new psycopg connection, which is in no transaction afterwards."""
    # By name and not as an object: what is compared and put into files is its text.
    connection.adapters.register_loader("uuid", TextLoader)
    connection.adapters.register_loader("timestamptz", _InUtc)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(set_config(wanted.name, wanted.value, false)) "
            "FROM unnest(%s::text[], %s::text[]) AS wanted (name, value) "
            "JOIN pg_catalog.pg_settings AS known USING (name)",
            (list(_SETTINGS), list(_SETTINGS.values())),
        )
        if schemas:
            quoted = ", ".join('"' + schema + '"' for schema in schemas)
            cursor.execute("SELECT set_config('search_path', %s, false)", (quoted,))
            cursor.execute("SELECT current_schemas(false)")
            _refuse_missing(schemas, cursor.fetchone()[0])
    connection.commit()


def _refuse_missing(schemas: list[str], there: list[str]) -> None:
    """The server passes over them without a word, and tables would be made in the next one."""
    if missing := [schema for schema in schemas if schema not in there]:
        raise NotemillError(
            f"the database has no schema {', '.join(missing)}, or your account may not use it",
            where="database.schemas",
            remedy="correct the name (upper and lower case count), or ask its administrators: "
            f'CREATE SCHEMA "{missing[0]}" AUTHORIZATION your account, or GRANT USAGE ON it',
        )


@contextmanager
def advisory_lock(connection: sa.Connection, name: str, seconds: int) -> Iterator[bool]:
    """Hold a lock of this name; whether it was had within so many seconds."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    try:
        free = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({key})").scalar()
        if not free:
            log.info("another load writes there; waiting for its end")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{seconds}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({key})")
        connection.commit()
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise
        connection.rollback()
        yield False
        return
    try:
        yield True
    finally:
        # With its session the lock goes too; and no failure here hides what was before it.
        with suppress(DBAPIError):
            if not connection.invalidated:
                connection.rollback()
                connection.exec_driver_sql(f"SELECT pg_advisory_unlock({key})")
                connection.commit()
