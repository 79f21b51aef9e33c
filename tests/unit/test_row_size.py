"""notemill.row_size: on words alone; on the real MariaDB in tests/servers."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from notemill.answer_columns import AnswerColumn, Kind
from notemill.load.tables import Tables
from notemill.notes.manifest import IdColumn
from notemill.row_size import _OWN_IN_ROW, too_wide


def fields(kind: Kind, count: int, longest: int | None = None) -> list[AnswerColumn]:
    return [AnswerColumn(f"{kind}{n}", f"llm_{kind}{n}", kind, longest) for n in range(count)]


def test_57_wide_texts_fit_and_58_do_not() -> None:
    assert too_wide(fields("text", 57, 80)) is None
    assert "58 of its 58 fields are texts of up to 255" in str(too_wide(fields("text", 58, 80)))


def test_long_texts_and_numbers_are_limited_by_the_page() -> None:
    assert too_wide(fields("text", 180)) is None
    assert "has 200 fields" in str(too_wide(fields("text", 200)))
    assert too_wide(fields("integer", 900)) is None
    assert too_wide(fields("boolean", 1001)) is not None


def test_notemills_own_columns_are_counted_as_they_are() -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        tables = Tables(
            connection,
            [IdColumn(name="visit", kind="integer")],
            [],
            results="r",
            failures="f",
            experiments="e",
        )
    dialect = mysql.dialect()  # type: ignore[no-untyped-call]
    total = 0
    for column in tables.results.columns:
        kind = column.type.dialect_impl(dialect)
        if isinstance(kind, sa.String):
            width = 1 if getattr(kind, "charset", None) == "ascii" else 4
            total += (kind.length or 0) * width + 2
        elif column.name != "visit":
            total += 8
    assert abs(total - _OWN_IN_ROW) < 40
