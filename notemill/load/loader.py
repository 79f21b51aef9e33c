"""Result shards into the database: staged, then one transaction that ends in the proof."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from notemill.answers.columns import answer_columns, evidence_columns, gate_columns
from notemill.answers.shard import ShardOrigin
from notemill.answers.verdict import Status
from notemill.config import Database
from notemill.database.connect import connect
from notemill.database.keys import POSTGRESQL
from notemill.database.postgres import advisory_lock
from notemill.database.refusals import DEADLOCK, database_errors, error_code
from notemill.errors import NotemillError
from notemill.load.check import check_tables
from notemill.load.experiment import write_experiment
from notemill.load.proof import Proof, Prover
from notemill.load.report import LoadReport
from notemill.load.rows import Rows, read_rows, schema_of
from notemill.load.tables import Tables, exact_collation
from notemill.load.work import Load, checked_origins
from notemill.load.writing import Way, way_into, write
from notemill.logs import log
from notemill.progress import Progress

_LOCK_WAIT_S = 3600
Done = TypeVar("Done")
_TRIES = 3


def load(database: Database, work: Load) -> LoadReport:
    """Load everything and prove it by what is read back. Repeating it leaves the same rows.

    Raises NotemillError when shards do not belong together, when a table can't keep what is
    written, when the database refuses something, when notes = answered + failed + not relevant +
    blank does not hold, or when a value that is read back is not the shard's; then nothing was
    changed.
    """
    started = time.monotonic()
    origins = checked_origins(work)
    with open_tables(database, work, f"loading '{work.run.name}'") as (connection, tables):
        with (
            Rows(tables, read_rows(work.shards, schema_of(work, tables))) as rows,
            one_load_at_a_time(connection, tables.results.name),
        ):
            way = create_staging(connection, tables)
            removed, proof = in_one_transaction(
                connection, partial(write_and_prove, connection, tables, work, origins, rows, way)
            )
    seconds = time.monotonic() - started
    report = report_of(work, origins, proof, seconds, removed=removed, nul=rows.untaken)
    log.info(
        "reconciled: %d notes = %d answered + %d failed%s + %d blank; "
        "%d values read back and equal",
        *(report.notes, report.answered, report.failed),
        "" if report.gate is None else f" + {report.not_relevant} not relevant",
        *(report.blank, report.values_compared),
    )
    if removed:
        log.warning(
            "%d rows of this experiment and cohort were removed: the cohort has no such notes",
            removed,
        )
    return report


@contextmanager
def open_tables(
    database: Database, work: Load, doing: str
) -> Iterator[tuple[sa.Connection, Tables]]:
    """A connection that writes, and the tables: created where missing, else checked."""
    ids = work.manifest.id_columns
    columns = answer_columns(work.run.task, work.run.experiment.answer_prefix, ids)
    engine = connect(database, sends_rows=True)
    try:
        with database_errors(database, doing), engine.connect() as connection:
            connection = connection.execution_options(notemill_write=True)
            tables = Tables(
                ids,
                columns,
                evidence_columns(work.run.task.evidence),
                gate_columns(work.run.task.gate),
                dialect=connection.dialect.name,
                collation=exact_collation(connection),
                results=work.run.experiment.results,
                failures=work.run.experiment.failures,
                experiments=work.experiments_table,
            )
            if created := tables.create(connection):
                log.info("created %s", ", ".join(created))
            check_tables(connection, tables.lasting)
            yield connection, tables
    finally:
        engine.dispose()


def create_staging(connection: sa.Connection, tables: Tables) -> Way:
    """A table that only this connection sees, and how rows come into tables."""
    connection.execute(sa.schema.CreateTable(tables.staging))
    connection.commit()
    way = way_into(connection, tables.staging)
    log.info("writing by %s", way.value)
    return way


@contextmanager
def one_load_at_a_time(connection: sa.Connection, table: str) -> Iterator[None]:
    """Loads into one table wait for each other; without it they would still be right, but might
    end in deadlocks. SQLite locks the whole file by itself."""
    if connection.dialect.name == "sqlite":
        yield
        return
    if connection.dialect.name == POSTGRESQL:
        with advisory_lock(connection, f"notemill:{table}", _LOCK_WAIT_S) as had:
            if not had:
                raise _still_locked(table, "SELECT * FROM pg_stat_activity")
            yield
        return
    name = "notemill:" + hashlib.sha256(table.encode()).hexdigest()[:40]
    got = connection.execute(sa.select(sa.func.GET_LOCK(name, _LOCK_WAIT_S))).scalar()
    connection.commit()
    if got != 1:
        raise _still_locked(table, "SHOW PROCESSLIST")
    try:
        yield
    finally:
        if not connection.invalidated:  # or its session is gone, and the lock with it
            connection.rollback()
            connection.execute(sa.select(sa.func.RELEASE_LOCK(name)))
            connection.commit()


def _still_locked(table: str, how: str) -> NotemillError:
    return NotemillError(
        f"another load has been writing {table} for {_LOCK_WAIT_S // 60} minutes",
        where=table,
        remedy=f"see what it does ({how}) and run again",
    )


def in_one_transaction(connection: sa.Connection, work: Callable[[], Done]) -> Done:
    """Do it in one transaction; again when the database chose it as a deadlock's victim."""
    for number in range(_TRIES):
        try:
            with connection.begin():
                return work()
        except DBAPIError as error:
            if error_code(error) not in DEADLOCK or number == _TRIES - 1:
                raise
            log.warning("deadlock with another transaction; trying again")
    raise AssertionError("unreachable")


