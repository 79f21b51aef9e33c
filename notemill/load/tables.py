"""The tables that load writes: results, failures, experiments, and its own staging table."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from notemill.answer_columns import AnswerColumn
from notemill.errors import NotemillError
from notemill.notes.manifest import IdColumn

EXPERIMENT_LENGTH = 64
_LONGEST_IN_ROW = 255
_KEY_BYTES = 3072
"""InnoDB's longest key."""
_COLLATIONS = ("utf8mb4_0900_bin", "utf8mb4_nopad_bin", "utf8mb4_bin")
"""Exact comparison of ids, the first that the server knows: 'a', 'A' and 'a ' are three notes."""

_long_text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
_time = sa.DateTime().with_variant(mysql.DATETIME(fsp=0), "mysql", "mariadb")
_MYSQL: Any = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


class Tables:
    """The tables of one experiment, as SQLAlchemy knows them."""

    def __init__(
        self,
        connection: sa.Connection,
        ids: list[IdColumn],
        answers: list[AnswerColumn],
        *,
        results: str,
        failures: str,
        experiments: str,
    ) -> None:
        self._ids = ids
        self._collation = _exact_collation(connection)
        self.id_names = [column.name for column in ids]
        check_key_length(ids)
        metadata = sa.MetaData()
        self.results = sa.Table(
            results,
            metadata,
            *self._id_columns(),
            *(_answer_column(column) for column in answers),
            sa.Column("query_meta", sa.String(255), nullable=False),
            self._experiment(),
            *_origin_columns(),
            sa.PrimaryKeyConstraint(*self.id_names, "experiment"),
            **_MYSQL,
        )
        self.failures = sa.Table(
            failures,
            metadata,
            *self._id_columns(),
            sa.Column("status", sa.String(32), nullable=False),
            sa.Column("detail", _long_text),
            sa.Column("query_meta", sa.String(255), nullable=False),
            self._experiment(),
            *_origin_columns(),
            sa.PrimaryKeyConstraint(*self.id_names, "experiment"),
            **_MYSQL,
        )
        self.experiments = sa.Table(
            experiments,
            metadata,
            self._experiment(),
            sa.Column("cohort", sa.String(64), nullable=False),
            *_experiment_columns(),
            sa.PrimaryKeyConstraint("experiment", "cohort"),
            **_MYSQL,
        )
        self.staging = sa.Table(
            "notemill_staging",
            sa.MetaData(),
            *self._id_columns(),
            sa.Column("status", sa.String(32), nullable=False),
            sa.Column("detail", _long_text),
            *(_answer_column(column) for column in answers),
            *_origin_columns(),
            sa.PrimaryKeyConstraint(*self.id_names),
            prefixes=["TEMPORARY"],
            **_MYSQL,
        )

    def create(self, connection: sa.Connection) -> None:
        """Create what is missing; raise NotemillError for a table of another shape."""
        inspector = sa.inspect(connection)
        for table in (self.results, self.failures, self.experiments):
            if inspector.has_table(table.name):
                _check_shape(inspector, table)
            else:
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
        connection.commit()

    def same_note(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """Condition: the table's row is of the note of the staging table's row."""
        return sa.and_(*(table.c[name] == self.staging.c[name] for name in self.id_names))

    def _id_columns(self) -> list[sa.Column[Any]]:
        return [
            sa.Column(column.name, self._id_type(column), nullable=False, autoincrement=False)
            for column in self._ids
        ]

    def _id_type(self, column: IdColumn) -> sa.types.TypeEngine[Any]:
        length = column.length or _LONGEST_IN_ROW
        match column.kind:
            case "integer":
                return sa.BigInteger()
            case "text":
                return sa.String(length, collation=self._collation)
            case "binary":
                return sa.LargeBinary().with_variant(mysql.VARBINARY(length), "mysql", "mariadb")
            case "decimal":
                return sa.Numeric(38, column.scale or 0)
            case "date":
                return sa.Date()
            case "timestamp":
                return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

    def _experiment(self) -> sa.Column[str]:
        kind = sa.String(EXPERIMENT_LENGTH).with_variant(
            mysql.VARCHAR(EXPERIMENT_LENGTH, charset="ascii", collation="ascii_bin"),
            "mysql",
            "mariadb",
        )
        return sa.Column("experiment", kind, nullable=False)


def _origin_columns() -> list[sa.Column[Any]]:
    """How a row came to be; the same in results, failures and staging."""
    return [
        sa.Column("cohort", sa.String(64), nullable=False),
        sa.Column("text_sha256", sa.String(64), nullable=False),
        sa.Column("engine", sa.String(255)),
        sa.Column("attempts", sa.Integer),
        sa.Column("changes", sa.String(1024)),
        sa.Column("prompt_tokens", sa.Integer),
        sa.Column("answer_tokens", sa.Integer),
        sa.Column("control_tokens", sa.Integer),
        sa.Column("seconds", sa.Double()),
        sa.Column("answered_at", _time),
    ]


def _experiment_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("model_digest", sa.String(64), nullable=False),
        sa.Column("weights_sha256", sa.String(64), nullable=False),
        sa.Column("engines", sa.String(255), nullable=False),
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
        sa.Column("loaded_at", _time, nullable=False),
        sa.Column("notemill", sa.String(32), nullable=False),
    ]


