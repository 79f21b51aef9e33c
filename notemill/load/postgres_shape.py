"""What a table of PostgreSQL is, and whether its columns hold what a load writes."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from notemill.load.shape import Problem, Shape, UniqueKey, names_of

_HEAD = 4
"""What is added to a declared length."""
_MICROSECONDS = (-1, 6)
_INTEGERS = ("int2", "int4", "int8")
_TEXTS = ("varchar", "text")
_TABLE = """
SELECT c.relkind::text AS kind, c.relpersistence::text AS lasts,
    pg_catalog.row_security_active(c.oid) AS secured,
    pg_catalog.current_setting('server_encoding') AS encoding
FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass(:name)
"""
_COLUMNS = """
SELECT a.attname AS name, t.typname AS base, a.atttypmod AS modifier,
    pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS filled,
    a.attgenerated <> '' OR a.attidentity = 'a' AS computed,
    a.atthasdef OR a.attidentity <> '' AS given, l.collname AS collation,
    coalesce(l.collisdeterministic, true) AS exact
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
WHERE a.attrelid = pg_catalog.to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped
"""
_KEYS = """
SELECT i.relname AS name, a.attname AS "column", x.indisprimary AS first,
    x.indpred IS NULL AND x.indimmediate AND x.indisvalid
        AND coalesce(l.collisdeterministic, true) AS exact,
    k.conname IS NOT NULL AS named
FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
CROSS JOIN LATERAL pg_catalog.generate_series(0, x.indnkeyatts - 1) AS place
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[place]
    AND a.attnum > 0
