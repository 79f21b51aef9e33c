"""What a database refuses, in words that name the thing and the remedy.

A server's message is passed on only where it speaks of names and rights. Messages about values
quote data, so of those only the number and the column are told.
"""

from __future__ import annotations

import re
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from notemill.config.database import PASSWORD_VARIABLE, Database
from notemill.database.away import DatabaseAway
from notemill.database.packets import FileAsked
from notemill.database.postgres_refusals import (
    HELD,
    INSUFFICIENT_PRIVILEGE,
    READ_ONLY_TRANSACTION,
    explain_postgres,
)
from notemill.errors import NotemillError

ACCESS_DENIED: set[int | str] = {1044, 1045, 1142, 1143, 1227, 1698, INSUFFICIENT_PRIVILEGE}
_UNREACHABLE = {2002, 2003, 2005, 2026}
_LOST = {1053, 1927, 2006, 2013, 2055, 4031}
PACKET = 1153
"""A statement larger than max_allowed_packet."""
_FULL_HOUSE = {1040, 1203}
_ENDED = {1317, 1969, 3024}
"""KILL QUERY and limits of a statement's time."""
_NO_SPACE = {1021, 1114, 28}
DEADLOCK: set[int | str] = {1205, 1213, *HELD}
READ_ONLY: set[int | str] = {1290, 1792, 1836, READ_ONLY_TRANSACTION}
_RULES = {
    **dict.fromkeys((1216, 1451, 1452), "a foreign key"),
    **dict.fromkeys((3819, 4025), "a CHECK constraint"),
    **dict.fromkeys((1526, 1748), "the partitions"),
    1644: "a trigger",
}
"""What of the user's own on a table may refuse a row."""
_TOO_WIDE = {1117, 1118}
_WANTS_TO_WRITE = re.compile(
    r"(ALTER|CREATE|DELETE|DROP|INSERT|REPLACE|TRUNCATE|UPDATE)[\w ]* command denied"
    r"|attempt to write a readonly database"
)
_ABOUT_NAMES = {1049, 1051, 1054, 1064, 1103, 1109, 1146, 1305}
_COLUMN = re.compile(r"column '([^']{1,64})'", re.IGNORECASE)


@contextmanager
def database_errors(database: Database, doing: str, query_of: str | None = None) -> Iterator[None]:
    """Explain what the database refuses while `doing` something, such as 'reading cohort x'.

    query_of: the key of the query that runs, such as cohorts.chest.query, so that one that writes
    is named.
    """
    try:
        yield
    except DBAPIError as error:
        raise explain(error, database, doing, query_of) from error
    except RuntimeError as error:
        if not asks_for_file(error):
            raise
        raise _file_asked(database, doing) from error


def asks_for_file(error: BaseException | None) -> bool:
    """Whether a server asked for a file where no rows were offered to it."""
    return isinstance(error, RuntimeError) and "LOAD_LOCAL" in str(error)


def _file_asked(database: Database, doing: str) -> NotemillError:
    return NotemillError(
        f"the server asked for a file of this machine, while {doing}; it got none",
        where=sa.make_url(database.url).render_as_string(hide_password=True),
        remedy="no database asks for that: tell its administrators. With database.tls you know "
        "that it is your own server",
    )


def error_code(error: DBAPIError) -> int | str:
    """MySQL's number of an error, PostgreSQL's SQLSTATE; 0 where there is none."""
    if isinstance(error.orig, psycopg.Error):
        return error.orig.sqlstate or 0
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else 0