def _answer_column(column: AnswerColumn) -> sa.Column[Any]:
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "integer": sa.BigInteger(),
        "number": sa.Double(),
        "boolean": sa.Boolean(),
        "json": _long_text,
        "text": _long_text,
    }
    if column.kind == "text" and column.longest is not None and column.longest <= _LONGEST_IN_ROW:
        return sa.Column(column.column, sa.String(_LONGEST_IN_ROW))
    return sa.Column(column.column, types[column.kind])


def _exact_collation(connection: sa.Connection) -> str | None:
    if connection.dialect.name == "sqlite":
        return None  # SQLite compares bytes
    known = set(
        connection.exec_driver_sql(
            "SELECT COLLATION_NAME FROM information_schema.COLLATIONS "
            "WHERE CHARACTER_SET_NAME = 'utf8mb4'"
        ).scalars()
    )
    # MariaDB 10.10 and later list some collations without their character set's name.
    names = known | {f"utf8mb4_{name}" for name in known}
    return next(name for name in _COLLATIONS if name in names or name == _COLLATIONS[-1])


def check_key_length(ids: list[IdColumn]) -> None:
    """Raise NotemillError when MySQL could not make a key of the id columns."""
    lengths = {"text": 4, "binary": 1}
    total = EXPERIMENT_LENGTH + sum(
        (column.length or _LONGEST_IN_ROW) * lengths[column.kind] if column.kind in lengths else 20
        for column in ids
    )
    if total > _KEY_BYTES:
        raise NotemillError(
            f"the id columns are too long for a key: {total} of {_KEY_BYTES} bytes",
            where=", ".join(column.name for column in ids),
            remedy="cast them to what they need in the cohort's query: CAST(x AS CHAR(64)) AS x",
        )


def _check_shape(inspector: sa.Inspector, table: sa.Table) -> None:
    there = {column["name"].lower() for column in inspector.get_columns(table.name)}
    missing = [column.name for column in table.columns if column.name.lower() not in there]
    if missing:
        raise NotemillError(
            f"table {table.name} exists without the columns {', '.join(missing)}",
            where=table.name,
            remedy="it was made by another program, or for a task with other fields: choose "
            "another name in the configuration, or rename the old table",
        )
    wanted = {column.name.lower() for column in table.primary_key.columns}
    keys: list[Any] = [inspector.get_pk_constraint(table.name)["constrained_columns"]]
    keys += [key["column_names"] for key in inspector.get_unique_constraints(table.name)]
    keys += [key["column_names"] for key in inspector.get_indexes(table.name) if key["unique"]]
    if not any({str(name).lower() for name in key} == wanted for key in keys):
        raise NotemillError(
            f"table {table.name} has no unique key over {', '.join(sorted(wanted))}, so a note "
            "could be in it twice",
            where=table.name,
            remedy=f"CREATE UNIQUE INDEX {table.name}_one_row_a_note ON {table.name} "
            f"({', '.join(column.name for column in table.primary_key.columns)})",
        )
