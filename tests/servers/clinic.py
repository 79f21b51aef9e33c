"""A clinic on a real server, with the interface of the unit tests' one in SQLite."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from notemill.config import Database
from notemill.paths import Layout
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.unit.conftest import Clinic


class ServerClinic(Clinic):
    """A server's database, emptied but for `notes`, and a results folder.

    visit: the id column's type; changes: of the section `database`.
    """

    def __init__(
        self, server: MariaDB | Postgres, folder: Path, visit: str = "BIGINT", **changes: Any
    ) -> None:
        self.server: Any = server
        self.folder = folder
        self.layout = Layout(folder / "results")
        self.database = Database.model_validate(server.access(folder) | changes)
        server.drop_tables()
        self.run(server.notes_table.format(visit=visit))

    def run(self, statement: str, rows: Iterable[tuple[Any, ...]] = ((),)) -> None:
        """Change the database, as its user."""
        with self.server.connect() as connection:
            with connection.cursor() as cursor:
                for row in rows:
                    cursor.execute(statement.replace("?", "%s"), row or None)
            connection.commit()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Look into the database."""
        with self.server.connect() as connection:
            with connection.cursor() as cursor:
                cursor.execute(query)
                return list(cursor.fetchall())

    def columns(self, table: str) -> list[str]:
        """A table's columns, in their order."""
        names = self.rows(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = "
            f"'{self.server.schema}' AND table_name = '{table}' ORDER BY ordinal_position"
        )
        return [name for (name,) in names]

    def lie(self, table: str, column: str, value: str, when: str = "1 = 1") -> None:
        for event in ("INSERT", "UPDATE"):
            change = f"NEW.{column} {':=' if self._postgres else '='} {value}; END IF"
            self._trigger("BEFORE", event, table, f"IF {when} THEN {self._set}{change}")

    def after(self, event: str, table: str, when: str, statement: str) -> None:
        self._trigger("AFTER", event, table, f"IF {when} THEN {statement}; END IF")

    def forbid(self, table: str) -> None:
        refuse = (
            "RAISE EXCEPTION 'PRIVATE'"
            if self._postgres
            else "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'PRIVATE'"
        )
        for event in ("INSERT", "UPDATE", "DELETE"):
            self._trigger("BEFORE", event, table, refuse)

    @property
    def _postgres(self) -> bool:
        return isinstance(self.server, Postgres)

    @property
    def _set(self) -> str:
        return "" if self._postgres else "SET "

    def _trigger(self, time: str, event: str, table: str, body: str) -> None:
        name = f"{table}_{time}_{event}"
        if not self._postgres:
            self.run(f"CREATE TRIGGER {name} {time} {event} ON {table} FOR EACH ROW {body}")
            return
        self.run(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {body}; RETURN NEW; END $$"
        )
        self.run(
            f"CREATE TRIGGER {name} {time} {event} ON {table} FOR EACH ROW "
            f"EXECUTE FUNCTION {name}()"
        )