LEFT JOIN pg_catalog.pg_collation l ON l.oid = x.indcollation[place]
LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = x.indexrelid AND k.contype IN ('p', 'u')
WHERE x.indrelid = pg_catalog.to_regclass(:name) AND x.indisunique
"""


class PostgresShape(Shape):
    """A table as the catalog tells it."""

    def __init__(self, connection: sa.Connection, table: sa.Table) -> None:
        super().__init__(connection, table)
        self._quote = connection.dialect.identifier_preparer.quote_identifier
        self._named: set[str] = set()
        self._primary = ""

    def problems_of_the_table(self) -> list[Problem]:
        """No table of its own, one that a crash empties, one that hides rows, another encoding."""
        (there,) = self._catalog(_TABLE)
        if there["kind"] not in "rp":
            return [Problem("it is a view" if there["kind"] in "vm" else "it is no table", None)]
        if there["encoding"] != "UTF8":
            why = f"its database's encoding {there['encoding']} can't hold every character"
            return [Problem(why, None)]
        found = []
        if there["lasts"] == "u":
            found.append(Problem("it is UNLOGGED, which a crash empties", "SET LOGGED"))
        if there["secured"]:
            found.append(Problem("row security hides rows of it from this account", None))
        return found

    def columns(self) -> dict[str, Any]:
        """Columns by name in lower case."""
        return {self._known(row["name"]): row for row in self._catalog(_COLUMNS)}

    def unique_keys(self) -> list[UniqueKey]:
        """All unique keys that compare exactly, at once and every row."""
        keys = defaultdict(set)
        for row in self._catalog(_KEYS):
            exact = row["exact"] and row["column"]
            keys[row["name"]].add(self._known(row["column"]) if exact else "")
            if row["named"]:
                self._named.add(row["name"])
            if row["first"]:
                self._primary = row["name"]
        return [UniqueKey(name, frozenset(columns)) for name, columns in keys.items()]

    def problem_of(self, wanted: sa.Column[Any], there: Any) -> Problem | None:
        """Why the column can't hold every value that the load writes."""
        kind = wanted.type.compile(dialect=self.connection.dialect)
        name = self._quote(there["name"])
        clause: str | None = f"ALTER COLUMN {name} TYPE {kind} USING {name}::{_bare(kind)}"
        if not self._holds(wanted, there):
            what = f"is {there['type']}, not {_bare(kind)}"
        elif there["computed"]:
            what = "is computed by the database"
            clause = f"DROP COLUMN {name}, ADD COLUMN {self.definition(wanted)}"
        elif wanted.nullable and there["filled"]:
            what = "must be empty where there is no value, and may not be"
            clause = f"ALTER COLUMN {name} DROP NOT NULL"
        elif wanted.name in self.key_names and not there["exact"]:
            what = f"is compared by {there['collation']}, which takes some different values as one"
        else:
            return None
        mends = self.of_ours and (not self._is_id(wanted) or _is_widened(wanted, there["base"]))
        return Problem(f"column {there['name']} {what}", clause if mends else None)

    def problem_of_foreign(self, there: Any) -> Problem | None:
        """A column of the user's own that no row may leave out."""
        if not there["filled"] or there["given"] or there["computed"]:
            return None
        return Problem(
            f"column {there['name']}, which is not notemill's, must not be empty and has no "
            "default",
            f"ALTER COLUMN {self._quote(there['name'])} DROP NOT NULL",
        )

    def mending(self, clauses: list[str], *, rekeyed: bool) -> str:
        """One statement with all of them, after those that take indexes away."""
        before = ""
        if rekeyed:
            wrong = [key.name for key in self.wrong_keys()]
            drops = [f"DROP CONSTRAINT {self._quote(n)}" for n in wrong if n in self._named]
            before = "".join(
                f"DROP INDEX {self._quote(n)}; " for n in wrong if n not in self._named
            )
            clauses = [*clauses, *drops]
            if not self.has_key():
                kept = self._primary and self._primary not in wrong
                kind = "UNIQUE" if kept else "PRIMARY KEY"
                clauses.append(f"ADD {kind} {names_of(self.table.primary_key)}")
        if not clauses:
            return before.strip()
        return f"{before}ALTER TABLE {self._quote(self.table.name)} {', '.join(clauses)};"

    def _catalog(self, query: str) -> list[Any]:
        name = self._quote(self.table.name)
        return list(self.connection.execute(sa.text(query), {"name": name}).mappings())

    def _known(self, name: str) -> str:
        """In lower case; but another name where the table needs one that differs by case alone."""
        wanted = [column.name for column in self.table.columns]
        other = name not in wanted and name.lower() in (each.lower() for each in wanted)
        return f'"{name}"' if other else name.lower()

    def _holds(self, wanted: sa.Column[Any], there: Any) -> bool:
        base, modifier = there["base"], there["modifier"]
        match wanted.type:
            case sa.BigInteger():
                return bool(base == "int8")
            case sa.Integer():
                return base in ("int4", "int8")
            case sa.Float():
                return bool(base == "float8")
            case sa.Numeric():
                digits, scale = (modifier - _HEAD) >> 16, (modifier - _HEAD) & 0x7FF
                whole = modifier < 0 or (digits >= 38 and scale == wanted.type.scale)
                return bool(base == "numeric" and whole)
            case sa.DateTime():
                kind = "timestamptz" if wanted.type.timezone else "timestamp"
                exact = modifier in _MICROSECONDS or wanted.name not in self.key_names
                return bool(base == kind and exact)
            case sa.Text():
                return base in _TEXTS and modifier < 0
            case sa.String():
                length = (wanted.type.length or 0) + _HEAD
                return base in _TEXTS and (modifier < 0 or modifier >= length)
        return bool(base == _PLAIN[type(wanted.type)])

    def _is_id(self, wanted: sa.Column[Any]) -> bool:
        return wanted.name in self.key_names and wanted.name not in ("experiment", "cohort")


_PLAIN: dict[type, str] = {
    sa.Boolean: "bool",
    sa.Date: "date",
    sa.LargeBinary: "bytea",
    sa.Uuid: "uuid",
}


def _is_widened(wanted: sa.Column[Any], base: str) -> bool:
    """Whether it is the same kind of column, so that the ids in it stay what they are."""
    match wanted.type:
        case sa.Integer():
            return base in _INTEGERS
        case sa.Numeric():
            return base == "numeric"
        case sa.DateTime():
            return base == ("timestamptz" if wanted.type.timezone else "timestamp")
        case sa.String():
            return base in _TEXTS
    return False


def _bare(kind: str) -> str:
    """A type without its collation."""
    return kind.partition(" COLLATE")[0]
