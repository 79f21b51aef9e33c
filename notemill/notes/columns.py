"""Id columns as they come from a query: found by name, typed once, checked on every row."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from typing import Any

from notemill.config import Cohort
from notemill.database.keys import (
    BYTES_A_CHARACTER,
    INT64,
    IdColumn,
    IdKind,
    Instant,
    Unfit,
    UuidText,
)
from notemill.errors import NotemillError
from notemill.notes.text import UndecodedText

_DIGITS = 38
"""Of a decimal in a shard."""
_EXACTLY = Context(prec=_DIGITS)
_AS_TEXT = "cast it in the query to text (MySQL: CHAR)"
"""Not to CHAR everywhere: PostgreSQL's is one character long, and cuts the others off."""


def column_positions(names: Iterable[str], cohort: Cohort, cohort_name: str) -> list[int]:
    """Positions of the id columns and, last, of the text column. Raises NotemillError."""
    there = list(names)
    positions = []
    for wanted in [*cohort.id_columns, cohort.text_column]:
        found = [position for position, name in enumerate(there) if name == wanted]
        if len(found) != 1:
            how = "is not in the result of" if not found else "is twice in the result of"
            raise NotemillError(
                f"column '{wanted}' {how} the query of cohort '{cohort_name}', which gives: "
                f"{', '.join(there)}",
                where=f"cohorts.{cohort_name}",
                remedy="correct id_columns or text_column, or name the column in the query "
                "with AS; upper and lower case count",
            )
        positions += found
    return positions


class IdReader:
    """Reads id values, finding each column's kind in its first value and holding it to that."""

    def __init__(
        self, names: Sequence[str], positions: list[int], description: Any, cohort: str
    ) -> None:
        self._names = names
        self._positions = positions
        self._description = description
        self._cohort = cohort
        self._columns: list[IdColumn] = []
        self._types: list[type] = []

    @property
    def columns(self) -> list[IdColumn]:
        """The columns with their kinds; a live list, empty before the first row."""
        return self._columns

    def read(self, rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """The values of each id column on these rows, of which there is one at least."""
        read = [
            self._decoded(name, [row[position] for row in rows])
            for name, position in zip(self._names, self._positions, strict=True)
        ]
        if not self._columns:
            for name, position, values in zip(self._names, self._positions, read, strict=True):
                self._columns.append(self._column(name, position, values[0]))
            self._types = [type(values[0]) for values in read]
        for column, values, kind in zip(self._columns, read, self._types, strict=True):
            if set(map(type, values)) != {kind} or not _all_fit(values, column):
                for value in values:
                    if type(value) is not kind or not _fits(value, column):
                        self._refuse(column.name, value, kind)
        return [_alike(values, c) for values, c in zip(read, self._columns, strict=True)]

    def _decoded(self, name: str, values: list[Any]) -> list[Any]:
        try:
            return [
                value.decode("utf-8") if type(value) is UndecodedText else value for value in values
            ]
        except UnicodeDecodeError:
            raise NotemillError(
                f"id column '{name}' of cohort '{self._cohort}' holds text that is not UTF-8",
                where=f"cohorts.{self._cohort}.id_columns",
                remedy="cast it in the query to a blob or to hexadecimal digits",
            ) from None

    def _column(self, name: str, position: int, value: Any) -> IdColumn:
        length = self._description[position][3]  # of text in bytes of utf8mb4
        match value:
            case UuidText():
                return IdColumn(name=name, kind="uuid")
            case str():
                return IdColumn(
                    name=name, kind="text", length=length // BYTES_A_CHARACTER if length else None
                )
            case bytes():
                return IdColumn(name=name, kind="binary", length=length)
            case Decimal():
                exponent = value.as_tuple().exponent
                scale = -exponent if isinstance(exponent, int) else 0
                return IdColumn(name=name, kind="decimal", scale=scale)
        kinds: dict[type, IdKind] = {
            int: "integer",
            datetime.datetime: "timestamp",
            Instant: "timestamptz",
            datetime.date: "date",
        }
        if type(value) not in kinds:
            self._refuse(name, value, None)
        return IdColumn(name=name, kind=kinds[type(value)])

    def _refuse(self, name: str, value: Any, kind: type | None) -> None:
        if value is None:
            what, remedy = "is NULL on some row", "leave those rows out: WHERE ... IS NOT NULL"
        elif isinstance(value, Unfit):
            what, remedy = value.what, "cast it in the query to TEXT, or leave those rows out"
        elif kind is int and type(value) is int:
            what, remedy = "holds a number beyond 64 bits", _AS_TEXT
        elif kind is None:
            what = f"is of a kind that can't name a note ({type(value).__name__})"
            remedy = f"{_AS_TEXT}, or to an integer"
        elif kind is type(value) is Decimal:
            what = "has more digits after the point on one row than on the first, or more than 38"
            remedy = (
                "cast it in the query to DECIMAL(38, n), n being the digits after the point on the "
                "row that has most of them"
            )
        else:
            what = f"holds {kind.__name__} on one row and {type(value).__name__} on another"
            remedy = "cast it in the query to one type"
        raise NotemillError(
            f"id column '{name}' of cohort '{self._cohort}' {what}",
            where=f"cohorts.{self._cohort}.id_columns",
            remedy=remedy,
        )


def _all_fit(values: list[Any], column: IdColumn) -> bool:
    """Whether the values, which are of the column's type, fit it in a shard."""
    if column.kind == "integer":
        return min(values) in INT64 and max(values) in INT64
    return column.kind != "decimal" or all(_fits(value, column) for value in values)


def _alike(values: list[Any], column: IdColumn) -> list[Any]:
    """Decimals with as many digits after the point as the column has: 1.5 and 1.50 are one id."""
    if column.kind != "decimal":
        return values
    unit = Decimal(1).scaleb(-(column.scale or 0))
    return [value.quantize(unit, context=_EXACTLY) for value in values]


def _fits(value: Any, column: IdColumn) -> bool:
    """Whether the value fits the column's type in a shard."""
    if isinstance(value, int):
        return value in INT64
    if isinstance(value, Decimal):
        _, digits, exponent = value.as_tuple()
        scale = column.scale or 0
        return isinstance(exponent, int) and 0 <= scale + exponent <= _DIGITS - len(digits)
    return True