def explain(
    error: DBAPIError, database: Database, doing: str, query_of: str | None = None
) -> NotemillError:
    """The error for the user."""
    if isinstance(error.orig, FileAsked):
        return _file_asked(database, doing)
    where = sa.make_url(database.url).render_as_string(hide_password=True)
    number, text = error_code(error), _message(error)
    if query_of and (number in (1792, READ_ONLY_TRANSACTION) or _WANTS_TO_WRITE.search(text)):
        return NotemillError(
            f"the query wants to write, while {doing}",
            where=query_of,
            remedy="a query in the configuration is one SELECT that changes nothing",
        )
    if isinstance(error.orig, psycopg.Error):
        return explain_postgres(error.orig, where, doing, query_of)
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorname", type(error.orig).__name__)
        return _explain_sqlite(text, code, where, doing)
    if number in ACCESS_DENIED:
        return NotemillError(
            f"the database refused {doing}: {text}",
            where=where,
            remedy="check user and password (database.option_file, or the environment variable "
            f"{PASSWORD_VARIABLE}), and that the account has the right named above",
        )
    if "certificate verify failed" in text:
        return NotemillError(
            f"the database can't be reached, while {doing}: {text}",
            where=where,
            remedy="name the authority behind the server's certificate as database.tls.ca, and "
            "the server in database.url as its certificate does; its administrators know both",
        )
    if number in _FULL_HOUSE:
        return DatabaseAway(
            f"the database takes no more connections (error {number}), while {doing}",
            where=where,
            remedy="ask its administrators for more, or run again later",
        )
    if number in _UNREACHABLE or isinstance(error.orig, OSError):
        kind = DatabaseAway if _may_come_back(error.orig) else NotemillError
        return kind(
            f"the database can't be reached, while {doing}: {text}",
            where=where,
            remedy="check host and port in database.url, and database.tls; if only some nodes "
            "reach the database, set database.reached_from to the kind that does",
        )
    if number in _ABOUT_NAMES:
        return NotemillError(
            f"the database does not know what was asked for, while {doing}: {text}",
            where=where,
            remedy="correct the query, table or column name in the configuration",
        )
    if number in _TOO_WIDE:
        return NotemillError(
            f"a table would be too wide for the database (error {number}), while {doing}",
            where=where,
            remedy="give the task's answer fewer fields: put some together in a nested model, "
            "which becomes one column of JSON",
        )
    if number == PACKET:
        return NotemillError(
            f"a row is larger than the server takes at once (error {number}), while {doing}",
            where=where,
            remedy="max_allowed_packet is too small for a row: ask its administrators to raise it, "
            "or for local_infile = ON, by which rows of any size go; nothing half done is left",
        )
    if number in _LOST:
        return DatabaseAway(
            f"the database closed the connection (error {number}), while {doing}",
            where=where,
            remedy="run again: nothing half done is left behind. If it ends so each time, the "
            "server's max_allowed_packet may be too small for a row",
        )
    if number in _ENDED:
        return NotemillError(
            f"the statement was ended by the server or its administrators (error {number}), while "
            f"{doing}",
            where=where,
            remedy="ask its administrators for more time, and run again: nothing half done is left",
        )
    if number in _NO_SPACE:
        return NotemillError(
            f"the database has no space left (error {number}), while {doing}",
            where=where,
            remedy="ask its administrators for space and run again: nothing half done is left",
        )
    if number in READ_ONLY:
        return NotemillError(
            f"the database takes no changes (error {number}), while {doing}",
            where=where,
            remedy="database.url may name a replica, which only reads, or the server is set to "
            "read only: ask its administrators for the one that takes changes",
        )
    if number in DEADLOCK:
        return NotemillError(
            f"another session holds rows or a table that are needed (error {number}), while "
            f"{doing}",
            where=where,
            remedy="end it (SHOW PROCESSLIST names it) or let it finish, and run again: nothing "
            "half done is left",
        )
    if number in _RULES:
        return NotemillError(
            f"{_RULES[number]} of a table refuses a row (error {number}), while {doing}",
            where=where,
            remedy="take it off the table or choose another table: results tables must take every "
            "note, and the made-up ones by which they are tried before the first note is asked",
        )
    column = _COLUMN.search(text)
    named = f" in column '{column[1]}'" if column else ""
    return NotemillError(
        f"the database refused {doing}: error {number}{named} (its words may quote data and are "
        "not shown)",
        where=where,
        remedy="look the number up in the server's manual; for a value too long, widen the column",
    )


def _may_come_back(error: BaseException | None) -> bool:
    """Whether what can't be reached may be there later: not a wrong name or another's certificate.

    error: PyMySQL's, which keeps the one of the socket beside it.
    """
    reason = getattr(error, "original_exception", error)
    if isinstance(reason, socket.gaierror):
        return reason.errno == socket.EAI_AGAIN
    if isinstance(reason, ssl.SSLError):
        return isinstance(reason, ssl.SSLEOFError)
    return isinstance(reason, OSError) and not isinstance(reason, PermissionError)


def _explain_sqlite(text: str, code: str, where: str, doing: str) -> NotemillError:
    remedies = {
        "unable to open": "check the path in database.url and the rights to its folder",
        "no such": "correct the query, table or column name in the configuration",
        "syntax error": "correct the query in the configuration",
        "one statement": "write one SELECT as the query",
        "locked": "another program holds the file; end it and run again",
        "full": "free some space and run again: nothing half done is left behind",
        "readonly": "give your account the right to write the file and its folder",
        "not a database": "database.url must name a SQLite file",
    }
    remedy = next((fix for words, fix in remedies.items() if words in text), None)
    if remedy is None:
        text = f"{code} (its words may quote data and are not shown)"
        remedy = "check the file with sqlite3: PRAGMA integrity_check"
    return NotemillError(f"SQLite refused {doing}: {text}", where=where, remedy=remedy)


def _message(error: DBAPIError) -> str:
    arguments = getattr(error.orig, "args", ())
    return str(arguments[-1]) if arguments else type(error.orig).__name__
