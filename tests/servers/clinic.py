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
