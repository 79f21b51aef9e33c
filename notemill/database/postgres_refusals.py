"""What PostgreSQL refuses, in words that name the thing and the remedy.

Its details and contexts quote rows, and are never told; of its messages only those about names,
rights and connections are. Of the others the SQLSTATE and the column remain.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import psycopg

from notemill.config.database import PASSWORD_VARIABLE
from notemill.database.away import DatabaseAway
from notemill.errors import NotemillError

INSUFFICIENT_PRIVILEGE = "42501"
READ_ONLY_TRANSACTION = "25006"
HELD = {"40001", "40P01", "55P03"}
"""Serialization failure, deadlock, lock timeout."""
TOO_SLOW = "57014"
_CONNECTION = ("connection failed", "connection timeout", "failed to resolve", "could not ")
_LOGIN = re.compile(
    r"password|authentication|no pg_hba\.conf entry|role \"|database \"|permission denied"
)
_NO_ROOM = re.compile(r"too many (clients|connections)|connection slots are reserved")
_STARTING = re.compile(r"the database system is ")
_NO_ADDRESS = re.compile(
    r"Name or service not known|No address associated|nodename nor servname|Permission denied"
)
_NO_TLS = "server does not support SSL"
_CERTIFICATE = re.compile(r"certificate|SSL|TLS", re.IGNORECASE)
_WANTS_TO_WRITE = re.compile(
    r"at or near \"(ALTER|CREATE|DELETE|DROP|INSERT|MERGE|TRUNCATE|UPDATE)\"|data-modifying",
    re.IGNORECASE,
)
_COLUMN = re.compile(r"^COPY [^,]+, line \d+, column (\w{1,63})")
_ADMINISTRATORS = "ask its administrators"
_AGAIN = "run again: nothing half done is left behind"


class _Case(NamedTuple):
    """What is told of an error, and what to do. said: whether the server's message is told.

    kind: DatabaseAway where it may be otherwise at another time.
    """

    what: str
    remedy: str
    said: bool = False
    kind: type[NotemillError] = NotemillError


_NAMES = _Case(
    "the database does not know what was asked for",
    "correct the query, table or column name in the configuration; names without a schema are "
    "looked for in the search_path (database.schemas)",
    said=True,
)
_RULE = (
    "of a table refuses a row",
    "take it off the table or choose another table: results tables must take every note, and the "
    "made-up ones by which they are tried before the first note is asked",
)
_SPACE = _Case(
    "the database has no space left",
    f"{_ADMINISTRATORS} for space and run again: nothing half done is left",
)
_LOST = _Case("the database closed the connection", _AGAIN, kind=DatabaseAway)
_FULL_HOUSE = _Case(
    "the database takes no more connections",
    f"{_ADMINISTRATORS} for more, or run again later",
    kind=DatabaseAway,
)
_ENCODING = _Case(
    "a character can't be kept in the encoding of this database",
    "notes and answers are Unicode: ask for a database with ENCODING 'UTF8'",
)
_CASES = {
    INSUFFICIENT_PRIVILEGE: _Case(
        "the database refused it",
        f"{_ADMINISTRATORS} for the right named above, or take a schema of your own for the "
        "results (database.schemas)",
        said=True,
    ),
    READ_ONLY_TRANSACTION: _Case(
        "the database takes no changes",
        "database.url may name a standby, which only reads, or the account or server is set to "
        f"read only: {_ADMINISTRATORS} for the one that takes changes",
    ),
    **dict.fromkeys(
        HELD,
        _Case(
            "another session holds rows or a table that are needed",
            "end it (SELECT * FROM pg_stat_activity names it) or let it finish, and run again: "
            "nothing half done is left",
        ),
    ),
    **dict.fromkeys(("42P01", "42703", "42601", "42883", "42704", "3F000", "3D000"), _NAMES),
    **dict.fromkeys(("42702", "42804", "42809", "42846", "42P10", "0A000"), _NAMES),
    **dict.fromkeys(("53100", "53200", "58030"), _SPACE),
    "53300": _FULL_HOUSE,
    **dict.fromkeys(("57P01", "57P02", "57P03", "08000", "08003", "08006"), _LOST),
    **dict.fromkeys(("25P03", "25P04", "57P05"), _LOST),
    TOO_SLOW: _Case(
        "the statement was ended by the server or its administrators",
        f"{_ADMINISTRATORS} for more time, and {_AGAIN}",
    ),
    "23503": _Case(f"a foreign key {_RULE[0]}", _RULE[1]),
    "23505": _Case(f"a unique key {_RULE[0]}", _RULE[1]),
    "23502": _Case(f"a NOT NULL {_RULE[0]}", _RULE[1]),
    "23514": _Case(f"a CHECK constraint (or the partitions) {_RULE[0]}", _RULE[1]),
    "23P01": _Case(f"an exclusion {_RULE[0]}", _RULE[1]),
    "P0001": _Case(f"a trigger {_RULE[0]}", _RULE[1]),
    **dict.fromkeys(("22P05", "22021"), _ENCODING),
    "54011": _Case(
        "a table would be too wide for the database",
        "give the task's answer fewer fields: put some together in a nested model, which becomes "
        "one column of JSON",
    ),
}


def explain_postgres(
    error: psycopg.Error, where: str, doing: str, query_of: str | None
) -> NotemillError:
    """The error for the user. query_of: the key of the query that runs."""
    code, text = error.sqlstate or "", _primary(error)
    if query_of and (code == READ_ONLY_TRANSACTION or _WANTS_TO_WRITE.search(text)):
        return NotemillError(
            f"the query wants to write, while {doing}",
            where=query_of,
            remedy="a query in the configuration is one SELECT that changes nothing",
        )
    if not code and isinstance(error, psycopg.OperationalError):
        return _not_connected(text, where, doing)
    if case := _CASES.get(code):
        what = (
            f"{case.what}, while {doing}: {text}"
            if case.said
            else f"{case.what} (error {code}), while {doing}"
        )
        return case.kind(what, where=where, remedy=case.remedy)
    return NotemillError(
        f"the database refused {doing}: error {code or type(error).__name__}{_column(error)} (its "
        "words may quote data and are not shown)",
        where=where,
        remedy="look the code up in PostgreSQL's manual (Appendix A); for a value too long, widen "
        "the column",
    )


def _not_connected(text: str, where: str, doing: str) -> NotemillError:
    """No session came about, or the one that was is gone: libpq says it in words alone."""
    if not text.startswith(_CONNECTION):
        return DatabaseAway(f"{_LOST.what}, while {doing}", where=where, remedy=_LOST.remedy)
    if _NO_ROOM.search(text):
        full = _FULL_HOUSE
        return DatabaseAway(f"{full.what}, while {doing}", where=where, remedy=full.remedy)
    # The last lines name the server's reason; the first ones what was tried before.
    told = " ".join(text.split())
    if _LOGIN.search(text):
        return NotemillError(
            f"the database refused {doing}: {told}",
            where=where,
            remedy="check user and database in database.url, and the password (~/.pgpass, mode "
            f"0600, with a line for this host, port, database and user; or {PASSWORD_VARIABLE}, "
            "PGPASSWORD)",
        )
    if _NO_TLS in text:
        return NotemillError(
            f"the database can't be reached, while {doing}: {told}",
            where=where,
            remedy="this server speaks no TLS, which database.tls (or sslmode in the URL) asks "
            f"for: {_ADMINISTRATORS} to turn it on, or leave the section out where the network is "
            "to be trusted",
        )
    if _CERTIFICATE.search(text):
        return NotemillError(
            f"the database can't be reached, while {doing}: {told}",
            where=where,
            remedy="name the authority behind the server's certificate as database.tls.ca, and "
            "the server in database.url as its certificate does; its administrators know both",
        )
    # A server that is there says FATAL, in words of any language; and why a name has no address.
    there = "FATAL" in text and not _STARTING.search(text)
    kind = NotemillError if there or _NO_ADDRESS.search(text) else DatabaseAway
    return kind(
        f"the database can't be reached, while {doing}: {told}",
        where=where,
        remedy="check host and port in database.url, and database.tls; if only some nodes reach "
        "the database, set database.reached_from to the kind that does",
    )


def _primary(error: psycopg.Error) -> str:
    """The message without details, which quote rows; of the library itself, all of it."""
    return error.diag.message_primary or (str(error) if not error.sqlstate else "")


def _column(error: psycopg.Error) -> str:
    found = _COLUMN.match(error.diag.context or "")
    name = error.diag.column_name or (found[1] if found else "")
    return f" in column '{name}'" if name else ""
