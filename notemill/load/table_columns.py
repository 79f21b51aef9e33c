"""The columns of the tables that load writes, beside a note's ids."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from notemill.answers.columns import AnswerColumn
from notemill.answers.outcome import OUTCOME_COLUMNS
from notemill.database.keys import BYTES_A_CHARACTER, LONGEST_IN_ROW, NAME_LENGTH, WHOSE

_ROW_BYTES = 65535 - 12288
"""MySQL's longest row, off-page columns apart, less what is not an answer's."""

_long_text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
_time = sa.DateTime().with_variant(mysql.DATETIME(fsp=0), "mysql", "mariadb")


def name_column(name: str) -> sa.Column[str]:
    """A name of the configuration's, or an experiment's id, compared exactly: 'CT' and 'ct' are
    two."""
    kind = sa.String(NAME_LENGTH).with_variant(
        mysql.VARCHAR(NAME_LENGTH, charset="ascii", collation="ascii_bin"),
        "mysql",
        "mariadb",
    )
    return sa.Column(name, kind, nullable=False)


def whose_columns() -> list[sa.Column[Any]]:
    """Which experiment's and cohort's row it is: the same on every row of a load."""
    name, experiment, cohort = WHOSE
    return [
        sa.Column(name, sa.String(255), nullable=False),
        name_column(experiment),
        name_column(cohort),
    ]


_OUTCOME_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "word": sa.String(32),
    "line": sa.String(1024),
    "text": _long_text,
    "count": sa.Integer(),
    "seconds": sa.Double(),
    "time": _time,
}


def ending_columns() -> list[sa.Column[Any]]:
    """How a note ended."""
    return _outcome_columns(of_failures=True)


def origin_columns() -> list[sa.Column[Any]]:
    """How a row came to be, as in the result shard; the same in results, failures and staging."""
    text = sa.Column("text_sha256", sa.String(64), nullable=False)
    return [text, *_outcome_columns(of_failures=False)]


def _outcome_columns(*, of_failures: bool) -> list[sa.Column[Any]]:
    return [
        sa.Column(column.name, _OUTCOME_TYPES[column.kind], nullable=column.name != "status")
        for column in OUTCOME_COLUMNS
        if column.of_failures == of_failures
    ]


def experiment_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("model_digest", sa.String(64), nullable=False),
        sa.Column("weights_sha256", sa.String(64), nullable=False),
        sa.Column("engines", _long_text, nullable=False),
        sa.Column("system_prompt", _long_text, nullable=False),
        sa.Column("user_prompt", _long_text, nullable=False),
        sa.Column("schema_source", _long_text, nullable=False),
        sa.Column("json_schema", _long_text, nullable=False),
        sa.Column("options", _long_text, nullable=False),
        sa.Column("cohort_query", _long_text, nullable=False),
        sa.Column("extracted_at", _time, nullable=False),
        sa.Column("first_answer_at", _time),
        sa.Column("last_answer_at", _time),
        sa.Column("notes", sa.BigInteger, nullable=False),
        sa.Column("texts", sa.BigInteger, nullable=False),
        sa.Column("answered", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("blank", sa.BigInteger, nullable=False),
        sa.Column("job_seconds", sa.Double(), nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("evidence", _long_text),
        sa.Column("loaded_at", _time, nullable=False),
        sa.Column("notemill", sa.String(32), nullable=False),
    ]


def answer_columns(answers: list[AnswerColumn]) -> list[sa.Column[Any]]:
    """Short texts in the row while all of them fit, else beside it."""
    short = sum(column.in_row for column in answers)
    fits = short * (LONGEST_IN_ROW * BYTES_A_CHARACTER + 2) <= _ROW_BYTES
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "integer": sa.BigInteger(),
        "number": sa.Double(),
        "boolean": sa.Boolean(),
        "json": _long_text,
        "text": _long_text,
    }
    return [
        sa.Column(
            column.column,
            sa.String(LONGEST_IN_ROW) if fits and column.in_row else types[column.kind],
            info={"kind": column.kind},
        )
        for column in answers
    ]


def further_columns(columns: list[AnswerColumn]) -> list[sa.Column[Any]]:
    """Of evidence and gate: NULL may stand in them, so that a table of before may be given them."""
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "integer": sa.BigInteger(),
        "number": sa.Double(),
    }
    return [
        sa.Column(column.column, types.get(column.kind) or sa.String(column.longest))
        for column in columns
    ]


def gated_columns() -> list[sa.Column[Any]]:
    """NULL for experiments whose task has no gate."""
    return [sa.Column("not_relevant", sa.BigInteger), sa.Column("gate", _long_text)]