def write_and_prove(
    connection: sa.Connection,
    tables: Tables,
    work: Load,
    origins: list[ShardOrigin],
    rows: Rows,
    way: Way,
) -> tuple[int, Proof]:
    """What the transaction does. Returns the rows removed as no notes of the cohort."""
    whose = {
        "query_meta": work.run.name,
        "experiment": work.run.experiment_id,
        "cohort": work.manifest.cohort,
    }
    notes = work.manifest.counts.notes
    removed, proof = 0, None
    if any(_has_rows(connection, table, whose) for table in (tables.results, tables.failures)):
        proof = Prover(connection, tables, whose).already(rows, notes)
        if proof:
            log.info("the tables hold these very rows already; none was written")
        else:
            _stage(connection, tables, rows, way, notes)
            removed = _make_alike(connection, tables, whose)
    else:
        progress = Progress("rows written", total=notes)
        for table in (tables.results, tables.failures):
            write(connection, table, whose, _counted(rows.of(table.name), progress), way)
    proof = proof or Prover(connection, tables, whose).prove(rows, notes)
    write_experiment(connection, tables, work, origins, rows.asked, proof)
    return removed, proof


def _has_rows(connection: sa.Connection, table: sa.Table, whose: dict[str, str]) -> bool:
    ours = sa.select(sa.literal(1)).select_from(table).where(_ours(table, whose)).limit(1)
    return connection.execute(ours).first() is not None


def _ours(table: sa.Table, whose: dict[str, str]) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == whose[name] for name in ("experiment", "cohort")))


def _stage(connection: sa.Connection, tables: Tables, rows: Rows, way: Way, notes: int) -> None:
    """Bring every note's row into the staging table."""
    connection.execute(sa.delete(tables.staging))
    progress = Progress("rows staged", total=notes)
    for table, constants in (
        (tables.results, {"status": Status.ANSWERED.value}),
        (tables.failures, {}),
    ):
        write(connection, tables.staging, constants, _counted(rows.of(table.name), progress), way)
    if connection.dialect.name == POSTGRESQL:
        # Nobody else looks at a temporary table for the planner.
        connection.exec_driver_sql(f"ANALYZE {tables.staging.name}")


def _counted(batches: Iterator[pa.RecordBatch], progress: Progress) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        progress.add(batch.num_rows)


def _make_alike(connection: sa.Connection, tables: Tables, whose: dict[str, str]) -> int:
    """Make results and failures hold this experiment's and cohort's notes exactly as staged."""
    answered = tables.staging.c.status == Status.ANSWERED.value
    constants: dict[str, sa.ColumnElement[Any]] = {
        name: sa.literal(value) for name, value in whose.items()
    }
    removed = 0
    for table, mine in ((tables.results, answered), (tables.failures, ~answered)):
        ours = _ours(table, whose)
        staged = sa.select(sa.literal(1)).where(tables.same_note(table)).correlate(table)
        gone = connection.execute(sa.delete(table).where(ours, ~sa.exists(staged)))
        removed += gone.rowcount
        # A note may have moved between the tables since the last load.
        connection.execute(sa.delete(table).where(ours, sa.exists(staged.where(~mine))))
        names = [column.name for column in table.columns]
        values = constants | {n: tables.staging.c[n] for n in names if n not in constants}
        source = sa.select(*(values[name].label(name) for name in names)).where(mine)
        changing = {name: values[name] for name in names if name not in tables.key}
        connection.execute(_upsert(connection, table, names, source, changing))
    return removed


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
    if connection.dialect.name == POSTGRESQL:
        full = postgresql.insert(table).from_select(names, source)
        new = {name: full.excluded[name] for name in values}
        return full.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_=new,
            # Bit by bit; a row that is the same already is not written again.
            where=_record(table.c[name] for name in new).op("*<>")(_record(new.values())),
        )
    return mysql.insert(table).from_select(names, source).on_duplicate_key_update(values)


def _record(columns: Iterable[sa.ColumnElement[Any]]) -> sa.ColumnElement[Any]:
    return sa.func.row(*columns).op("::")(sa.literal_column("record")).self_group()


def report_of(
    work: Load,
    origins: list[ShardOrigin],
    proof: Proof,
    seconds: float,
    *,
    removed: int = 0,
    nul: int = 0,
) -> LoadReport:
    """What a load came to. proof: of what it wrote; removed: rows of no note of the cohort; nul: as
    LoadReport has it."""
    experiment = work.run.experiment
    counts = Counter(proof.counts)
    blank = counts.pop(Status.BLANK.value, 0)
    not_relevant = counts.pop(Status.NOT_RELEVANT.value, 0)
    answered = counts.pop(Status.ANSWERED.value, 0)
    return LoadReport(
        cohort=work.manifest.cohort,
        experiment=work.run.experiment_id,
        results_table=experiment.results_table,
        failures_table=experiment.failures if experiment.results_table else None,
        rows=work.manifest.counts.rows,
        notes=work.manifest.counts.notes,
        texts=work.manifest.counts.texts,
        answered=answered,
        failed=counts.total(),
        failed_by_status=dict(counts),
        blank=blank,
        not_relevant=not_relevant,
        nul=nul,
        removed=removed,
        values_compared=proof.values,
        asked=sum(origin.asked for origin in origins),
        job_seconds=round(sum(origin.seconds for origin in origins), 1),
        tokens=sum(origin.tokens for origin in origins),
        load_seconds=round(seconds, 1),
        evidence=proof.evidence,
        gate=proof.gate,
    )
