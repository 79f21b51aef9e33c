"""What the account may do where results go: proven, not read from grants, and without a change.

The server looks at rights before anything else. So each right is asked for by a statement that the
server refuses for another reason once the right is there, or that only explains what it would do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from notemill.check.finding import Findings
from notemill.config import Database
from notemill.database.connect import address
from notemill.database.keys import POSTGRESQL
from notemill.database.refusals import ACCESS_DENIED, READ_ONLY, error_code, explain
from notemill.errors import NotemillError

_TWICE = "(a INT, a INT)"
"""Columns that no table can have."""
OF_RESULTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
OF_EXPERIMENTS = ("SELECT", "INSERT", "DELETE")
"""Rights that a load uses on a table of results or failures, and on those of experiments and
of evaluations."""
_POSTGRES_REMEDY = (
    "ask its administrators: GRANT USAGE, CREATE ON SCHEMA ..., GRANT SELECT, INSERT, UPDATE, "
    "DELETE ON TABLE ..., GRANT TEMPORARY ON DATABASE ... TO your account; or take a schema of "
    "your own for the results (database.schemas)"
)
_VERBS = {
    "SELECT": "EXPLAIN SELECT 1 FROM {table}",
    "INSERT": "EXPLAIN INSERT INTO {table} (experiment) VALUES ('')",
    "UPDATE": "EXPLAIN UPDATE {table} SET experiment = '' WHERE 1 = 0",
    "DELETE": "EXPLAIN DELETE FROM {table} WHERE 1 = 0",
}


class _Proof(NamedTuple):
    """A statement that is denied where the right is missing. needed: whether a load needs it."""

    table: str
    right: str
    statement: str
    needed: bool = True


def prove_rights(
    connection: sa.Connection,
    database: Database,
    tables: Mapping[str, Iterable[str]],
    found: Findings,
) -> None:
    """Whether a load could make, read and write these tables. Changes nothing.

    tables: the rights that a load needs by table, whether that is there or not.
    """
    if connection.dialect.name == "sqlite":
        _file(Path(address(database)[0]), found)
        return
    missing = [name for name in tables if not is_there(connection, name)]
    if connection.dialect.name == POSTGRESQL:
        _tell(connection, tables, missing, _denied_by_postgres(connection, tables, missing), found)
        return
    denied: dict[str, list[str]] = {}
    for proof in _proofs(connection, tables, missing):
        try:
            connection.exec_driver_sql(proof.statement)
        except DBAPIError as error:
            number = error_code(error)
            if error.connection_invalidated:
                raise
            if number in READ_ONLY:
                found.refused(explain(error, database, "looking at the rights on results tables"))
                return
            # Any other error comes after the rights were looked at.
            if number in ACCESS_DENIED and proof.needed:
                denied.setdefault(proof.table, []).append(proof.right)
        finally:
            connection.rollback()
    _tell(connection, tables, missing, denied, found)


def account_of(connection: sa.Connection) -> str:
    """Who we are there."""
    call = "" if connection.dialect.name == POSTGRESQL else "()"
    return str(connection.exec_driver_sql(f"SELECT CURRENT_USER{call}").scalar())


def _tell(
    connection: sa.Connection,
    tables: Mapping[str, Iterable[str]],
    missing: list[str],
    denied: dict[str, list[str]],
    found: Findings,
) -> None:
    postgres = connection.dialect.name == POSTGRESQL
    if denied:
        account = account_of(connection)
        place = connection.exec_driver_sql(
            "SELECT current_schema()" if postgres else "SELECT DATABASE()"
        ).scalar()
        told = "; ".join(f"{', '.join(rights)} on {name}" for name, rights in denied.items())
        rights = sorted({right for each in denied.values() for right in each})
        found.refuse(
            f"the account {account} may not: {told}",
            where=f"{'schema' if postgres else 'database'} {place}",
            remedy=_POSTGRES_REMEDY
            if postgres
            else f"ask its administrators: GRANT {', '.join(rights)} ON `{place}`.* TO your "
            "account; or a schema of your own for the results (database.url)",
        )
    else:
        found.ok(
            "the account may "
            + ("CREATE what is missing and " if missing else "")
            + f"read and write {', '.join(tables)}"
        )


def _denied_by_postgres(
    connection: sa.Connection, tables: Mapping[str, Iterable[str]], missing: list[str]
) -> dict[str, list[str]]:
    """What the account may not, by the server's own word, which knows every role it is in."""

    def may(call: str, **names: str) -> bool:
        return bool(connection.execute(sa.text(f"SELECT {call}"), names).scalar())

    denied: dict[str, list[str]] = {}
    if not may("has_database_privilege(current_database(), 'TEMPORARY')"):
        denied["temporary tables"] = ["TEMPORARY"]
    if may("current_setting('transaction_read_only')::boolean"):
        denied["the database, which takes no changes"] = ["anything"]
    creates = may("coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)")
    quote = connection.dialect.identifier_preparer.quote_identifier
    for name, rights in tables.items():
        if name in missing:
            lacks = [] if creates else ["CREATE"]
        else:
            there = quote(name)
            lacks = [
                right
                for right in rights
                if not may("has_table_privilege(:name, :right)", name=there, right=right)
            ]
        if lacks:
            denied[name] = lacks
    connection.rollback()
    return denied


def is_there(connection: sa.Connection, table: str) -> bool:
    """Whether the table exists, as far as the account may know."""
    try:
        return sa.inspect(connection).has_table(table)
    except DBAPIError as error:
        if error_code(error) not in ACCESS_DENIED:
            raise
        return False
    finally:
        connection.rollback()


def _proofs(
    connection: sa.Connection, tables: Mapping[str, Iterable[str]], missing: list[str]
) -> Iterator[_Proof]:
    quote = connection.dialect.identifier_preparer.quote
    staging = f"CREATE TEMPORARY TABLE notemill_staging {_TWICE}"
    yield _Proof("temporary tables", "CREATE TEMPORARY TABLES", staging)
    for name, rights in tables.items():
        # Of a table that is there too: a server that takes no changes says so.
        create = f"CREATE TABLE {quote(name)} {_TWICE}"
        yield _Proof(name, "CREATE", create, needed=name in missing)
        for right in rights:
            yield _Proof(name, right, _VERBS[right].format(table=quote(name)))


def _file(path: Path, found: Findings) -> None:
    if os.access(path, os.W_OK) and os.access(path.absolute().parent, os.W_OK):
        found.ok(f"{path} and its folder can be written")
        return
    error = NotemillError(
        "the results can't be written into the file of database.url",
        where=str(path.absolute()),
        remedy="give your account the right to write the file and its folder",
    )
    found.refused(error)
