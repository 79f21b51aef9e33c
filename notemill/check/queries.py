"""Queries tried on the database: a few rows and their columns, and how many a cohort has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from notemill.check.cohorts import shard_sizes
from notemill.check.column_types import id_kind, own_type
from notemill.check.finding import Findings
from notemill.config import Cohort
from notemill.database.cursor import PostgresRows
from notemill.database.keys import POSTGRESQL, IdColumn, check_key_length
from notemill.database.postgres_refusals import TOO_SLOW
from notemill.database.refusals import error_code
from notemill.evaluation.source import cells_of_rows
from notemill.notes.columns import IdReader, column_positions
from notemill.notes.query import bare, limited, only_read, over_query
from notemill.notes.rows import checked_text
from notemill.notes.text import UndecodedText, read_text

_ROWS = 5
_EXACTLY = {
    "sqlite": "{}",
    "mysql": "CAST({} AS BINARY)",
    "postgresql": 'CAST({} AS TEXT) COLLATE "C"',
}
"""Ids that are told apart by every byte."""
LOOK_S = 60
"""What a look at a query's first rows, or a count over it, may cost."""
_NOT_WRAPPED = {1060, 1064, 1248}
"""Errors of a query that is no table expression: a name given twice, or no plain SELECT."""
_DOES_MORE = re.compile(r"\binto\s+(outfile|dumpfile)\b|^\s*(call|do|load)\b", re.IGNORECASE)
"""What no read-only session keeps from writing."""
_OWN_LIMIT = re.compile(r"\blimit\s+[\d, ]+(offset\s+\d+)?\s*$", re.IGNORECASE)


def try_query(
    connection: sa.Connection, name: str, cohort: Cohort, found: Findings
) -> list[IdColumn] | None:
    """Read a few rows as extract would; returns the id columns, None when there is no row.

    Raises NotemillError for what extract would refuse, and DBAPIError.
    """
    connection = _reading(connection)
    look = _first_rows(connection, _Asked("cohort", name, cohort.query), found)
    if look is None:
        return None
    positions = column_positions(look.names, cohort, name)
    text = positions.pop()
    reader = IdReader(cohort.id_columns, positions, look.description, name)
    if look.rows:
        reader.read(look.rows)
    for row in look.rows:
        read_text(checked_text(row[text], cohort, name))
    if not look.rows:
        found.refuse(
            f"the query of cohort '{name}' returned nothing",
            where=f"cohorts.{name}.query",
            remedy="run the query in your SQL client and correct it",
        )
        return None
    check_key_length(reader.columns, connection.dialect.name)
    kinds = {column.name: f"id, {id_kind(column)}" for column in reader.columns}
    kinds[cohort.text_column] = "the note's text"
    found.ok(
        f"cohort {name}: the query gives rows",
        [
            f"{key}{own_type(column)}: {kinds.get(key, 'not used')}"
            for key, column in zip(look.names, look.description, strict=True)
        ],
    )
    _count(connection, name, cohort, found)
    return reader.columns


def try_gold(
    connection: sa.Connection, name: str, query: str, wanted: Sequence[str], found: Findings
) -> None:
    """Read a few rows of an evaluation's labels. wanted: the columns that it must have.

    Raises NotemillError for a column that is not there, and DBAPIError.
    """
    connection = _reading(connection)
    asked = _Asked("evaluation", name, query)
    look = _first_rows(connection, asked, found)
    if look is None:
        return
    cells_of_rows(look.names, iter(()), wanted, asked.where)
    if look.rows:
        found.ok(f"evaluation {name}: its query gives rows with {', '.join(wanted)}")
    else:
        found.refuse(
            f"the query of evaluation '{name}' returned nothing",
            where=asked.where,
            remedy="run the query in your SQL client and correct it",
        )


def _reading(connection: sa.Connection) -> sa.Connection:
    """The connection, which may change nothing and takes a query's percent signs as they are."""
    only_read(connection)
    return connection.execution_options(no_parameters=True)


class _Asked(NamedTuple):
    """A query and whose it is: a cohort's or an evaluation's."""

    of: str
    name: str
    query: str

    @property
    def where(self) -> str:
        return f"{self.of}s.{self.name}.query"

    def __str__(self) -> str:
        return f"{self.of} {self.name}"


class _Look(NamedTuple):
    """A few rows of a query."""

    names: list[str]
    description: Any
    rows: list[Any]


def _first_rows(connection: sa.Connection, asked: _Asked, found: Findings) -> _Look | None:
    """A few rows; the whole result is never sent for them if the query can be wrapped."""
    try:
        with limited(connection, LOOK_S):
            if connection.dialect.name == POSTGRESQL:
                return _through_cursor(connection, asked.query)
            return _wrapped(connection, asked.query) or _as_it_is(connection, asked, found)
    except DBAPIError as error:
        if not _too_slow(error):
            raise
        found.warn(
            f"{asked}: the query gave no row within {LOOK_S} s",
            where=asked.where,
            remedy="the workflow waits for it as long as it takes; an index may help (EXPLAIN)",
        )
        return None


