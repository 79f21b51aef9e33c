"""When two values are the same: by type, code point and bit."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from notemill.database.keys import POSTGRESQL

_TIME_IN_SQLITE = "%Y-%m-%d %H:%M:%S.%f"
"""How SQLAlchemy writes a time."""


def given_back_otherwise(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[dict[str, Any]],
    key: Sequence[str],
    order: str | None = None,
) -> list[str]:
    """Columns in which a SELECT gives back other values than these rows, all of one table.

    key: columns in which all of them are alike, and no other row of the table; order: the column
    by which they come in this order. "its number of rows" where there are more or fewer.
    """
    names = list(rows[0])
    # Untyped, so that nothing between the driver and the comparison converts a value.
    raw = sa.table(table.name, *(sa.column(name) for name in names))
    select = sa.select(*raw.columns).where(*(raw.c[name] == rows[0][name] for name in key))
    found = connection.execute(select.order_by(raw.c[order]) if order else select).all()
    if len(found) != len(rows):
        return ["its number of rows"]
    dialect = connection.dialect.name
    return [
        name
        for name, got in zip(names, zip(*found, strict=True), strict=True)
        if differing(as_stored([row[name] for row in rows], dialect), got)
    ]


def is_sqlite(connection: sa.Connection) -> bool:
    """Whether the database is SQLite, which has no type for a time."""
    return connection.dialect.name == "sqlite"


def as_stored(values: list[Any], dialect: str) -> list[Any]:
    """The values of a column as the driver gives them back."""
    kinds = set(map(type, values))
    if bool in kinds and dialect != POSTGRESQL:
        return [value if value is None else int(value) for value in values]
    if dialect == "sqlite" and datetime in kinds:
        return [value and value.strftime(_TIME_IN_SQLITE) for value in values]
    return values


def differing(wanted: Sequence[Any], got: Sequence[Any], *, as_json: bool = False) -> int:
    """How many of the values differ: by type, code point and bit, JSON as it parses."""
    if _same(wanted, got):
        return 0
    pairs = zip(wanted, got, strict=True)
    return sum(
        not _same([one], [other]) and not (as_json and _same_json(one, other))
        for one, other in pairs
    )


def _same(wanted: Sequence[Any], got: Sequence[Any]) -> bool:
    kinds = list(map(type, wanted))
    if list(wanted) != list(got) or kinds != list(map(type, got)):
        return False
    # Equal, and so null in the same places; the sign of a zero is all that can differ.
    return float not in kinds or _bits(wanted) == _bits(got)


def _bits(values: Sequence[Any]) -> bytes:
    return array("d", [value for value in values if type(value) is float]).tobytes()


def _same_json(wanted: Any, got: Any) -> bool:
    """Whether both parse to the same; a JSON type orders keys and sets blanks in its own way."""
    try:
        one, other = (json.dumps(json.loads(text), sort_keys=True) for text in (wanted, got))
    except (TypeError, ValueError):
        return False
    return one == other
