"""The proof of a load: what a SELECT gives back is what the result shards hold, value by value.

The rows are read back in the order of the shards, a batch at a time, through the number that each
has in the staging table. The values are compared here and not by the database, which takes 'a' and
'A', 1 and 1.0 or 7 and '007' as equal where its types and collations say so.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from notemill.answers.columns import EVIDENCE_GRADE, GATE_RULE, GATE_SENT
from notemill.answers.grades import Grade
from notemill.answers.verdict import Status
from notemill.database.keys import SEQUENCE
from notemill.errors import NotemillError
from notemill.load.rows import Batch, Batches
from notemill.load.tables import Tables
from notemill.progress import Progress
from notemill.tasks.gate import DID

_TIME_IN_SQLITE = "%Y-%m-%d %H:%M:%S.%f"
"""How SQLAlchemy writes a time."""


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
        self._lite = is_sqlite(connection)
        self._readers = {
            table.name: _Reader(connection, tables, table, whose)
            for table in (tables.results, tables.failures)
        }
        self._proof = Proof()
        self._lost: Counter[str] = Counter()
        self._differing: Counter[tuple[str, str]] = Counter()

    def prove(self, batches: Batches, notes: int) -> Proof:
        """Compare everything. Raises NotemillError for a row too many or too few, or a value.

        notes: how many the cohort has.
        """
        self._count(notes)
        progress = Progress("rows read back", total=notes)
        for batch in batches():
            self._compare(batch)
            progress.add(len(batch))
        self._refuse_differences()
        return self._proof

    def _count(self, notes: int) -> None:
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
        if counts.total() != notes:
            self._refuse(
                f"the count does not come out: {notes} notes in the cohort, {counts.total()} in "
                f"the database ({dict(counts)})"
            )

    def _grouped(self, table: sa.Table, column: str) -> dict[str, int]:
        """How many of our rows have each value of a column."""
        of = table.c[column]
        select = sa.select(of, sa.func.count()).where(self._ours(table)).group_by(of)
        return dict(self._connection.execute(select).tuples().all())

    def _by_rule(self) -> dict[str, dict[str, int]]:
        """How many of our rows each rule of the gate has settled, cut and let through whole."""
        found: dict[str, Counter[str]] = {}
        for table in (self._tables.results, self._tables.failures):
            rule, sent = table.c[GATE_RULE], table.c[GATE_SENT]
            did = sa.case((sent <= 0, DID[0]), (sent < 1, DID[1]), else_=DID[2])
            counted = sa.select(rule, did, sa.func.count())
            ours = counted.where(self._ours(table), rule.is_not(None)).group_by(rule, did)
            for name, what, count in self._connection.execute(ours).tuples():
                found.setdefault(name, Counter())[what] += count
        return {name: {what: found[name][what] for what in DID} for name in sorted(found)}

    def _ours(self, table: sa.Table) -> sa.ColumnElement[bool]:
        return sa.and_(*(table.c[name] == self._whose[name] for name in ("experiment", "cohort")))

    def _compare(self, batch: Batch) -> None:
        """Each row of the batch is once in the table that its status says, with these values."""
        answered = Status.ANSWERED.value
        rows: dict[bool, list[int]] = {True: [], False: []}
        for number, status in enumerate(batch.columns["status"]):
            rows[status == answered].append(number)
        for is_answered, table in ((True, self._tables.results), (False, self._tables.failures)):
            if rows[is_answered]:
                self._compare_with(table, batch, rows[is_answered])

    def _compare_with(self, table: sa.Table, batch: Batch, rows: list[int]) -> None:
        reader = self._readers[table.name]
        found = reader.read(batch.first, batch.first + len(batch))
        numbers = [row[0] - batch.first for row in found]
        if numbers != rows:
            self._lost[table.name] += len(set(rows) ^ set(numbers)) or 1
            return
        for name, got in zip(reader.names, list(zip(*found, strict=True))[1:], strict=True):
            if name in self._whose:
                wanted = [self._whose[name]] * len(rows)
            else:
                column = batch.columns[name]
                whole = len(rows) == len(column)
                wanted = as_stored(column if whole else [column[row] for row in rows], self._lite)
            as_json = table.columns[name].info.get("kind") == "json"
            if count := differing(wanted, got, as_json=as_json):
                self._differing[table.name, name] += count
            self._proof.values += len(rows)

    def _refuse_differences(self) -> None:
        told = [f"{count} rows are not once in {table}" for table, count in self._lost.items()]
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


class _Reader:
    """Reads a table's rows by their numbers in the staging table, as the driver gives them."""

    def __init__(
        self, connection: sa.Connection, tables: Tables, table: sa.Table, whose: dict[str, str]
    ) -> None:
        self._connection = connection
        self.names = [column.name for column in table.columns]
        # Untyped, so that nothing between the driver and the comparison converts a value.
        raw = sa.table(table.name, *(sa.column(name) for name in self.names))
        number = tables.staging.c[SEQUENCE]
        ours = [raw.c[name] == sa.bindparam(name, whose[name]) for name in ("experiment", "cohort")]
        self._select = (
            sa.select(number, *raw.columns)
            .select_from(tables.staging.join(raw, sa.and_(tables.same_note(raw), *ours)))
            .where(number >= sa.bindparam("first"), number < sa.bindparam("end"))
            .order_by(number)
            .prefix_with("STRAIGHT_JOIN", dialect="mysql")
        )

    def read(self, first: int, end: int) -> Sequence[sa.Row[Any]]:
        """Rows with these numbers: the number, then the table's columns."""
        return self._connection.execute(self._select, {"first": first, "end": end}).all()


