"""What our session sets for itself, so that no default of server or account changes what is read
or ends it, and so that either side notices soon when the other is gone.

Without a word these would cut rows (sql_select_limit, max_recursive_iterations), texts
(group_concat_max_len, a sql_mode that is not strict) or pad them (PAD_CHAR_TO_FULL_LENGTH).
The time zone stays the account's: a query means here what it means in the user's client.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from notemill.errors import NotemillError
from notemill.logs import log

_KEPT_MODES = frozenset(
    {
        *("ANSI_QUOTES", "HIGH_NOT_PRECEDENCE", "IGNORE_SPACE", "NO_BACKSLASH_ESCAPES"),
        *("NO_UNSIGNED_SUBTRACTION", "ONLY_FULL_GROUP_BY", "PIPES_AS_CONCAT", "REAL_AS_FLOAT"),
    }
)
"""How the server reads SQL: a query means here what it means in the user's client."""
_STRICT_MODES = ("STRICT_ALL_TABLES", "NO_ENGINE_SUBSTITUTION", "ERROR_FOR_DIVISION_BY_ZERO")
_MOST = 2**64 - 1
_SETTINGS: dict[str, int | str] = {
    "sql_select_limit": _MOST,
    "max_join_size": _MOST,
    "sql_big_selects": 1,  # after max_join_size, which turns it off
    "group_concat_max_len": 2**30,
    "sql_safe_updates": 0,
    "sql_auto_is_null": 0,
    "unique_checks": 1,
    "foreign_key_checks": 1,
    # Rows are sorted between two statements; a machine that is gone holds its lock no longer.
    "wait_timeout": 1800,
    # A pause of a file system in the midst of rows.
    "net_read_timeout": 600,
    "net_write_timeout": 600,
    # For another's ALTER TABLE: not a day, which is the default.
    "lock_wait_timeout": 3600,
}
_OF_SOME: dict[str, int | str] = {
    "max_recursive_iterations": 2**32 - 1,
    "max_statement_time": 0,
    "max_execution_time": 0,
    "idle_transaction_timeout": 0,
    "idle_readonly_transaction_timeout": 0,
    "idle_write_transaction_timeout": 0,
}
"""Those that only MariaDB has, or only MySQL, or a newer one."""
_KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}
"""Seconds until the network is asked whether the server's machine is there; not two hours."""


def set_up_mysql(connection: Any) -> None:
    """Set the session of a new PyMySQL connection."""
    _keep_alive(getattr(connection, "_sock", None))
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@SESSION.sql_mode")
        kept = sorted(_KEPT_MODES.intersection(cursor.fetchone()[0].split(",")))
        modes = f"'{','.join([*_STRICT_MODES, *kept])}'"
        for name, value in {**_SETTINGS, "sql_mode": modes}.items():
            cursor.execute(f"SET SESSION {name} = {value}")
        # Not before: a default may cut or refuse even this list.
        names = ", ".join(f"'{name}'" for name in _OF_SOME)
        cursor.execute(f"SHOW SESSION VARIABLES WHERE Variable_name IN ({names})")
        for name, _ in cursor.fetchall():
            cursor.execute(f"SET SESSION {name} = {_OF_SOME[name]}")


def _keep_alive(connected: socket.socket | None) -> None:
    if connected is None or connected.family == socket.AF_UNIX:
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if option := getattr(socket, name, None):  # Linux has all of them
            connected.setsockopt(socket.IPPROTO_TCP, option, value)


@contextmanager
def named_lock(connection: sa.Connection, name: str, seconds: int) -> Iterator[bool]:
    """Hold MySQL's lock of this name; whether it was had within so many seconds."""
    hashed = "notemill:" + hashlib.sha256(name.removeprefix("notemill:").encode()).hexdigest()[:40]
    had = _locked(connection, hashed, 0)
    if not had:
        log.info("another load writes there; waiting for its end")
        had = _locked(connection, hashed, seconds)
    try:
        yield had
    finally:
        # With its session the lock goes too; and no failure here hides what was before it.
        with suppress(DBAPIError):
            if had and not connection.invalidated:
                connection.rollback()
                connection.execute(sa.select(sa.func.RELEASE_LOCK(hashed)))
                connection.commit()


def _locked(connection: sa.Connection, name: str, seconds: int) -> bool:
    got: int | None = connection.execute(sa.select(sa.func.GET_LOCK(name, seconds))).scalar()
    connection.commit()
    if got is None:  # KILL QUERY
        raise NotemillError(
            "the wait for the end of another load was ended by the server or its administrators",
            where=name,
            remedy="run again: nothing half done is left",
        )
    return got == 1
