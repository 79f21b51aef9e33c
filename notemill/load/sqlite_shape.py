"""What a table of SQLite is, and whether its columns keep what a load writes as it is."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from notemill.load.shape import Problem, Shape, UniqueKey, names_of

_KEEPS = {
    "INTEGER": {"INTEGER", "NUMERIC", "BLOB"},
    "TEXT": {"TEXT", "BLOB"},
    "REAL": {"REAL", "BLOB"},
    "BLOB": {"BLOB"},
}
"""Affinities that keep a value of this one as it is."""
_AFFINITIES = (
    (("INT",), "INTEGER"),
    (("CHAR", "CLOB", "TEXT"), "TEXT"),
    (("BLOB",), "BLOB"),
    (("REAL", "FLOA", "DOUB"), "REAL"),
)
"""SQLite's rules from a type's name to an affinity, in their order."""


class SQLiteShape(Shape):
    """A table as PRAGMAs tell it."""

    def problems_of_the_table(self) -> list[Problem]:
        """A view."""
        kind = self.connection.execute(
            sa.text("SELECT type FROM sqlite_master WHERE lower(name) = lower(:name)"),
            {"name": self.table.name},
        ).scalar()
        return [Problem("it is a view", None)] if kind == "view" else []

    def columns(self) -> dict[str, Any]:
        """Columns by name in lower case."""
        rows = self._pragma("table_xinfo", self.table.name)
        return {row["name"].lower(): row for row in rows}

    def unique_keys(self) -> list[UniqueKey]:
        """All unique keys that compare exactly and cover every row."""
        keys = []
        for index in self._pragma("index_list", self.table.name):
            if index["unique"]:
                parts = [p for p in self._pragma("index_xinfo", index["name"]) if p["key"]]
                exact = not index["partial"] and all(p["coll"] == "BINARY" for p in parts)
                names = frozenset((p["name"] or "").lower() if exact else "" for p in parts)
                keys.append(UniqueKey(index["name"], names))
        rowid = [name for name, row in self.columns().items() if row["pk"]]
        if len(rowid) == 1:  # INTEGER PRIMARY KEY has no index of its own
            keys.append(UniqueKey("PRIMARY", frozenset(rowid)))
        return keys

    def problem_of(self, wanted: sa.Column[Any], there: Any) -> Problem | None:
        """Why the column can't hold every value that the load writes."""
        kind = wanted.type.compile(dialect=self.connection.dialect)
        what = None
        if _affinity(there["type"]) not in _wanted_affinities(wanted, kind):
            what = f"is {there['type']}, not {kind}"
        elif there["hidden"]:
            what = "is computed by the database"
        elif wanted.nullable and there["notnull"]:
            what = "must be empty where there is no value, and may not be"
        if what is None:
            return None
        mends = self.of_ours and (
            wanted.name not in self.key_names or wanted.name in ("experiment", "cohort")
        )
        return Problem(f"column {there['name']} {what}", "" if mends else None)

    def problem_of_foreign(self, there: Any) -> Problem | None:
        """A column of the user's own that no row may leave out."""
        if there["notnull"] and there["dflt_value"] is None and not there["hidden"]:
            return Problem(
                f"column {there['name']}, which is not notemill's, must not be empty and has no "
                "default",
                "" if self.of_ours else None,
            )
        return None

    def mending(self, clauses: list[str], *, rekeyed: bool) -> str:
        """SQLite can't change a table's key or types: the rows move into a new table."""
        name, old = self.table.name, f"{self.table.name}_before"
        if not clauses and not self.wrong_keys():
            return (
                f"CREATE UNIQUE INDEX {name}_one_row_a_note ON {name} "
                f"{names_of(self.table.primary_key)};"
            )
        there = self.columns()
        names = ", ".join(f'"{c.name}"' for c in self.table.columns if c.name.lower() in there)
        create = sa.schema.CreateTable(self.table).compile(dialect=self.connection.dialect)
        return (
            f"ALTER TABLE {name} RENAME TO {old};{str(create).rstrip()};\n"
            f"INSERT INTO {name} ({names}) SELECT {names} FROM {old};"
        )

    def _pragma(self, pragma: str, name: str) -> list[Any]:
        found = self.connection.exec_driver_sql(f'PRAGMA {pragma}("{name}")')
        return list(found.mappings())


def _wanted_affinities(wanted: sa.Column[Any], kind: str) -> set[str]:
    if isinstance(wanted.type, sa.DateTime | sa.Date):
        return {"NUMERIC", "TEXT", "BLOB"}  # kept as text that is no number
    if isinstance(wanted.type, sa.Boolean):
        return _KEEPS["INTEGER"]
    return _KEEPS.get(_affinity(kind), {_affinity(kind)})


def _affinity(kind: str) -> str:
    """How SQLite converts what is written into a column of this type."""
    kind = kind.upper()
    for words, affinity in _AFFINITIES:
        if any(word in kind for word in words):
            return affinity
    return "NUMERIC" if kind else "BLOB"