def given_back_otherwise(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[dict[str, Any]],
    key: Sequence[str],
    order: str | None = None,
) -> list[str]:
    """Columns in which a SELECT gives back other values than these rows, all of one table.

    key: columns in which all of them are alike, and no other row of the table; order: the column
    by which they come in this order. "its number of rows" where there are more or fewer.
    """
    names = list(rows[0])
    # Untyped, so that nothing between the driver and the comparison converts a value.
    raw = sa.table(table.name, *(sa.column(name) for name in names))
    select = sa.select(*raw.columns).where(*(raw.c[name] == rows[0][name] for name in key))
    found = connection.execute(select.order_by(raw.c[order]) if order else select).all()
    if len(found) != len(rows):
        return ["its number of rows"]
    lite = is_sqlite(connection)
    return [
        name
        for name, got in zip(names, zip(*found, strict=True), strict=True)
        if differing(as_stored([row[name] for row in rows], lite), got)
    ]


def is_sqlite(connection: sa.Connection) -> bool:
    """Whether the database is SQLite, which has no type for a time."""
    return connection.dialect.name == "sqlite"


def as_stored(values: list[Any], lite: bool) -> list[Any]:
    """The values of a column as the driver gives them back."""
    kinds = set(map(type, values))
    if bool in kinds:
        return [value if value is None else int(value) for value in values]
    if lite and datetime in kinds:
        return [value and value.strftime(_TIME_IN_SQLITE) for value in values]
    return values


def differing(wanted: Sequence[Any], got: Sequence[Any], *, as_json: bool = False) -> int:
    """How many of the values differ: by type, code point and bit, JSON as it parses."""
    if _same(wanted, got):
        return 0
    pairs = zip(wanted, got, strict=True)
    return sum(
        not _same([one], [other]) and not (as_json and _same_json(one, other))
        for one, other in pairs
    )


def _same(wanted: Sequence[Any], got: Sequence[Any]) -> bool:
    kinds = list(map(type, wanted))
    if list(wanted) != list(got) or kinds != list(map(type, got)):
        return False
    # Equal, and so null in the same places; the sign of a zero is all that can differ.
    return float not in kinds or _bits(wanted) == _bits(got)


def _bits(values: Sequence[Any]) -> bytes:
    return array("d", [value for value in values if type(value) is float]).tobytes()


def _same_json(wanted: Any, got: Any) -> bool:
    """Whether both parse to the same; a JSON type orders keys and sets blanks in its own way."""
    try:
        one, other = (json.dumps(json.loads(text), sort_keys=True) for text in (wanted, got))
    except (TypeError, ValueError):
        return False
    return one == other
