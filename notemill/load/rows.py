"""A load's rows: from the result shards, by table, in the order of the ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from notemill.answers.columns import answer_columns, evidence_columns, gate_columns
from notemill.answers.shard import OUTCOME_FIELDS, REMEDY, read_answers
from notemill.answers.verdict import Status
from notemill.database.keys import POSTGRESQL
from notemill.errors import NotemillError
from notemill.load.nul import without_nul
from notemill.load.sorting import Sorted
from notemill.load.tables import Tables
from notemill.load.work import Load
from notemill.logs import log
from notemill.notes.shard import id_fields

_ROWS_READ = 1024
_BATCH_ROWS = 4096
_BATCH_BYTES = 4 << 20


@dataclass
class Asked:
    """What the asked rows say together, for the experiment's row. Times: of their answers."""

    first: datetime | None = None
    last: datetime | None = None
    engines: set[str] = field(default_factory=set)

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows with the columns attempts, answered_at and engine."""
        rows = batch.filter(pc.greater(batch.column("attempts"), 0))
        if not rows.num_rows:
            return
        ends = pc.min_max(rows.column("answered_at")).as_py()
        self.first = min(filter(None, (self.first, ends["min"])))
        self.last = max(filter(None, (self.last, ends["max"])))
        self.engines.update(pc.unique(rows.column("engine")).to_pylist())


class Rows:
    """All rows of a load, those of answered notes and the others apart, in the order of the ids.

    untaken: answers among the latter, because the database can't store a NUL.
    """

    def __init__(self, tables: Tables, batches: Iterable[pa.RecordBatch]) -> None:
        """batches: with the columns of the staging table; all are taken when this is entered."""
        self.asked = Asked()
        self._tables = tables
        self._batches = batches
        self._sorted: dict[str, Sorted] = {}
        self.untaken = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:  # closed at once where something fails
            for batch in self._batches:
                self._add(_as_tables_hold_them(self._storable(batch)))
            if self.untaken:
                log.warning(
                    "%d answers hold a NUL character, which PostgreSQL can't store: their notes "
                    "are in %s, as '%s'",
                    *(self.untaken, self._tables.failures.name, Status.SCHEMA.value),
                )
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _storable(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """What the database can store: PostgreSQL takes no NUL, and such an answer is a failure."""
        if self._tables.dialect != POSTGRESQL:
            return batch
        tables = self._tables
        answers = set(tables.results.columns.keys()) - set(tables.failures.columns.keys())
        kept, untaken = without_nul(batch, tables.id_names, answers)
        self.untaken += untaken
        return kept

    def _add(self, batch: pa.RecordBatch) -> None:
        self.asked.add(batch)
        answered = pc.equal(batch.column("status"), Status.ANSWERED.value)
        for table, mine in (
            (self._tables.results, answered),
            (self._tables.failures, pc.invert(answered)),
        ):
            names = [c.name for c in table.columns if c.name in batch.schema.names]
            rows = batch.select(names).filter(mine)
            if table.name not in self._sorted:
                spool = Sorted(rows.schema, self._tables.id_names)
                self._sorted[table.name] = self._stack.enter_context(spool)
            self._sorted[table.name].add(rows)

    def count(self, table: str) -> int:
        """Rows of this table, results or failures."""
        return self._sorted[table].rows if table in self._sorted else 0

    def of(self, table: str) -> Iterator[pa.RecordBatch]:
        """Rows of this table, with its columns but those that say whose they are."""
        if not self.count(table):
            return
        for batch in self._sorted[table].batches(_BATCH_ROWS):
            rows = max(1, batch.num_rows * _BATCH_BYTES // max(batch.nbytes, 1))
            for first in range(0, batch.num_rows, rows):
                yield batch.slice(first, rows)


def schema_of(work: Load, tables: Tables) -> pa.Schema:
    """Columns of the result shards, in the order of the staging table."""
    ids, task = work.manifest.id_columns, work.run.task
    answers = answer_columns(task, work.run.experiment.answer_prefix, ids)
    beside = [*evidence_columns(task.evidence), *gate_columns(task.gate)]
    further = [column.arrow for column in [*answers, *beside]]
    fields = {field.name: field for field in [*id_fields(ids), *OUTCOME_FIELDS, *further]}
    return pa.schema([fields[column.name] for column in tables.staging.columns])


def read_rows(shards: list[Path], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows of the result shards with these columns."""
    for path in shards:
        for batch in read_answers(path, _ROWS_READ):
            if missing := set(schema.names) - set(batch.schema.names):
                raise NotemillError(
                    f"this result shard lacks the columns {', '.join(sorted(missing))}",
                    where=str(path),
                    remedy=REMEDY,
                )
            rows = batch.select(schema.names)
            if rows.schema.types != schema.types:
                raise NotemillError(
                    "this result shard's columns are not of their types",
                    where=str(path),
                    remedy=REMEDY,
                )
            yield rows


def _as_tables_hold_them(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Times without their zone, which is UTC, and no -0.0.

    Neither MariaDB nor SQLite keeps the sign of a zero; it is the same number.
    """
    columns = []
    for column in batch.columns:
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us"))
        elif pa.types.is_floating(column.type):
            column = pc.add(column, 0.0)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
