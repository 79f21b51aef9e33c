"""Result shards into the database: staged, then one transaction that ends in a reconciliation."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import DBAPIError

import notemill
from notemill.answer_columns import AnswerColumn, answer_columns
from notemill.answer_shard import ShardOrigin, read_answers, read_origin
from notemill.answers import Status
from notemill.config import Database, Experiment
from notemill.database.connect import connect
from notemill.database.refusals import DEADLOCK, database_errors, error_number
from notemill.errors import NotemillError
from notemill.load.report import LoadReport
from notemill.load.tables import Tables
from notemill.logs import log
from notemill.notes.manifest import Manifest
from notemill.progress import Progress
from notemill.tasks import Task

_ROWS_A_BATCH = 2000
_LOCK_WAIT_S = 3600
_TRIES = 3


@dataclass(frozen=True)
class Load:
    """What is loaded: one experiment's result shards over one cohort.

    experiment_id: NAME-FINGERPRINT; shards: result shards in the manifest's order.
    """

    experiment_name: str
    experiment_id: str
    experiment: Experiment
    experiments_table: str
    task: Task
    manifest: Manifest
    shards: list[Path]


def load(database: Database, work: Load) -> LoadReport:
    """Load everything and prove it by a count. Repeating it leaves the same rows.

    Raises NotemillError when shards do not belong together, when the database refuses something,
    or when notes = answered + failed + blank does not hold; then nothing was changed.
    """
    started = time.monotonic()
    origins = _checked_origins(work)
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


def _checked_origins(work: Load) -> list[ShardOrigin]:
    """Origins of all shards, after making sure that they are of this experiment and cohort."""
    origins = []
    for path, entry in zip(work.shards, work.manifest.shards, strict=True):
        origin = read_origin(path)
        if (origin.experiment, origin.shard) != (work.experiment_id, entry.name):
            raise NotemillError(
                f"this result shard is of {origin.experiment}, shard {origin.shard}",
                where=str(path),
                remedy="it was moved here; delete it and run again",
            )
        if origin.notes_digest != entry.digest:
            raise NotemillError(
                "this result shard answers other notes than the cohort holds",
                where=str(path),
                remedy="delete it and run again: only this shard is asked anew",
            )
        origins.append(origin)
    digests = {origin.model_digest for origin in origins}
    if len(digests) > 1:
        raise NotemillError(
            f"the shards were answered by {len(digests)} different models: "
            f"{', '.join(sorted(digest[:12] for digest in digests))}",
            where=str(work.shards[0].parent),
            remedy="delete the shards of the model that you do not want and run again",
        )
    return origins


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
                _upsert_experiment(connection, tables, work, origins, counts)
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


def _upsert_experiment(
    connection: sa.Connection,
    tables: Tables,
    work: Load,
    origins: list[ShardOrigin],
    counts: Counter[str],
) -> None:
    """What made these rows, for the methods section."""
    staging, manifest, task = tables.staging, work.manifest, work.task
    asked = staging.c.attempts > 0
    first, last = connection.execute(
        sa.select(sa.func.min(staging.c.answered_at), sa.func.max(staging.c.answered_at)).where(
            asked
        )
    ).one()
    engines = connection.execute(sa.select(staging.c.engine).where(asked).distinct()).scalars()
    blank = counts[Status.EMPTY_NOTE.value]
    answered = counts[Status.ANSWERED.value]
    row = {
        "experiment": work.experiment_id,
        "cohort": manifest.cohort,
        "name": work.experiment_name,
        "task": task.name,
        "model": work.experiment.model,
        "model_digest": origins[0].model_digest,
        "weights_sha256": origins[0].weights_sha256,
        "engines": ", ".join(sorted(engines)),
        "system_prompt": task.system_prompt,
        "user_prompt": task.user_prompt,
        "schema_source": task.schema_source,
        "json_schema": json.dumps(task.json_schema),
        "options": json.dumps(
            work.experiment.options.model_dump() | {"attempts": work.experiment.attempts}
        ),
        "cohort_query": manifest.query,
        "extracted_at": _plain_utc(datetime.fromisoformat(manifest.extracted_at)),
        "first_answer_at": first,
        "last_answer_at": last,
        "notes": manifest.counts.notes,
        "texts": manifest.counts.texts,
        "answered": answered,
        "failed": counts.total() - answered - blank,
        "blank": blank,
        "job_seconds": sum(origin.seconds for origin in origins),
        "tokens": sum(origin.tokens for origin in origins),
        "loaded_at": _plain_utc(datetime.now(UTC)).replace(microsecond=0),
        "notemill": notemill.__version__,
    }
    table = tables.experiments
    connection.execute(
        sa.delete(table).where(
            table.c.experiment == work.experiment_id, table.c.cohort == manifest.cohort
        )
    )
    connection.execute(sa.insert(table), row)


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


def _plain_utc(time_with_zone: datetime) -> datetime:
    """MySQL's DATETIME has no zone; all times are UTC (docs/data-model.md)."""
    return time_with_zone.astimezone(UTC).replace(tzinfo=None)
