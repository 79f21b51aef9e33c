"""A load's tables, made or checked before any GPU, and a rehearsal that is taken back."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from pydantic import Field

import notemill
from notemill.answers.shard import ShardOrigin
from notemill.answers.verdict import Status
from notemill.config import Database
from notemill.database.connect import server_name
from notemill.database.keys import NAME_LENGTH
from notemill.database.waiting import when_there
from notemill.files import Record
from notemill.load.loader import (
    create_staging,
    one_load_at_a_time,
    open_tables,
    write_and_prove,
)
from notemill.load.rows import Rows, schema_of
from notemill.load.tables import Tables
from notemill.load.work import Load
from notemill.logs import log

_LONGEST_NAME = NAME_LENGTH - len("-0123456789ab")
"""Of an experiment whose fingerprint comes after it."""
_TIME = datetime.datetime(2000, 2, 29, 23, 59, 59)
_TEXT = "aA é\u0301🩺'\"\\ "
_LONG_TEXT = _TEXT + "x" * 70_000
"""Longer than MySQL's TEXT."""


_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN :names",
    "mysql": "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS "
    "WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE IN :names",
    "postgresql": "SELECT t.tgname FROM pg_catalog.pg_trigger t "
    "JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal "
    "AND pg_catalog.pg_table_is_visible(c.oid) AND c.relname IN :names",
}


class TablesReport(Record):
    """Which tables were made or found to keep everything, and by which server; and which files may
    be written. Tables and server are None where the answers go to files alone."""

    cohort: str
    experiment: str
    results_table: str | None
    failures_table: str | None
    experiments_table: str | None
    server: str | None
    values_compared: int
    outputs: list[str] = Field(default_factory=list)


def prepare_tables(database: Database, work: Load) -> TablesReport:
    """Make or check the tables; then load four made-up notes, prove them, and take all back.

    So a right that is missing, a trigger or a type that changes a value shows before the first
    GPU minute. Raises NotemillError for what would stop the load.
    """
    doing = f"preparing the tables of '{work.run.name}'"

    def prepare() -> tuple[str, int]:
        with open_tables(database, work, doing) as (connection, tables):
            server = server_name(connection)
            connection.rollback()
            _name_triggers(connection, tables)
            return server, _rehearse(connection, tables, work)

    server, values = when_there(database, doing, prepare)
    return TablesReport(
        cohort=work.manifest.cohort,
        experiment=work.run.experiment_id,
        results_table=work.run.experiment.results,
        failures_table=work.run.experiment.failures,
        experiments_table=work.experiments_table,
        server=server,
        values_compared=values,
    )


def _rehearse(connection: sa.Connection, tables: Tables, work: Load) -> int:
    """Load made-up notes as the real ones will be, and take them back."""
    schema, values = schema_of(work, tables), _made_up(tables)
    batch = pa.RecordBatch.from_pydict(values, schema=schema)
    # Rows that are there already would not be written over.
    other = pa.RecordBatch.from_pydict(values | {"prompt_tokens": [0] * 4}, schema=schema)
    counts = work.manifest.counts.model_copy(update={"notes": batch.num_rows})
    made_up = replace(
        work,
        run=replace(work.run, name=f"rehearsal of {work.run.name}"[:_LONGEST_NAME]),
        manifest=work.manifest.model_copy(update={"counts": counts}),
    )

    with (
        Rows(tables, [batch]) as rows,
        Rows(tables, [other]) as changed,
        one_load_at_a_time(connection, tables.results.name),
    ):
        way = create_staging(connection, tables)
        with connection.begin() as transaction:
            for each in (rows, changed):  # into no rows of theirs, and over those that are there
                _, proof = write_and_prove(connection, tables, made_up, [_origin(work)], each, way)
            transaction.rollback()
    log.info(
        "the tables keep what a load writes: %d values of %d made-up notes read back and equal, "
        "and taken back",
        proof.values,
        batch.num_rows,
    )
    return proof.values


def _made_up(tables: Tables) -> dict[str, list[Any]]:
    """Columns of four notes, two answered and two not, with values that strain each column.

    Two, because a key of the user's own may take the second row of a table for the first.
    """
    columns: dict[str, list[Any]] = {}
    for column in tables.staging.columns:
        key = column.name in tables.id_names
        columns[column.name] = [_value(column, number, key=key) for number in range(4)]
    return columns | {"status": [Status.ANSWERED.value, Status.SCHEMA.value] * 2}


def _value(column: sa.Column[Any], number: int, *, key: bool) -> Any:
    """A value of the column's type; ids of the notes differ by as little as can be."""
    if column.info.get("kind") == "json":
        return f'{{"b": [null, 1.0, -0.0], "a": "{_LONG_TEXT[:4]}"}}'
    match column.type:
        case sa.Boolean():
            return True
        case sa.Integer():
            bits = 63 if isinstance(column.type, sa.BigInteger) else 31
            return 2**bits - 1 - number
        case sa.Double():
            return 1.7976931348623157e308
        case sa.Numeric():
            return Decimal(f"{10**37 - number}e-{column.type.scale or 0}")
        case sa.DateTime():
            return _TIME + datetime.timedelta(microseconds=number if key else 0)
        case sa.Date():
            return _TIME.date() + datetime.timedelta(days=number)
        case sa.LargeBinary():
            return bytes([number])
        case sa.Uuid():
            return f"00000000-0000-4000-8000-00000000000{number}"
        case sa.Text() if not key:
            return _LONG_TEXT
        case sa.String():
            return ("aAbB"[number] if key else _TEXT)[: column.type.length]
    raise AssertionError(f"a type of column that has no made-up value: {column.type!r}")


def _origin(work: Load) -> ShardOrigin:
    """What says how made-up answers were made."""
    digest = "0" * 64
    return ShardOrigin(
        cohort=work.manifest.cohort,
        shard="0000",
        experiment=work.run.experiment_id,
        notes_digest=digest,
        model_digest=digest,
        weights_sha256=digest,
        notemill=notemill.__version__,
        notes=4,
        texts=4,
        failed=2,
        asked=4,
        tokens=0,
        seconds=0.0,
        jobs=1,
    )


def _name_triggers(connection: sa.Connection, tables: Tables) -> None:
    """Triggers may do as they like as long as the proof holds; who reads the log knows of them."""
    names = [table.name for table in tables.lasting]
    query = sa.text(_TRIGGERS[connection.dialect.name])
    there = query.bindparams(sa.bindparam("names", names, expanding=True))
    if found := connection.execute(there).scalars().all():
        log.warning("triggers on the tables: %s; the load compares what they leave", list(found))
    connection.rollback()
