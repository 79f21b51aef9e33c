"""Whether a row of the results table fits into InnoDB, which tells so only when it makes the table.

Two limits: 65,535 bytes a row as declared, and half a page (8,126 bytes) where each long column
counts as what stays in the page. MySQL counts more there than MariaDB; the stricter one holds.
"""

from __future__ import annotations

from collections.abc import Iterable

from notemill.answer_columns import AnswerColumn

_ROW = 65_535
_HALF_PAGE = 8_126
_OWN_IN_ROW = 6_746
"""Bytes of notemill's own columns: engine, changes, query_meta and the like, as declared."""
_OWN_IN_PAGE = 360
_MOST_COLUMNS = 1_000
"""InnoDB allows 1,017, notemill's own among them."""
_DECLARED = {"text": 12, "json": 12, "integer": 9, "number": 9, "boolean": 2}
_VARCHAR = 4 * 255 + 2
_IN_PAGE = {"text": 41, "json": 41, "integer": 8, "number": 8, "boolean": 1}


def too_wide(columns: Iterable[AnswerColumn]) -> str | None:
    """Why MySQL or MariaDB would not make a table with these columns; None where they would.

    Id columns count nothing here: their lengths are known once the notes are read.
    """
    columns = list(columns)
    declared = sum(_VARCHAR if column.in_row else _DECLARED[column.kind] for column in columns)
    in_page = sum(_IN_PAGE[column.kind] for column in columns)
    if declared + _OWN_IN_ROW > _ROW:
        wide = sum(column.in_row for column in columns)
        return (
            f"{wide} of its {len(columns)} fields are texts of up to 255 characters, 1,022 bytes "
            f"each: {declared + _OWN_IN_ROW} bytes a row, a table takes {_ROW}"
        )
    if in_page + _OWN_IN_PAGE > _HALF_PAGE or len(columns) > _MOST_COLUMNS:
        return f"it has {len(columns)} fields, more than a table of MySQL or MariaDB takes"
    return None
