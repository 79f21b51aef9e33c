"""Tables that exist: whether a load keeps every value in them as it is, and what mends them."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from notemill.database.keys import POSTGRESQL
from notemill.errors import NotemillError
from notemill.load.mysql_shape import MySQLShape
from notemill.load.postgres_shape import PostgresShape
from notemill.load.shape import Shape
from notemill.load.sqlite_shape import SQLiteShape

_ANOTHER = (
    "it was made by another program, or for other ids or a task with other fields: choose another "
    "name in the configuration, or rename the old table"
)


def check_tables(connection: sa.Connection, tables: Iterable[sa.Table]) -> None:
    """Compare tables that exist with what the load needs: types, lengths, comparison, keys.

    Raises NotemillError with everything that is wrong, and with the SQL that mends it where the
    rows that are in there would stay what they are.
    """
    whats: list[str] = []
    mends: list[str | None] = []
    names: list[str] = []
    for table in tables:
        shape = _shape(connection, table)
        problems, rekeyed = shape.problems()
        if not problems and not rekeyed:
            continue
        names.append(table.name)
        told = [problem.what for problem in problems]
        if rekeyed:
            told.append(_about_keys(shape))
        whats.append(f"table {table.name} exists, and {'; '.join(told)}")
        clauses = [problem.clause for problem in problems]
        known = [clause for clause in clauses if clause is not None]
        if len(known) < len(clauses) or (rekeyed and not shape.of_ours):
            mends.append(None)
        else:
            mends.append(shape.mending(known, rekeyed=rekeyed))
    connection.rollback()
    if not whats:
        return
    sql = [mend for mend in mends if mend is not None]
    raise NotemillError(
        "\n".join(whats),
        where=", ".join(names),
        remedy="run this SQL, which keeps all rows, and then again (or choose another name in the "
        "configuration):\n" + "\n".join(sql)
        if len(sql) == len(mends)
        else _ANOTHER,
    )


def _about_keys(shape: Shape) -> str:
    wanted = ", ".join(column.name for column in shape.table.primary_key.columns)
    if shape.has_key():
        keys = ", ".join(key.name for key in shape.wrong_keys())
        return f"one row could take another's place by its unique key {keys}"
    return f"no unique key is over {wanted}, so that one row could take another's place"


def _shape(connection: sa.Connection, table: sa.Table) -> Shape:
    kinds = {"sqlite": SQLiteShape, POSTGRESQL: PostgresShape}
    return kinds.get(connection.dialect.name, MySQLShape)(connection, table)
