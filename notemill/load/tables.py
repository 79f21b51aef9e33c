"""The tables that load writes: results, failures, experiments, and its own staging table."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from notemill.answers.columns import AnswerColumn
from notemill.answers.outcome import OUTCOME_COLUMNS
from notemill.database.keys import (
    BYTES_A_CHARACTER,
    LONGEST_IN_ROW,
    NAME_LENGTH,
    POSTGRESQL,
    WHOSE,
    IdColumn,
    check_key_length,
)
from notemill.errors import NotemillError

_POSTGRESQL_NAME = 63
"""Characters of a name; what is behind them is cut without an error."""
_ROW_BYTES = 65535 - 12288
"""MySQL's longest row, off-page columns apart, less what is not an answer's."""
_COLLATIONS = ("utf8mb4_0900_bin", "utf8mb4_nopad_bin", "utf8mb4_bin")
"""Exact comparison of ids, the first that the server knows: 'a', 'A' and 'a ' are three notes."""

_long_text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
_time = sa.DateTime().with_variant(mysql.DATETIME(fsp=0), "mysql", "mariadb")
_MYSQL: Any = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_row_format": "DYNAMIC",
}


class Tables:
    """The tables of one experiment, as SQLAlchemy knows them.

    collation: how text ids are compared, as `exact_collation` gives it.
    """

    def __init__(
        self,
        ids: list[IdColumn],
        answers: list[AnswerColumn],
        evidence: list[AnswerColumn],
        gate: list[AnswerColumn],
        *,
        dialect: str,
        collation: str | None,
        results: str,
        failures: str,
        experiments: str,
    ) -> None:
        check_names(results, failures, experiments)
        self.dialect = dialect
        if dialect == POSTGRESQL:
            columns = [column.column for column in answers]
            _check_lengths([results, failures, experiments, *columns])
        check_key_length(ids, dialect)
        self._ids = ids
        self._collation = collation
        self.id_names = [column.name for column in ids]
        self.key = [*self.id_names, "experiment", "cohort"]
        metadata = sa.MetaData()
        self.results = sa.Table(
            results,
            metadata,
            *self._id_columns(),
            *_answer_columns(answers),
            *_whose_columns(),
            *_origin_columns(),
            *_further_columns([*evidence, *gate]),
            sa.PrimaryKeyConstraint(*self.key),
            **_MYSQL,
        )
        self.failures = sa.Table(
            failures,
            metadata,
            *self._id_columns(),
            *_ending_columns(),
            *_whose_columns(),
            *_origin_columns(),
            *_further_columns(gate),
            sa.PrimaryKeyConstraint(*self.key),
            **_MYSQL,
        )
        # One table for all: made with the gate's columns, which only a gate needs to be there.
        self._new_experiments = _experiments_table(experiments, gated=True)
        self.experiments = _experiments_table(experiments, gated=bool(gate))
        self.staging = sa.Table(
            "notemill_staging",
            sa.MetaData(),
            *self._id_columns(),
            *_ending_columns(),
            *_answer_columns(answers),
            *_further_columns([*evidence, *gate]),
            *_origin_columns(),
            sa.PrimaryKeyConstraint(*self.id_names),
            prefixes=["TEMPORARY"],
            **_MYSQL,
        )

    def create(self, connection: sa.Connection) -> list[str]:
        """Create what is missing and give its names; what exists is the caller's to check."""
        inspector = sa.inspect(connection)
        missing = [table for table in self.lasting if not inspector.has_table(table.name)]
        for table in missing:
            new = self._new_experiments if table is self.experiments else table
            connection.execute(sa.schema.CreateTable(new, if_not_exists=True))
        connection.commit()
        return [table.name for table in missing]

    @property
    def lasting(self) -> tuple[sa.Table, sa.Table, sa.Table]:
        """The tables that stay: results, failures, experiments."""
        return self.results, self.failures, self.experiments

    def same_note(self, table: sa.FromClause) -> sa.ColumnElement[bool]:
        """Condition: the table's row is of the note of the staging table's row."""
        return sa.and_(*(table.c[name] == self.staging.c[name] for name in self.id_names))

    def _id_columns(self) -> list[sa.Column[Any]]:
        return [
            sa.Column(column.name, self._id_type(column), nullable=False, autoincrement=False)
            for column in self._ids
        ]

    def _id_type(self, column: IdColumn) -> sa.types.TypeEngine[Any]:
        length = column.length or LONGEST_IN_ROW
        match column.kind:
            case "integer":
                return sa.BigInteger()
            case "text" if self.dialect == POSTGRESQL and not column.length:
                return sa.Text(collation=self._collation)
            case "text":
                return sa.String(length, collation=self._collation)
            case "uuid":
                return sa.Uuid(as_uuid=False)
            case "binary":
                return sa.LargeBinary().with_variant(mysql.VARBINARY(length), "mysql", "mariadb")
            case "decimal":
                return sa.Numeric(38, column.scale or 0)
            case "date":
                return sa.Date()
            case "timestamp":
                return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
            case "timestamptz":
                return sa.DateTime(timezone=True)


