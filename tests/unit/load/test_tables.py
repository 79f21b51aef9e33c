"""notemill.load.tables on SQLite and, as words alone, on MySQL."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from notemill.answers.columns import OWN_COLUMNS, AnswerColumn
from notemill.answers.shard import OUTCOME_FIELDS
from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.load.tables import Tables

ANSWERS = [
    AnswerColumn("a", "llm_a", "text", 80),
    AnswerColumn("b", "llm_b", "text", None),
    AnswerColumn("c", "llm_c", "text", 300),
    AnswerColumn("d", "llm_d", "integer", None),
    AnswerColumn("e", "llm_e", "number", None),
    AnswerColumn("f", "llm_f", "boolean", None),
    AnswerColumn("g", "llm_g", "json", None),
]


def tables(*ids: IdColumn) -> Tables:
    return Tables(
        list(ids),
        ANSWERS,
        [],
        [],
        dialect="mysql",
        collation=None,
        results="r",
        failures="f",
        experiments="e",
    )


VISIT = IdColumn(name="visit", kind="integer")


def test_no_column_of_the_tables_is_open_to_ids_or_answers() -> None:
    made = tables(VISIT)
    for table in (made.results, made.failures, made.staging):
        own = {column.name for column in table.columns if not column.name.startswith("llm_")}
        assert own - {"visit"} <= OWN_COLUMNS


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (VISIT, "BIGINT NOT NULL"),
        (IdColumn(name="visit", kind="text", length=20), "VARCHAR(20) NOT NULL"),
        (IdColumn(name="visit", kind="text"), "VARCHAR(255) NOT NULL"),
        (IdColumn(name="visit", kind="binary", length=16), "VARBINARY(16) NOT NULL"),
        (IdColumn(name="visit", kind="decimal", scale=2), "NUMERIC(38, 2) NOT NULL"),
        (IdColumn(name="visit", kind="date"), "DATE NOT NULL"),
        (IdColumn(name="visit", kind="timestamp"), "DATETIME(6) NOT NULL"),
    ],
)
def test_ids_keep_their_type(column: IdColumn, kind: str) -> None:
    assert f"visit {kind}" in in_mysql(tables(column).results)


def test_answers_have_the_type_that_holds_them() -> None:
    words = in_mysql(tables(VISIT).results)
    for column in (
        "llm_a VARCHAR(255)",
        "llm_b MEDIUMTEXT",
        "llm_c MEDIUMTEXT",
        "llm_d BIGINT",
        "llm_e DOUBLE",
        "llm_f BOOL",
        "llm_g MEDIUMTEXT",
        "PRIMARY KEY (visit, experiment, cohort)",
        "cohort VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL",
        "experiment VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL",
    ):
        assert column in words


def in_mysql(table: sa.Table) -> str:
    dialect: Any = mysql.dialect()  # type: ignore[no-untyped-call]
    return str(sa.schema.CreateTable(table).compile(dialect=dialect)).replace("\n\t", " ")


def test_no_engines_name_is_too_long() -> None:
    assert "engine MEDIUMTEXT" in in_mysql(tables(VISIT).results)
    assert "engine MEDIUMTEXT" in in_mysql(tables(VISIT).failures)
    assert "engines MEDIUMTEXT NOT NULL" in in_mysql(tables(VISIT).experiments)


def test_the_tables_hold_every_column_of_a_result_shard() -> None:
    made = tables(VISIT)
    outcome = {field.name for field in OUTCOME_FIELDS}
    assert outcome <= set(made.staging.columns.keys())
    assert outcome - {"status", "detail"} <= set(made.results.columns.keys())
    assert outcome <= set(made.failures.columns.keys())


def test_ids_too_long_for_a_key_are_refused_with_the_remedy() -> None:
    long = [IdColumn(name=name, kind="text", length=400) for name in ("one", "two")]
    with pytest.raises(NotemillError, match="3328 of 3072 bytes") as refused:
        tables(*long)
    assert refused.value.where == "one, two"
    assert "CAST" in refused.value.remedy
    tables(long[0])
