"""What a key can hold: id columns, and the names that stand beside them in every key."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from notemill.errors import NotemillError

NAME_LENGTH = 64
"""Of an experiment's id and of a cohort's name."""
LONGEST_IN_ROW = 255
"""Characters of a text that a table holds as VARCHAR; longer ones are MEDIUMTEXT."""
WHOSE = ("query_meta", "experiment", "cohort")
"""Columns that say whose row it is."""
BYTES_A_CHARACTER = 4
"""Of utf8mb4, at most."""
INT64 = range(-(2**63), 2**63)
"""Whole numbers that a column holds, of ids and of answers."""
POSTGRESQL = "postgresql"
"""How SQLAlchemy calls it."""
_POSTGRESQL_KEY_BYTES = 2704 - 2 * NAME_LENGTH - 64
"""Of an index row's third of a page, less the names and what is around each value."""
_KEY_BYTES = 3072
"""InnoDB's longest key."""

IdKind = Literal["integer", "text", "binary", "decimal", "date", "timestamp", "timestamptz", "uuid"]
"""timestamptz: an instant, kept as UTC without a zone; uuid: as text in lower case."""


class UuidText(str):
    """A UUID as text, told apart from text."""

    __slots__ = ()


class Instant(datetime.datetime):
    """A time of a column that knows zones, as UTC and without one; told apart from other times."""


class Unfit(NamedTuple):
    """A value that is not read, because it could name no note. what: why, behind the column's name.

    kind: the database's name of its type.
    """

    what: str
    kind: str


class IdColumn(BaseModel):
    """An id column. length: declared characters or bytes; scale: digits after the point."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: IdKind
    length: int | None = None
    scale: int | None = None


def check_key_length(ids: list[IdColumn], dialect: str) -> None:
    """Raise NotemillError when MySQL could not make a key of the id columns.

    PostgreSQL looks at the values and not at what was declared (`check_key_size`).
    """
    if dialect == POSTGRESQL:
        return
    lengths = {"text": BYTES_A_CHARACTER, "binary": 1}
    total = 2 * NAME_LENGTH + sum(
        (column.length or LONGEST_IN_ROW) * lengths[column.kind] if column.kind in lengths else 20
        for column in ids
    )
    if total > _KEY_BYTES:
        raise NotemillError(
            f"the id columns are too long for a key: {total} of {_KEY_BYTES} bytes",
            where=", ".join(column.name for column in ids),
            remedy="cast them to what they need in the cohort's query: CAST(x AS CHAR(64)) AS x",
        )


def check_key_size(ids: Sequence[Sequence[Any]], columns: list[IdColumn]) -> None:
    """Raise NotemillError when PostgreSQL could not keep these ids in a key.

    ids: the values of each column.
    """
    sized = [
        [len(value.encode()) if isinstance(value, str) else len(value) for value in values]
        for values, column in zip(ids, columns, strict=True)
        if column.kind in ("text", "binary")
    ]
    largest = max(map(sum, zip(*sized, strict=True)), default=0)
    if largest > _POSTGRESQL_KEY_BYTES:
        raise NotemillError(
            f"the ids of a row are too long for a key: {largest} of {_POSTGRESQL_KEY_BYTES} bytes",
            where=", ".join(column.name for column in columns),
            remedy="take columns that are shorter, or md5() of one in the cohort's query",
        )
