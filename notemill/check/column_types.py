"""Types of a query's columns, in words."""

from __future__ import annotations

from typing import Any

from pymysql.constants import FIELD_TYPE

from notemill.database.keys import BYTES_A_CHARACTER, IdColumn

_NAMES = {number: name for name, number in vars(FIELD_TYPE).items() if isinstance(number, int)} | {
    FIELD_TYPE.TINY: "TINYINT",
    FIELD_TYPE.SHORT: "SMALLINT",
    FIELD_TYPE.INT24: "MEDIUMINT",
    FIELD_TYPE.LONG: "INT",
    FIELD_TYPE.LONGLONG: "BIGINT",
    FIELD_TYPE.NEWDECIMAL: "DECIMAL",
    FIELD_TYPE.VAR_STRING: "VARCHAR",
    FIELD_TYPE.STRING: "CHAR",
    FIELD_TYPE.BLOB: "TEXT or BLOB",
}
_SIZED = (FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING)


def id_kind(column: IdColumn) -> str:
    """What kind of id a column holds."""
    if column.length:
        return f"{column.kind} of up to {column.length}"
    return f"{column.kind} with {column.scale} decimals" if column.scale else column.kind


def own_type(column: Any) -> str:
    """The database's own type of a column, where the driver tells it."""
    if column[1] is None:
        return ""
    if isinstance(column[1], str):
        return f" {column[1]}"
    number, length = column[1], column[3]
    name = _NAMES.get(number, f"type {number}")
    sized = f"({length // BYTES_A_CHARACTER})" if number in _SIZED and length else ""
    return f" {name}{sized}"
