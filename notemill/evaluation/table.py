"""The table of figures: an evaluation's rows replaced in one transaction and read back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from notemill.config import Database
from notemill.database.connect import connect
from notemill.database.keys import LONGEST_IN_ROW, NAME_LENGTH
from notemill.database.refusals import database_errors
from notemill.database.waiting import when_there
from notemill.errors import NotemillError
from notemill.load.check import check_tables
from notemill.load.loader import in_one_transaction, one_load_at_a_time
from notemill.load.table_columns import name_column
from notemill.load.values import given_back_otherwise
from notemill.logs import log


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
        name_column("evaluation"),
        sa.Column("figure", sa.BigInteger, autoincrement=False, nullable=False),
        name_column("experiment"),
        name_column("cohort"),
        *(
            sa.Column(column, kind, nullable=column in may_be_null)
            for column, kind in types.items()
        ),
        sa.PrimaryKeyConstraint("evaluation", "figure"),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_row_format="DYNAMIC",
    )


def write_rows(
    database: Database, name: str, evaluation: str, rows: Sequence[dict[str, Any]]
) -> None:
    """Make the table hold these rows of the evaluation and no others, as a SELECT gives them back.

    Raises NotemillError when the table can't keep them or gives back others; then nothing was
    changed.
    """
    doing = f"writing the figures of evaluation '{evaluation}'"
    when_there(database, doing, lambda: _write(database, doing, name, evaluation, rows))
    log.info("%d figures in %s, read back and equal", len(rows), name)


def _write(
    database: Database, doing: str, name: str, evaluation: str, rows: Sequence[dict[str, Any]]
) -> None:
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
                in_one_transaction(
                    connection, partial(_replace, connection, table, evaluation, rows)
                )
    finally:
        engine.dispose()


def _replace(
    connection: sa.Connection, table: sa.Table, evaluation: str, rows: Sequence[dict[str, Any]]
) -> None:
    connection.execute(sa.delete(table).where(table.c.evaluation == evaluation))
    connection.execute(sa.insert(table), list(rows))
    told = given_back_otherwise(connection, table, rows, ("evaluation",), order="figure")
    if told:
        raise NotemillError(
            f"the database gives back other figures than it was given: {', '.join(told)}; nothing "
            "was changed",
            where=table.name,
            remedy="does a trigger or another program change this table? Name another one "
            "(evaluations_table) and compare",
        )
