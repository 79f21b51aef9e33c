"""Result shards into the database: staged, then one transaction that ends in the proof."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from notemill.answers.columns import answer_columns, evidence_columns, gate_columns
from notemill.answers.shard import ShardOrigin
from notemill.answers.verdict import Status
from notemill.config import Database
from notemill.database.connect import connect
from notemill.database.keys import POSTGRESQL
from notemill.database.postgres import advisory_lock
from notemill.database.refusals import DEADLOCK, database_errors, error_code
from notemill.database.session import named_lock
from notemill.database.waiting import when_there
from notemill.errors import NotemillError
from notemill.load.alike import make_alike, ours_of
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
    doing = f"loading '{work.run.name}'"
    with ExitStack() as stack:
        loading = _Loading(database, work, origins, doing, stack)
        proof = when_there(database, doing, loading.write)
        rows = loading.rows
        assert rows is not None
    seconds = time.monotonic() - started
    report = report_of(work, origins, proof, seconds, removed=loading.removed, nul=rows.untaken)
    log.info(
        "reconciled: %d notes = %d answered + %d failed%s + %d blank; "
        "%d values read back and equal",
        *(report.notes, report.answered, report.failed),
        "" if report.gate is None else f" + {report.not_relevant} not relevant",
        *(report.blank, report.values_compared),
    )
    if report.removed:
        log.warning(
            "%d rows of this experiment and cohort were removed: the cohort has no such notes",
            report.removed,
        )
    return report


@dataclass
class _Loading:
    """A load in as many connections as it takes.

    stack: closes the rows, which are sorted once. removed: rows of no note of the cohort; of the
    tries together, because the server may have taken the COMMIT of one whose connection was lost.
    """

    database: Database
    work: Load
    origins: list[ShardOrigin]
    doing: str
    stack: ExitStack
    rows: Rows | None = None
    removed: int = 0

    def write(self) -> Proof:
        """Write and prove everything over one connection."""
        work = self.work
        with open_tables(self.database, work, self.doing) as (connection, tables):
            if self.rows is None:
                read = read_rows(work.shards, schema_of(work, tables))
                self.rows = self.stack.enter_context(Rows(tables, read))
            with one_load_at_a_time(connection, tables.results.name):
                way = create_staging(connection, tables)
                do = partial(
                    write_and_prove, connection, tables, work, self.origins, self.rows, way
                )
                return in_one_transaction(connection, lambda: self._noted(*do()))

    def _noted(self, removed: int, proof: Proof) -> Proof:
        self.removed = max(self.removed, removed)
        return proof


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
    postgres = connection.dialect.name == POSTGRESQL
    lock = advisory_lock if postgres else named_lock
    with lock(connection, f"notemill:{table}", _LOCK_WAIT_S) as had:
        if not had:
            how = "SELECT * FROM pg_stat_activity" if postgres else "SHOW PROCESSLIST"
            raise _still_locked(table, how)
        yield


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
            removed = make_alike(connection, tables, whose)
    else:
        progress = Progress("rows written", total=notes)
        for table in (tables.results, tables.failures):
            write(connection, table, whose, _counted(rows.of(table.name), progress), way)
    proof = proof or Prover(connection, tables, whose).prove(rows, notes)
    write_experiment(connection, tables, work, origins, rows.asked, proof)
    return removed, proof


def _has_rows(connection: sa.Connection, table: sa.Table, whose: dict[str, str]) -> bool:
    found = sa.select(sa.literal(1)).select_from(table).where(ours_of(table, whose)).limit(1)
    return connection.execute(found).first() is not None


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
