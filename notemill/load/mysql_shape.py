"""What a table of MySQL or MariaDB is, and whether its columns hold what a load writes."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from notemill.load.shape import Problem, Shape, UniqueKey, names_of

_INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
_TEXTS = ("text", "mediumtext", "longtext")
_TYPE = re.compile(r"(\w+)(?:\(([\d, ]+)\))?(.*)", re.DOTALL)
_SAME = {"bool": "tinyint", "integer": "int", "numeric": "decimal"}


class MySQLShape(Shape):
    """A table as SHOW tells it."""

    def problems_of_the_table(self) -> list[Problem]:
        """A view, or an engine that can't take a transaction back."""
        kind, engine, transactions = self.connection.execute(
            sa.text(
                "SELECT t.TABLE_TYPE, t.ENGINE, e.TRANSACTIONS FROM information_schema.TABLES t "
                "LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE "
                "WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME = :name"
            ),
            {"name": self.table.name},
        ).one()
        if kind == "VIEW":
            return [Problem("it is a view", None)]
        if transactions != "YES":
            return [Problem(f"its engine {engine} knows no transactions", "ENGINE = InnoDB")]
        return []

    def columns(self) -> dict[str, Any]:
        """Columns by name in lower case."""
        rows = self.connection.exec_driver_sql(f"SHOW FULL COLUMNS FROM `{self.table.name}`")
        return {row["Field"].lower(): row for row in rows.mappings()}

    def unique_keys(self) -> list[UniqueKey]:
        """All unique keys; a key over a part of a column is none of ours."""
        rows = self.connection.exec_driver_sql(f"SHOW INDEX FROM `{self.table.name}`")
        keys = defaultdict(list)
        for row in rows.mappings():
            if not row["Non_unique"]:
                whole = row["Column_name"] and row["Sub_part"] is None
                keys[row["Key_name"]].append(row["Column_name"].lower() if whole else "")
        return [UniqueKey(name, frozenset(columns)) for name, columns in keys.items()]

    def problem_of(self, wanted: sa.Column[Any], there: Any) -> Problem | None:
        """Why the column can't hold every value that the load writes."""
        what = self._mismatch(wanted, there)
        if what is None:
            return None
        mends = self.of_ours and (not self._is_id(wanted) or self._is_widened(wanted, there))
        clause = f"MODIFY COLUMN {self.definition(wanted)}"
        if _is_computed(there):
            clause = f"DROP COLUMN `{there['Field']}`, ADD COLUMN {self.definition(wanted)}"
        return Problem(f"column {there['Field']} {what}", clause if mends else None)

    def problem_of_foreign(self, there: Any) -> Problem | None:
        """A column of the user's own that no row may leave out."""
        extra = there["Extra"].upper()
        if there["Null"] == "YES" or there["Default"] is not None:
            return None
        if "AUTO_INCREMENT" in extra or "GENERATED" in extra:
            return None
        return Problem(
            f"column {there['Field']}, which is not notemill's, must not be empty and has no "
            "default",
            f"MODIFY COLUMN `{there['Field']}` {there['Type']} NULL",
        )

    def mending(self, clauses: list[str], *, rekeyed: bool) -> str:
        """One statement with all of them."""
        if rekeyed:
            drops = [
                "DROP PRIMARY KEY" if key.name == "PRIMARY" else f"DROP INDEX `{key.name}`"
                for key in self.wrong_keys()
            ]
            columns = names_of(self.table.primary_key)
            primary = any(key.name == "PRIMARY" for key in self.unique_keys())
            kept = primary and "DROP PRIMARY KEY" not in drops
            if self.has_key():
                clauses = [*clauses, *drops]
            else:
                clauses = [*clauses, *drops, f"ADD {'UNIQUE' if kept else 'PRIMARY'} KEY {columns}"]
        return f"ALTER TABLE `{self.table.name}` {', '.join(clauses)};"

    def _mismatch(self, wanted: sa.Column[Any], there: Any) -> str | None:
        kind = wanted.type.compile(dialect=self.connection.dialect)
        if not self._holds(wanted, kind, there["Type"]):
            return f"is {there['Type']}, not {kind.split(' CHARACTER')[0].split(' COLLATE')[0]}"
        if _is_computed(there):
            return "is computed by the database"
        if wanted.nullable and there["Null"] == "NO":
            return "must be empty where there is no value, and may not be"
        collation = there["Collation"]
        if collation is None:
            return None
        if wanted.name in self.key_names and not self._exact(wanted, collation):
            return f"is compared by {collation}, which takes some different values as one"
        if "ascii" not in kind and not collation.startswith("utf8mb4"):
            return f"can't hold every character ({collation})"
        return None

    def _exact(self, wanted: sa.Column[Any], collation: str) -> bool:
        exact = getattr(wanted.type, "collation", None)
        # An experiment's and a cohort's names are ASCII without blanks.
        return collation == exact if exact else collation.endswith("_bin")

    def _holds(self, wanted: sa.Column[Any], kind: str, there: str) -> bool:
        base, numbers, _ = _parsed(kind)
        got, widths, rest = _parsed(there)
        in_key = wanted.name in self.key_names
        if base in _INTEGERS:
            fits = got in _INTEGERS and _INTEGERS.index(got) >= _INTEGERS.index(base)
            return fits and "unsigned" not in rest
        if got == "json":
            return wanted.info.get("kind") == "json"
        if base == "varchar" and got != base:
            return got in _TEXTS and not in_key
        if base == "mediumtext":
            return got in _TEXTS[1:]
        if got != base or "unsigned" in rest:
            return False
        if base == "decimal":
            return widths[1:] == numbers[1:] and widths[0] >= numbers[0]
        if base == "double":
            return not widths
        return (widths or [0]) >= (numbers or [0])

    def _is_id(self, wanted: sa.Column[Any]) -> bool:
        return wanted.name in self.key_names and wanted.name not in ("experiment", "cohort")

    def _is_widened(self, wanted: sa.Column[Any], there: Any) -> bool:
        """Whether it is the same kind of column, so that the ids in it stay what they are."""
        kind = _parsed(wanted.type.compile(dialect=self.connection.dialect))[0]
        got = _parsed(there["Type"])[0]
        return kind == got or (kind in _INTEGERS and got in _INTEGERS)


def _is_computed(there: Any) -> bool:
    extra = there["Extra"].upper()
    return "GENERATED" in extra and "DEFAULT_GENERATED" not in extra


def _parsed(kind: str) -> tuple[str, list[int], str]:
    """A type's name, its numbers and the rest, in lower case."""
    matched = _TYPE.match(kind.lower())
    assert matched
    name, numbers, rest = matched.groups()
    return _SAME.get(name, name), [int(n) for n in (numbers or "").split(",") if n], rest
