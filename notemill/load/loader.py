"""Result shards into the database: staged, then one transaction that ends in a reconciliation."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import DBAPIError

from notemill.answer_columns import AnswerColumn, answer_columns
from notemill.answer_shard import ShardOrigin, read_answers
from notemill.answers import Status
from notemill.config import Database
from notemill.database.connect import connect
from notemill.database.refusals import DEADLOCK, database_errors, error_number
from notemill.errors import NotemillError
from notemill.load.experiment import write_experiment
from notemill.load.report import LoadReport
from notemill.load.tables import Tables
from notemill.load.work import Load, checked_origins
from notemill.logs import log
from notemill.progress import Progress

_ROWS_A_BATCH = 2000
_LOCK_WAIT_S = 3600
_TRIES = 3


def load(database: Database, work: Load) -> LoadReport:
    """Load everything and prove it by a count. Repeating it leaves the same rows.

    Raises NotemillError when shards do not belong together, when the database refuses something,
    or when notes = answered + failed + blank does not hold; then nothing was changed.
    """
    started = time.monotonic()
    origins = checked_origins(work)
    ids = work.manifest.id_columns
    columns = answer_columns(work.task, work.experiment.answer_prefix, ids)
    engine = connect(database)
    try:
        with database_errors(database, f"loading '{work.experiment_name}'"):
            with engine.connect() as connection:
                connection = connection.execution_options(notemill_write=True)
                tables = _tables(connection, work, columns)
                _stage(connection, tables, work, columns)
                with _one_load_at_a_time(connection, tables.results.name):
                    counts = _write(connection, tables, work, origins, columns)
    finally:
        engine.dispose()
    report = _report(work, origins, counts, time.monotonic() - started)
    log.info(
        "reconciled: %d notes = %d answered + %d failed + %d blank",
        report.notes,
        report.answered,
        report.failed,
        report.blank,
    )
    return report


def _tables(connection: sa.Connection, work: Load, columns: list[AnswerColumn]) -> Tables:
    tables = Tables(
        connection,
        work.manifest.id_columns,
        columns,
        results=work.experiment.results_table,
        failures=work.experiment.failures,
        experiments=work.experiments_table,
    )
    tables.create(connection)
    return tables


def _stage(
    connection: sa.Connection, tables: Tables, work: Load, columns: list[AnswerColumn]
) -> None:
    """Bring every note's row into a table that only this connection sees."""
    connection.execute(sa.schema.CreateTable(tables.staging))
    connection.commit()
    progress = Progress("notes staged", total=work.manifest.counts.notes)
    names = [column.name for column in tables.staging.columns]
    for path in work.shards:
        for rows in read_answers(path, _ROWS_A_BATCH):
            for row in rows:
                row["cohort"] = work.manifest.cohort
                row["answered_at"] = row["answered_at"].replace(tzinfo=None)
            connection.execute(
                sa.insert(tables.staging), [{name: row[name] for name in names} for row in rows]
            )
            progress.add(len(rows))
    connection.commit()
    log.info(progress.line())


@contextmanager
def _one_load_at_a_time(connection: sa.Connection, table: str) -> Iterator[None]:
    """Loads into one table wait for each other; without it they would still be right, but might
    end in deadlocks. SQLite locks the whole file by itself."""
    if connection.dialect.name == "sqlite":
        yield
        return
    name = "notemill:" + hashlib.sha256(table.encode()).hexdigest()[:40]
    got = connection.execute(sa.select(sa.func.GET_LOCK(name, _LOCK_WAIT_S))).scalar()
    connection.commit()
    if got != 1:
        raise NotemillError(
            f"another load has been writing {table} for {_LOCK_WAIT_S // 60} minutes",
            where=table,
            remedy="see what it does (SHOW PROCESSLIST) and run again",
        )
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(sa.select(sa.func.RELEASE_LOCK(name)))
        connection.commit()


