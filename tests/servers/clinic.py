"""A clinic on a real server, with the interface of the unit tests' one in SQLite."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from notemill.config import Database
from notemill.paths import Layout
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.unit.conftest import Clinic

NOTES_TABLE = "CREATE TABLE notes (visit {visit}, note LONGTEXT) CHARACTER SET utf8mb4"


class ServerClinic(Clinic):
    """A server's database, emptied but for `notes`, and a results folder.

    visit: the id column's type; changes: of the section `database`.
    """

    def __init__(
        self, server: MariaDB, folder: Path, visit: str = "BIGINT", **changes: Any
    ) -> None:
        self.server = server
        self.folder = folder
        self.layout = Layout(folder / "results")
        self.database = Database.model_validate(
            {
                "url": f"mysql+pymysql://{server.host}:{server.port}/{server.database}",
                "option_file": str(server.option_file(folder / "my.cnf")),
            }
            | changes
        )
        server.drop_tables()
        self.run(NOTES_TABLE.format(visit=visit))

    def run(self, statement: str, rows: Iterable[tuple[Any, ...]] = ((),)) -> None:
        """Change the database, as its user."""
        with self.server.connect(charset="utf8mb4") as connection:
            with connection.cursor() as cursor:
                for row in rows:
                    cursor.execute(statement.replace("?", "%s"), row or None)
            connection.commit()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Look into the database."""
        with self.server.connect(charset="utf8mb4") as connection:
            with connection.cursor() as cursor:
                cursor.execute(query)
                return list(cursor.fetchall())


class PostgresClinic(Clinic):
    """The same on a PostgreSQL."""

    def __init__(
        self, server: Postgres, folder: Path, visit: str = "BIGINT", **changes: Any
    ) -> None:
        self.server = server
        self.folder = folder
        self.layout = Layout(folder / "results")
        passfile = server.pgpass(folder / "pgpass")
        self.database = Database.model_validate(
            {"url": server.url(passfile=str(passfile))} | changes
        )
        server.drop_tables()
        self.run(f"CREATE TABLE notes (visit {visit}, note TEXT)")

    def run(self, statement: str, rows: Iterable[tuple[Any, ...]] = ((),)) -> None:
        """Change the database, as its user."""
        with self.server.connect() as connection, connection.cursor() as cursor:
            for row in rows:
                cursor.execute(cast("Any", statement.replace("?", "%s")), row or None)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Look into the database."""
        with self.server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(cast("Any", query))
            return list(cursor.fetchall())


def clinic_on(server: MariaDB | Postgres, folder: Path, visit: str = "BIGINT") -> Clinic:
    """A clinic on whichever server."""
    kind: Any = ServerClinic if isinstance(server, MariaDB) else PostgresClinic
    clinic: Clinic = kind(server, folder, visit)
    return clinic
