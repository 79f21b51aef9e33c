"""What a key can hold: id columns, and the names that stand beside them in every key."""

from __future__ import annotations

from typing import Literal

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
_KEY_BYTES = 3072
"""InnoDB's longest key."""

IdKind = Literal["integer", "text", "binary", "decimal", "date", "timestamp"]


class IdColumn(BaseModel):
    """An id column. length: declared characters or bytes; scale: digits after the point."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: IdKind
    length: int | None = None
    scale: int | None = None


def check_key_length(ids: list[IdColumn]) -> None:
    """Raise NotemillError when MySQL could not make a key of the id columns."""
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