def _through_cursor(connection: sa.Connection, query: str) -> _Look:
    """The first rows as extract will read them, from a cursor that is wanted no further."""
    connection.exec_driver_sql("SET LOCAL cursor_tuple_fraction = 0.000001")
    result = PostgresRows(connection, bare(query), UndecodedText)
    rows = result.fetchmany(_ROWS)
    result.close()
    connection.rollback()
    return _Look(result.keys(), result.description, rows)


def _wrapped(connection: sa.Connection, query: str) -> _Look | None:
    """The rows by a LIMIT around the query; None where the query can't stand in another."""
    if connection.dialect.name == "sqlite":
        return None  # it sends rows as they are fetched, and would rename columns here
    try:
        result = connection.exec_driver_sql(over_query("*", query, f"LIMIT {_ROWS}"))
    except DBAPIError as error:
        if error_code(error) not in _NOT_WRAPPED:
            raise
        connection.rollback()
        return None
    names, description = list(result.keys()), result.cursor.description
    return _Look(names, description, list(result.fetchall()))


def _as_it_is(connection: sa.Connection, asked: _Asked, found: Findings) -> _Look | None:
    """The rows of the query itself, cut short by the session."""
    query = bare(asked.query)
    if connection.dialect.name != "sqlite":
        if does := _DOES_MORE.search(query):
            found.refuse(
                f"{asked}: the query was not tried, because it does more than read "
                f"({does[0].strip().upper()})",
                where=asked.where,
                remedy="the query is one SELECT that changes nothing",
            )
            return None
        if _OWN_LIMIT.search(query):  # which is stronger than the session's
            found.warn(
                f"{asked}: the query can't be tried on a few rows, because two columns have "
                "one name and it has a LIMIT of its own",
                where=asked.where,
                remedy="give each column a name of its own (AS)",
            )
            return None
        connection.exec_driver_sql(f"SET SESSION sql_select_limit = {_ROWS}")
    result = connection.exec_driver_sql(query)
    if not result.returns_rows:
        found.refuse(
            f"the query of {asked.of} '{asked.name}' gives no rows, because it asks for none",
            where=asked.where,
            remedy="write one SELECT as the query",
        )
        return None
    names, description = list(result.keys()), result.cursor.description
    look = _Look(names, description, list(result.fetchmany(_ROWS)))
    result.close()
    return look


def _count(connection: sa.Connection, name: str, cohort: Cohort, found: Findings) -> None:
    """Rows, rows without an id and ids that come twice, as far as the server tells in time."""
    quote = connection.dialect.identifier_preparer.quote
    ids = [quote(column) for column in cohort.id_columns]
    where = f"cohorts.{name}.query"
    nulls = " OR ".join(f"{column} IS NULL" for column in ids)
    try:
        rows = _one(
            connection,
            over_query(f"COUNT(*), SUM(CASE WHEN {nulls} THEN 1 ELSE 0 END)", cohort.query),
        )
    except DBAPIError:
        connection.rollback()
        found.ok(f"cohort {name}: its rows can't be counted: it can't stand in another query")
        return
    if rows is None:
        found.warn(
            f"cohort {name}: its rows were not counted, that takes over {LOOK_S} s",
            where=where,
            remedy="nothing is wrong by this; extract counts them while it reads",
        )
        return
    count, without_id = int(rows[0]), int(rows[1] or 0)
    if without_id:
        found.refuse(
            f"cohort {name}: {without_id} of {count} rows have NULL in an id column",
            where=f"cohorts.{name}.id_columns",
            remedy="leave those rows out: WHERE ... IS NOT NULL",
        )
    exact = [_EXACTLY[connection.dialect.name].format(column) for column in ids]
    named = ", ".join(f"{column} AS id{number}" for number, column in enumerate(exact))
    distinct = _one(
        connection,
        f"SELECT COUNT(*) FROM ({over_query(f'DISTINCT {named}', cohort.query)}) AS notemill_ids",
    )
    repeated = count - int(distinct[0]) if distinct else 0
    unknown = "" if distinct else f"; whether ids repeat was not told within {LOOK_S} s"
    found.ok(f"cohort {name}: {count} rows{unknown}")
    if repeated and cohort.same_id_different_text == "error":
        found.warn(
            f"cohort {name}: {repeated} rows repeat an id; extract refuses them if their texts "
            "differ",
            where=f"cohorts.{name}.id_columns",
            remedy="add the column that tells them apart to id_columns, or set "
            "same_id_different_text",
        )
    shard_sizes(name, cohort.shards, count, found)


def _one(connection: sa.Connection, statement: str) -> Any:
    """The one row of a statement, None when the server does not give it in time."""
    try:
        with limited(connection, LOOK_S):
            return connection.exec_driver_sql(statement).one()
    except DBAPIError as error:
        if not _too_slow(error):
            raise
        connection.rollback()
        return None


def _too_slow(error: DBAPIError) -> bool:
    # MariaDB's max_statement_time, MySQL's max_execution_time, PostgreSQL's statement_timeout,
    # SQLite's progress handler.
    return error_code(error) in (1969, 3024, TOO_SLOW) or "interrupted" in str(error.orig)