def _write(
    connection: sa.Connection,
    tables: Tables,
    work: Load,
    origins: list[ShardOrigin],
    columns: list[AnswerColumn],
) -> Counter[str]:
    """The one transaction; tried again when the database chose it as a deadlock's victim."""
    for number in range(_TRIES):
        try:
            with connection.begin():
                _make_alike(connection, tables, work, columns)
                counts = _reconcile(connection, tables, work)
                write_experiment(connection, tables, work, origins, counts)
            return counts
        except DBAPIError as error:
            if error_number(error) not in DEADLOCK or number == _TRIES - 1:
                raise
            log.warning("deadlock with another transaction; trying again")
    raise AssertionError("unreachable")


def _make_alike(
    connection: sa.Connection, tables: Tables, work: Load, columns: list[AnswerColumn]
) -> None:
    """Make results and failures hold this experiment's notes exactly as they are staged."""
    answered = tables.staging.c.status == Status.ANSWERED.value
    constants = {
        "experiment": sa.literal(work.experiment_id),
        "query_meta": sa.literal(work.experiment_name),
    }
    for table, mine in ((tables.results, answered), (tables.failures, ~answered)):
        # A note may have moved between the tables since the last load.
        gone = sa.select(sa.literal(1)).where(tables.same_note(table), ~mine).correlate(table)
        connection.execute(
            sa.delete(table).where(table.c.experiment == work.experiment_id, sa.exists(gone))
        )
        names = [column.name for column in table.columns]
        source = sa.select(
            *(constants[n].label(n) if n in constants else tables.staging.c[n] for n in names)
        ).where(mine)
        values = {
            name: constants.get(name, tables.staging.c[name] if name not in constants else None)
            for name in names
            if name not in table.primary_key.columns
        }
        connection.execute(_upsert(connection, table, names, source, values))


def _upsert(
    connection: sa.Connection,
    table: sa.Table,
    names: list[str],
    source: sa.Select[Any],
    values: dict[str, Any],
) -> sa.Insert:
    if connection.dialect.name == "sqlite":
        lite = sqlite.insert(table).from_select(names, source)
        return lite.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: lite.excluded[name] for name in values},
        )
    return mysql.insert(table).from_select(names, source).on_duplicate_key_update(values)


def _reconcile(connection: sa.Connection, tables: Tables, work: Load) -> Counter[str]:
    """Count this cohort's notes in the database by how they ended. Raises if one is missing."""

    def ours(table: sa.Table) -> sa.ColumnElement[bool]:
        return sa.and_(tables.same_note(table), table.c.experiment == work.experiment_id)

    answered = sa.select(sa.func.count()).select_from(
        tables.staging.join(tables.results, ours(tables.results))
    )
    how = tables.failures.c.status
    failed = (
        sa.select(how, sa.func.count())
        .select_from(tables.staging.join(tables.failures, ours(tables.failures)))
        .group_by(how)
    )
    counts = Counter({Status.ANSWERED.value: connection.execute(answered).scalar_one()})
    counts.update(dict(connection.execute(failed).tuples().all()))
    if counts.total() != work.manifest.counts.notes:
        raise NotemillError(
            f"the count does not come out: {work.manifest.counts.notes} notes in the cohort, "
            f"{counts.total()} in the database ({dict(counts)}); nothing was changed",
            where=f"{tables.results.name}, {tables.failures.name}",
            remedy="does a trigger or another program change these tables? Load into fresh ones "
            "(results_table) and compare",
        )
    return counts


def _report(
    work: Load, origins: list[ShardOrigin], counts: Counter[str], seconds: float
) -> LoadReport:
    blank = counts.pop(Status.EMPTY_NOTE.value, 0)
    answered = counts.pop(Status.ANSWERED.value, 0)
    return LoadReport(
        cohort=work.manifest.cohort,
        experiment=work.experiment_id,
        results_table=work.experiment.results_table,
        failures_table=work.experiment.failures,
        rows=work.manifest.counts.rows,
        notes=work.manifest.counts.notes,
        texts=work.manifest.counts.texts,
        answered=answered,
        failed=counts.total(),
        failed_by_status=dict(counts),
        blank=blank,
        asked=sum(origin.asked for origin in origins),
        job_seconds=round(sum(origin.seconds for origin in origins), 1),
        tokens=sum(origin.tokens for origin in origins),
        load_seconds=round(seconds, 1),
    )
