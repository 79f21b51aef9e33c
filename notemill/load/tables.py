"""The tables that load writes: results, failures, experiments, and its own staging table."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from notemill.answers.columns import AnswerColumn
from notemill.database.keys import LONGEST_IN_ROW, POSTGRESQL, IdColumn, check_key_length
from notemill.errors import NotemillError
from notemill.load.table_columns import (
    answer_columns,
    ending_columns,
    experiment_columns,
    further_columns,
    gated_columns,
    name_column,
    origin_columns,
    whose_columns,
)

_POSTGRESQL_NAME = 63
"""Characters of a name; what is behind them is cut without an error."""
_COLLATIONS = ("utf8mb4_0900_bin", "utf8mb4_nopad_bin", "utf8mb4_bin")
"""Exact comparison of ids, the first that the server knows: 'a', 'A' and 'a ' are three notes."""

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
            *answer_columns(answers),
            *whose_columns(),
            *origin_columns(),
            *further_columns([*evidence, *gate]),
            sa.PrimaryKeyConstraint(*self.key),
            **_MYSQL,
        )
        self.failures = sa.Table(
            failures,
            metadata,
            *self._id_columns(),
            *ending_columns(),
            *whose_columns(),
            *origin_columns(),
            *further_columns(gate),
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
            *ending_columns(),
            *answer_columns(answers),
            *further_columns([*evidence, *gate]),
            *origin_columns(),
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


def _experiments_table(name: str, *, gated: bool) -> sa.Table:
    return sa.Table(
        name,
        sa.MetaData(),
        name_column("experiment"),
        name_column("cohort"),
        *experiment_columns(),
        *(gated_columns() if gated else []),
        sa.PrimaryKeyConstraint("experiment", "cohort"),
        **_MYSQL,
    )


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