def name_column(name: str) -> sa.Column[str]:
    """A name of the configuration's, or an experiment's id, compared exactly: 'CT' and 'ct' are
    two."""
    kind = sa.String(NAME_LENGTH).with_variant(
        mysql.VARCHAR(NAME_LENGTH, charset="ascii", collation="ascii_bin"),
        "mysql",
        "mariadb",
    )
    return sa.Column(name, kind, nullable=False)


def _whose_columns() -> list[sa.Column[Any]]:
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


def _ending_columns() -> list[sa.Column[Any]]:
    """How a note ended."""
    return _outcome_columns(of_failures=True)


def _origin_columns() -> list[sa.Column[Any]]:
    """How a row came to be, as in the result shard; the same in results, failures and staging."""
    text = sa.Column("text_sha256", sa.String(64), nullable=False)
    return [text, *_outcome_columns(of_failures=False)]


def _outcome_columns(*, of_failures: bool) -> list[sa.Column[Any]]:
    return [
        sa.Column(column.name, _OUTCOME_TYPES[column.kind], nullable=column.name != "status")
        for column in OUTCOME_COLUMNS
        if column.of_failures == of_failures
    ]


def _experiments_table(name: str, *, gated: bool) -> sa.Table:
    return sa.Table(
        name,
        sa.MetaData(),
        name_column("experiment"),
        name_column("cohort"),
        *_experiment_columns(),
        *(_gated_columns() if gated else []),
        sa.PrimaryKeyConstraint("experiment", "cohort"),
        **_MYSQL,
    )


def _experiment_columns() -> list[sa.Column[Any]]:
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


def _answer_columns(answers: list[AnswerColumn]) -> list[sa.Column[Any]]:
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


def _further_columns(columns: list[AnswerColumn]) -> list[sa.Column[Any]]:
    """Of evidence and gate: NULL may stand in them, so that a table of before may be given them."""
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "integer": sa.BigInteger(),
        "number": sa.Double(),
    }
    return [
        sa.Column(column.column, types.get(column.kind) or sa.String(column.longest))
        for column in columns
    ]


def _gated_columns() -> list[sa.Column[Any]]:
    """NULL for experiments whose task has no gate."""
    return [sa.Column("not_relevant", sa.BigInteger), sa.Column("gate", _long_text)]


def exact_collation(connection: sa.Connection) -> str | None:
    """The collation by which the server compares text ids exactly; None where any does."""
    if connection.dialect.name == "sqlite":
        return None  # SQLite compares bytes
    if connection.dialect.name == POSTGRESQL:
        return "C"  # others compare exactly too, but order in another way than bytes
    known = set(
        connection.exec_driver_sql(
            "SELECT COLLATION_NAME FROM information_schema.COLLATIONS "
            "WHERE CHARACTER_SET_NAME = 'utf8mb4'"
        ).scalars()
    )
    # MariaDB 10.10 and later list some collations without their character set's name.
    names = known | {f"utf8mb4_{name}" for name in known}
    return next(name for name in _COLLATIONS if name in names or name == _COLLATIONS[-1])


def _check_lengths(names: list[str]) -> None:
    if long := [name for name in names if len(name) > _POSTGRESQL_NAME]:
        raise NotemillError(
            f"PostgreSQL cuts names of over {_POSTGRESQL_NAME} characters: {', '.join(long)}",
            where="results_table, failures_table, experiments_table, or the answer's fields",
            remedy="take shorter names (or a shorter answer_prefix)",
        )


def check_names(results: str, failures: str, experiments: str) -> None:
    """Raise NotemillError when two of an experiment's tables would be one."""
    names = [results.lower(), failures.lower(), experiments.lower()]
    if len(set(names)) < len(names):
        raise NotemillError(
            f"results, failures and experiments need three tables: {', '.join(names)}",
            where="results_table, failures_table, experiments_table",
            remedy="give each another name",
        )
