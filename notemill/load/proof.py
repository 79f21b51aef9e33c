"""The proof of a load: what a SELECT gives back is what the result shards hold, value by value.

Both come in the order of the ids and are compared here, not by the database, which takes 'a' and
'A', 1 and 1.0 or 7 and '007' as equal where its types and collations say so. A server's rows are
first compared as bytes, which say types and values (notemill.load.wire): the same bytes are the
same values. Where they are not the same, or it can't be said, every value of the table is read
once more, through the driver, and compared by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pymysql
import sqlalchemy as sa

from notemill.answers.columns import EVIDENCE_GRADE, GATE_RULE, GATE_SENT
from notemill.answers.grades import Grade
from notemill.answers.verdict import Status
from notemill.database.copying import HEADER, TRAILER, copied
from notemill.database.driver import driver_errors, driver_of
from notemill.database.keys import POSTGRESQL
from notemill.database.packets import UNSUPPORTED, stream_of
from notemill.errors import NotemillError
from notemill.load.copy_wire import copy_select, encoded_copy
from notemill.load.rows import Rows
from notemill.load.tables import Tables
from notemill.load.values import as_stored, differing, is_sqlite
from notemill.load.wire import NotEncodable, encoded
from notemill.progress import Progress
from notemill.tasks.gate import DID

_NO_STATEMENTS = {1047, UNSUPPORTED, 1461}
"""Errors of servers and proxies that prepare no statement, or none any more."""


@dataclass
class Proof:
    """What was compared. counts: rows by status; values: compared ones, ids included.

    evidence: answered rows by grade, all grades named; None where there are none. gate: rows of
    each rule by what it did; None without a gate.
    """

    counts: Counter[str] = field(default_factory=Counter)
    values: int = 0
    evidence: dict[str, int] | None = None
    gate: dict[str, dict[str, int]] | None = None


class Prover:
    """Compares the rows of one experiment and cohort with the shards that they came from.

    whose: the values of query_meta, experiment and cohort, the same on every row.
    """

    def __init__(self, connection: sa.Connection, tables: Tables, whose: dict[str, str]) -> None:
        self._connection = connection
        self._tables = tables
        self._whose = whose
        self._dialect = connection.dialect.name
        self._lite = is_sqlite(connection)
        self._proof = Proof()
        self._lost: Counter[str] = Counter()
        self._differing: Counter[tuple[str, str]] = Counter()

    def prove(self, rows: Rows, notes: int) -> Proof:
        """Compare everything. Raises NotemillError for a row too many or too few, or a value.

        notes: how many the cohort has.
        """
        self._count()
        counts = self._proof.counts
        if counts.total() != notes:
            self._refuse(
                f"the count does not come out: {notes} notes in the cohort, {counts.total()} in "
                f"the database ({dict(counts)})"
            )
        progress = Progress("rows read back", total=notes)
        for table in self._both():
            if self._lite or not self._same(table, rows, progress):
                self._compare_values(table, rows)
            self._proof.values += rows.count(table.name) * len(table.columns)
        self._refuse_differences()
        return self._proof

    def already(self, rows: Rows, notes: int) -> Proof | None:
        """The proof, if the rows that are there are the very ones; None at the first other one."""
        self._count()
        if self._proof.counts.total() != notes:
            return None
        progress = Progress("rows compared", total=notes)
        for table in self._both():
            if not self._lite and not self._same(table, rows, progress):
                return None
            if self._lite:
                self._compare_values(table, rows, all_of_them=False)
                if self._differing or self._lost.total():
                    return None
            self._proof.values += rows.count(table.name) * len(table.columns)
        return self._proof

    def _both(self) -> tuple[sa.Table, sa.Table]:
        return self._tables.results, self._tables.failures

    def _count(self) -> None:
        """Every row of this experiment and cohort counts, whichever note it is of."""
        results, failures = self._tables.results, self._tables.failures
        answered = sa.select(sa.func.count()).select_from(results).where(self._ours(results))
        counts = self._proof.counts
        counts[Status.ANSWERED.value] = self._connection.execute(answered).scalar_one()
        if EVIDENCE_GRADE in results.c:
            grades = self._grouped(results, EVIDENCE_GRADE)
            self._proof.evidence = {grade.value: grades.get(grade.value, 0) for grade in Grade}
        if GATE_RULE in results.c:
            self._proof.gate = self._by_rule()
        # A status that means nothing here is some trigger's or program's, and so not quoted.
        known = {status.value for status in Status}
        for status, count in self._grouped(failures, "status").items():
            counts[status if status in known else "unknown"] += count

    def _grouped(self, table: sa.Table, column: str) -> dict[str, int]:
        """How many of our rows have each value of a column."""
        of = table.c[column]
        select = sa.select(of, sa.func.count()).where(self._ours(table)).group_by(of)
        return dict(self._connection.execute(select).tuples().all())

    def _by_rule(self) -> dict[str, dict[str, int]]:
        """How many of our rows each rule of the gate has settled, cut and let through whole."""
        found: dict[str, Counter[str]] = {}
        for table in self._both():
            rule, sent = table.c[GATE_RULE], table.c[GATE_SENT]
            did = sa.case((sent <= 0, DID[0]), (sent < 1, DID[1]), else_=DID[2])
            counted = sa.select(rule, did, sa.func.count())
            ours = counted.where(self._ours(table), rule.is_not(None)).group_by(rule, did)
            for name, what, count in self._connection.execute(ours).tuples():
                found.setdefault(name, Counter())[what] += count
        return {name: {what: found[name][what] for what in DID} for name in sorted(found)}

    def _ours(self, table: sa.FromClause) -> sa.ColumnElement[bool]:
        return sa.and_(*(table.c[name] == self._whose[name] for name in ("experiment", "cohort")))

    def _same(self, table: sa.Table, rows: Rows, progress: Progress) -> bool:
        """Whether each row comes as the very bytes that its values have."""
        if self._dialect == POSTGRESQL:
            return self._same_copy(table, rows, progress)
        return self._same_bytes(table, rows, progress)

    def _same_copy(self, table: sa.Table, rows: Rows, progress: Progress) -> bool:
        """The same of PostgreSQL, by COPY in its binary format."""
        driver = driver_of(self._connection)
        names = [column.name for column in table.columns]
        try:
            with driver_errors(self._connection):
                select, oids = copy_select(driver, table, self._tables.id_names, self._whose)
                with copied(driver, select) as found:
                    same = found.begins_with(HEADER)
                    for batch in rows.of(table.name):
                        if not same:
                            return False
                        same = found.begins_with(encoded_copy(self._columns(batch, names), oids))
                        progress.add(batch.num_rows)
                    return same and found.begins_with(TRAILER) and found.ended()
        except NotEncodable:
            return False

    def _same_bytes(self, table: sa.Table, rows: Rows, progress: Progress) -> bool:
        """The same of MySQL, in the binary protocol."""
        driver = driver_of(self._connection)
        quote = self._connection.dialect.identifier_preparer.quote
        names = [column.name for column in table.columns]
        ours = [
            f"{quote(name)} = {driver.escape(self._whose[name])}"
            for name in ("experiment", "cohort")
        ]
        select = (
            f"SELECT {', '.join(map(quote, names))} FROM {quote(table.name)} "
            f"WHERE {' AND '.join(ours)} ORDER BY {', '.join(map(quote, self._tables.id_names))}"
        )
        try:
            with (
                driver_errors(self._connection, _NO_STATEMENTS),
                stream_of(driver, select) as stream,
            ):
                for batch in rows.of(table.name):
                    wanted = encoded(self._columns(batch, names), stream.fields)
                    if stream.rows(len(wanted)) != wanted:
                        return False
                    progress.add(len(wanted))
                return not stream.rows(1)
        except (NotEncodable, pymysql.err.Error):  # of the latter, those of _NO_STATEMENTS
            return False

    def _columns(self, batch: pa.RecordBatch, names: list[str]) -> list[pa.Array]:
        """The batch with the columns that are the same in each row."""
        return [
            pa.repeat(self._whose[name], batch.num_rows)
            if name in self._whose
            else batch.column(name)
            for name in names
        ]

    def _compare_values(self, table: sa.Table, rows: Rows, *, all_of_them: bool = True) -> None:
        """Each row, as the driver gives it, has these values; or up to the first that has not."""
        names = [column.name for column in table.columns]
        # Untyped, so that nothing between the driver and the comparison converts a value.
        raw = sa.table(table.name, *(sa.column(name) for name in names))
        select = sa.select(*raw.columns).where(self._ours(raw))
        ids = [raw.c[name] for name in self._tables.id_names]
        found = self._connection.execute(
            select.order_by(*ids), execution_options={"stream_results": True}
        )
        pairs = _Pairs(len(ids))
        for batch in rows.of(table.name):
            columns = [
                as_stored(column.to_pylist(), self._dialect)
                for column in self._columns(batch, names)
            ]
            wanted = list(zip(*columns, strict=True))
            self._compare(table, *pairs.add(wanted, found.fetchmany(len(wanted))))
            if not all_of_them and (self._differing or pairs.alone()):
                found.close()
                break
        else:
            self._compare(table, *pairs.add([], found.fetchall()))
        self._lost[table.name] += pairs.alone()

    def _compare(
        self, table: sa.Table, wanted: Sequence[Sequence[Any]], got: Sequence[Sequence[Any]]
    ) -> None:
        """Rows that belong together, column by column."""
        columns = zip(zip(*wanted, strict=True), zip(*got, strict=True), strict=True)
        for column, (one, other) in zip(table.columns, columns, strict=bool(wanted)):
            if count := differing(one, other, as_json=column.info.get("kind") == "json"):
                self._differing[table.name, column.name] += count

    def _refuse_differences(self) -> None:
        told = [
            f"{count} rows are not once in {table}" for table, count in self._lost.items() if count
        ]
        told += [
            f"{table}.{column} differs in {count} rows"
            for (table, column), count in self._differing.items()
        ]
        if told:
            self._refuse(
                f"the database gives back other values than it was given: {'; '.join(told)}"
            )

    def _refuse(self, what: str) -> None:
        raise NotemillError(
            f"{what}; nothing was changed",
            where=f"{self._tables.results.name}, {self._tables.failures.name}",
            remedy="does a trigger, a unique key of your own or another program change these "
            "tables? Load into fresh ones (results_table) and compare",
        )


_Rows = Sequence[Sequence[Any]]


class _Pairs:
    """Brings rows that were written and read back together by their ids, whatever their order.

    ids: the first columns of a row, as many.
    """

    def __init__(self, ids: int) -> None:
        self._ids = ids
        self._wanted: dict[tuple[Any, ...], Sequence[Any]] = {}
        self._got: dict[tuple[Any, ...], Sequence[Any]] = {}

    def add(self, wanted: _Rows, got: _Rows) -> tuple[_Rows, _Rows]:
        """The next rows of either; gives those that belong together now."""
        in_step = not self._wanted and not self._got and len(wanted) == len(got)
        if in_step and all(self._key(w) == self._key(g) for w, g in zip(wanted, got, strict=True)):
            return wanted, got
        self._wanted.update((self._key(row), row) for row in wanted)
        self._got.update((self._key(row), row) for row in got)
        both = [key for key in self._wanted if key in self._got]
        return [self._wanted.pop(key) for key in both], [self._got.pop(key) for key in both]

    def alone(self) -> int:
        """Rows that have no other."""
        return max(len(self._wanted), len(self._got))

    def _key(self, row: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(row[: self._ids])
