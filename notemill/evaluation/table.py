"""The table of figures: an evaluation's rows replaced in one transaction and read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError

from notemill.config import Database
from notemill.database.connect import connect
from notemill.database.keys import LONGEST_IN_ROW, NAME_LENGTH
from notemill.database.refusals import DEADLOCK, database_errors, error_number
from notemill.errors import NotemillError
from notemill.load.check import check_tables
from notemill.load.loader import one_load_at_a_time
from notemill.load.proof import as_stored, differing, is_sqlite
from notemill.logs import log

_TRIES = 3


def evaluations_table(name: str) -> sa.Table:
    """The table as it is created."""
    word = sa.String(32)
    line = sa.String(LONGEST_IN_ROW)
    text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
    time = sa.DateTime().with_variant(mysql.DATETIME(fsp=0), "mysql", "mariadb")
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "query_meta": line,
        "field": line,
        "kind": word,
        "part": word,
        "subgroup": line,
        "subgroup_value": line,
        "class": text,
        "measure": word,
        "counting": word,
        "value": sa.Double(),
        "low": sa.Double(),
        "high": sa.Double(),
        "n": sa.Double(),
        "why": text,
        "notes": sa.BigInteger(),
        "clusters": sa.BigInteger(),
        "clustered_by": word,
        "tolerance": sa.Double(),
        "headline": word,
        "earlier": sa.BigInteger(),
        "piloted": sa.BigInteger(),
        "gold_sha256": sa.String(NAME_LENGTH),
        "seed": sa.BigInteger(),
        "draws": sa.BigInteger(),
        "evaluated_at": time,
        "notemill": word,
    }
    may_be_null = {"value", "low", "high", "tolerance"}
    return sa.Table(
        name,
        sa.MetaData(),
        _name_column("evaluation"),
        sa.Column("figure", sa.BigInteger, autoincrement=False, nullable=False),
        _name_column("experiment"),
        _name_column("cohort"),
        *(
            sa.Column(column, kind, nullable=column in may_be_null)
            for column, kind in types.items()
        ),
        sa.PrimaryKeyConstraint("evaluation", "figure"),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_row_format="DYNAMIC",
    )


def _name_column(name: str) -> sa.Column[str]:
    """A name that is compared exactly."""
    ascii_name = mysql.VARCHAR(NAME_LENGTH, charset="ascii", collation="ascii_bin")
    kind = sa.String(NAME_LENGTH).with_variant(ascii_name, "mysql", "mariadb")
    return sa.Column(name, kind, nullable=False)


def write_rows(
    database: Database, name: str, evaluation: str, rows: Sequence[dict[str, Any]]
) -> None:
    """Make the table hold these rows of the evaluation and no others, as a SELECT gives them back.

    Raises NotemillError when the table can't keep them or gives back others; then nothing was
    changed.
    """
    doing = f"writing the figures of evaluation '{evaluation}'"
    engine = connect(database)
    try:
        with database_errors(database, doing), engine.connect() as connection:
            connection = connection.execution_options(notemill_write=True)
            table = evaluations_table(name)
            if not sa.inspect(connection).has_table(name):
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
                log.info("created %s", name)
            connection.commit()
            check_tables(connection, [table])
            with one_load_at_a_time(connection, name):
                _replace(connection, table, evaluation, rows)
    finally:
        engine.dispose()
    log.info("%d figures in %s, read back and equal", len(rows), name)


def _replace(
    connection: sa.Connection, table: sa.Table, evaluation: str, rows: Sequence[dict[str, Any]]
) -> None:
    """The one transaction; tried again when the database chose it as a deadlock's victim."""
    for number in range(_TRIES):
        try:
            with connection.begin():
                connection.execute(sa.delete(table).where(table.c.evaluation == evaluation))
                connection.execute(sa.insert(table), list(rows))
                _prove(connection, table, evaluation, rows)
            return
        except DBAPIError as error:
            if error_number(error) not in DEADLOCK or number == _TRIES - 1:
                raise
            log.warning("deadlock with another transaction; trying again")


def _prove(
    connection: sa.Connection, table: sa.Table, evaluation: str, rows: Sequence[dict[str, Any]]
) -> None:
    names = list(rows[0])
    # Untyped, so that nothing between the driver and the comparison converts a value.
    raw = sa.table(table.name, *(sa.column(name) for name in names))
    found = connection.execute(
        sa.select(*raw.columns).where(raw.c.evaluation == evaluation).order_by(raw.c.figure)
    ).all()
    told = ["its number of rows"]
    if len(found) == len(rows):
        lite = is_sqlite(connection)
        told = [
            name
            for name, got in zip(names, zip(*found, strict=True), strict=True)
            if differing(as_stored([row[name] for row in rows], lite), got)
        ]
    if told:
        raise NotemillError(
            f"the database gives back other figures than it was given: {', '.join(told)}; nothing "
            "was changed",
            where=table.name,
            remedy="does a trigger or another program change this table? Name another one "
            "(evaluations_table) and compare",
        )
