"""A table that exists beside the one that a load needs: what differs, and what mends it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import sqlalchemy as sa


class Problem(NamedTuple):
    """What is wrong, and the clause that mends it; None where nothing should."""

    what: str
    clause: str | None


class UniqueKey(NamedTuple):
    """A unique key. columns: in lower case, '' for one that is not compared whole and exactly."""

    name: str
    columns: frozenset[str]


class Shape(ABC):
    """A table of the database beside the one that a load needs.

    of_ours: whether notemill made it, so that SQL which changes it may be offered.
    """

    def __init__(self, connection: sa.Connection, table: sa.Table) -> None:
        self.connection = connection
        self.table = table
        self.key_names = {column.name for column in table.primary_key.columns}
        self.of_ours = False

    def problems(self) -> tuple[list[Problem], bool]:
        """Everything that is wrong, and whether the key is."""
        if found := self.problems_of_the_table():
            return found, False
        there = self.columns()
        self.of_ours = {"experiment", "cohort"} <= there.keys()
        missing = [column for column in self.table.columns if column.name.lower() not in there]
        if missing:
            names = ", ".join(column.name for column in missing)
            mends = self.of_ours and not any(self._is_the_users(column) for column in missing)
            clauses = [f"ADD COLUMN {self.definition(column)}" for column in missing]
            found.append(
                Problem(f"the columns {names} are missing", ", ".join(clauses) if mends else None)
            )
        for column in self.table.columns:
            if column.name.lower() in there:
                found += filter(None, [self.problem_of(column, there[column.name.lower()])])
        known = {column.name.lower() for column in self.table.columns}
        for name in there.keys() - known:
            found += filter(None, [self.problem_of_foreign(there[name])])
        rekeyed = not self.has_key() or bool(self.wrong_keys())
        return found, rekeyed

    def has_key(self) -> bool:
        """Whether a unique key is over the ids, the experiment and the cohort."""
        wanted = {name.lower() for name in self.key_names}
        return any(key.columns == wanted for key in self.unique_keys())

    def wrong_keys(self) -> list[UniqueKey]:
        """Unique keys by which a row of this load could take the place of another."""
        wanted = {name.lower() for name in self.key_names}
        ours = {column.name.lower() for column in self.table.columns} | {""}
        return [k for k in self.unique_keys() if k.columns <= ours and not k.columns >= wanted]

    def definition(self, column: sa.Column[Any]) -> str:
        """The column as CREATE TABLE has it."""
        created = sa.schema.CreateColumn(column).compile(dialect=self.connection.dialect)
        return str(created).strip()

    def _is_the_users(self, column: sa.Column[Any]) -> bool:
        """Whether the column is an id or an answer, and not notemill's own."""
        own = column.name in ("experiment", "cohort")
        return "kind" in column.info or (column.name in self.key_names and not own)

    @abstractmethod
    def problems_of_the_table(self) -> list[Problem]:
        """What is wrong with the table as a whole."""

    @abstractmethod
    def columns(self) -> dict[str, Any]:
        """What the database tells of each column, by its name in lower case."""

    @abstractmethod
    def unique_keys(self) -> list[UniqueKey]:
        """The table's unique keys."""

    @abstractmethod
    def problem_of(self, wanted: sa.Column[Any], there: Any) -> Problem | None:
        """Why this column can't keep every value that the load writes."""

    @abstractmethod
    def problem_of_foreign(self, there: Any) -> Problem | None:
        """Why a column that is not notemill's stops a load."""

    @abstractmethod
    def mending(self, clauses: list[str], *, rekeyed: bool) -> str:
        """The SQL that mends the table and keeps its rows."""


def names_of(columns: Any) -> str:
    """Columns in brackets, as a key has them."""
    return f"({', '.join(column.name for column in columns)})"
