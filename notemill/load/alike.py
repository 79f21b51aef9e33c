"""Tables that hold rows already are made to hold those of the staging table, and no others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from notemill.answers.verdict import Status
from notemill.database.keys import POSTGRESQL
from notemill.load.tables import Tables


def ours_of(table: sa.Table, whose: dict[str, str]) -> sa.ColumnElement[bool]:
    """Condition: the row is of this experiment and cohort."""
    return sa.and_(*(table.c[name] == whose[name] for name in ("experiment", "cohort")))


def make_alike(connection: sa.Connection, tables: Tables, whose: dict[str, str]) -> int:
    """Make results and failures hold this experiment's and cohort's notes exactly as staged."""
    answered = tables.staging.c.status == Status.ANSWERED.value
    constants: dict[str, sa.ColumnElement[Any]] = {
        name: sa.literal(value) for name, value in whose.items()
    }
    removed = 0
    for table, mine in ((tables.results, answered), (tables.failures, ~answered)):
        ours = ours_of(table, whose)
        staged = sa.select(sa.literal(1)).where(tables.same_note(table)).correlate(table)
        gone = connection.execute(sa.delete(table).where(ours, ~sa.exists(staged)))
        removed += gone.rowcount
        # A note may have moved between the tables since the last load.
        connection.execute(sa.delete(table).where(ours, sa.exists(staged.where(~mine))))
        names = [column.name for column in table.columns]
        values = constants | {n: tables.staging.c[n] for n in names if n not in constants}
        source = sa.select(*(values[name].label(name) for name in names)).where(mine)
        changing = {name: values[name] for name in names if name not in tables.key}
        connection.execute(_upsert(connection, table, names, source, changing))
    return removed


def _upsert(
    connection: sa.Connection,
    table: sa.Table,
    names: list[str],
    source: sa.Select[Any],
    values: dict[str, Any],
) -> sa.Insert:
    if connection.dialect.name == "sqlite":
        lite = sqlite.insert(table).from_select(names, source)
        return lite.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: lite.excluded[name] for name in values},
        )
    if connection.dialect.name == POSTGRESQL:
        full = postgresql.insert(table).from_select(names, source)
        new = {name: full.excluded[name] for name in values}
        return full.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_=new,
            # Bit by bit; a row that is the same already is not written again.
            where=_record(table.c[name] for name in new).op("*<>")(_record(new.values())),
        )
    return mysql.insert(table).from_select(names, source).on_duplicate_key_update(values)


def _record(columns: Iterable[sa.ColumnElement[Any]]) -> sa.ColumnElement[Any]:
    return sa.func.row(*columns).op("::")(sa.literal_column("record")).self_group()
