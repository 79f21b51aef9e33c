"""A real PostgreSQL: credentials, TLS, extract, and what check says of it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.recut import JournaledAnswers
from notemill.config import Cohort, Database
from notemill.config.database import PASSWORD_VARIABLE
from notemill.database.connect import connect, server_name
from notemill.database.refusals import database_errors
from notemill.errors import NotemillError
from notemill.notes.extract import extract
from notemill.notes.manifest import Manifest
from notemill.paths import Layout
from tests.servers.daemon import wait_until
from tests.servers.postgres import Postgres


@pytest.fixture(scope="module")
def database(running_postgres: Postgres) -> Postgres:
    return running_postgres


@pytest.fixture
def notes(database: Postgres, tmp_path: Path) -> Database:
    """A table of 2,000 notes."""
    database.drop_tables()
    with database.connect() as connection:
        connection.execute("CREATE TABLE notes (visit INT PRIMARY KEY, note TEXT)")
        connection.execute(
            "INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 2000) AS n"
        )
    return Database.model_validate(database.access(tmp_path))


def extracted(notes: Database, folder: Path, query: str, *ids: str, **changes: Any) -> Manifest:
    values: dict[str, Any] = {"id_columns": list(ids or ["visit"]), "text_column": "note"}
    cohort = Cohort(query=query, shards=2, **(values | changes))
    layout = Layout(folder / "results")
    return extract(notes, "all", cohort, layout, JournaledAnswers(layout, "all"))


def told_server(settings: Database) -> str:
    with database_errors(settings, "looking"), connect(settings).connect() as connection:
        return server_name(connection)


class TestCredentials:
    def test_come_from_the_password_file_a_service_or_the_environment(
        self, database: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        own = Database(url=database.url())
        with pytest.raises(NotemillError, match="the database refused looking") as refused:
            told_server(own)
        assert "~/.pgpass" in refused.value.remedy
        database.pgpass(tmp_path / ".pgpass")
        assert told_server(own).startswith("PostgreSQL 1")
        (tmp_path / ".pg_service.conf").write_text(
            f"# ours\n[clinic]\nhost={database.host}\nport={database.port}\n"
            f"dbname={database.database}\nuser={database.user}\n"
        )
        service = Database(url="postgresql+psycopg:///?service=clinic")
        assert told_server(service).startswith("PostgreSQL 1")
        (tmp_path / ".pgpass").unlink()
        for name in (PASSWORD_VARIABLE, "PGPASSWORD"):
            monkeypatch.setenv(name, database.password)
            assert told_server(own).startswith("PostgreSQL 1")
            monkeypatch.setenv(name, "wrong-secret")
            with pytest.raises(NotemillError, match="password authentication failed") as refused:
                told_server(service)
            assert "wrong-secret" not in str(refused.value)
            monkeypatch.delenv(name)

    def test_of_a_server_that_is_not_there_are_not_what_is_blamed(self, tmp_path: Path) -> None:
        for host in ("127.0.0.1:9", "nowhere.invalid"):
            with pytest.raises(NotemillError, match="the database can't be reached"):
                told_server(Database(url=f"postgresql+psycopg://me@{host}/clinical"))


class TestTls:
    def settings(self, database: Postgres, folder: Path, **changes: Any) -> Database:
        return Database.model_validate(database.access(folder) | changes)

    def cipher(self, settings: Database) -> str | None:
        query = "SELECT cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        with database_errors(settings, "looking"), connect(settings).connect() as connection:
            return connection.exec_driver_sql(query).scalar()

    def test_checks_the_servers_certificate_and_name(
        self, database: Postgres, tmp_path: Path
    ) -> None:
        ca = {"ca": str(database.certificate)}
        assert self.cipher(self.settings(database, tmp_path, tls=ca))
        with pytest.raises(NotemillError, match="certificate verify failed") as refused:
            self.cipher(self.settings(database, tmp_path, tls={}))
        assert "database.tls.ca" in refused.value.remedy
        named = database.url(passfile=str(tmp_path / "pgpass")).replace("127.0.0.1", "localhost")
        (tmp_path / "pgpass").write_text(f"*:*:*:*:{database.password}\n")
        elsewhere = Database.model_validate({"url": named, "tls": ca})
        with pytest.raises(NotemillError, match="does not match host name"):
            self.cipher(elsewhere)
        assert self.cipher(
            Database.model_validate({"url": named, "tls": ca | {"verify_identity": False}})
        )

    def test_refuses_a_server_that_speaks_none(self, database: Postgres, tmp_path: Path) -> None:
        plain = self.settings(database, tmp_path)
        assert self.cipher(plain)
        self.turn(database, "off")
        try:
            with pytest.raises(NotemillError, match="server does not support SSL") as refused:
                self.cipher(self.settings(database, tmp_path, tls={"ca": database.certificate}))
            assert "speaks no TLS" in refused.value.remedy
            assert self.cipher(plain) is None
        finally:
            self.turn(database, "on")

    def turn(self, database: Postgres, to: str) -> None:
        """TLS of all sessions to come."""
        database.execute(f"ALTER SYSTEM SET ssl = {to}")
        database.execute("SELECT pg_reload_conf()")
        wait_until(lambda: database.execute("SHOW ssl") == [(to,)], 60, f"TLS is not {to}")


class TestExtract:
    def test_takes_ids_of_each_kind_exactly(self, notes: Database, tmp_path: Path) -> None:
        query = (
            "SELECT 'ab'::char(5) AS c, 7::smallint AS n, 1.50::numeric AS d, "
            "'0A0b0c0d-0000-4000-8000-000000000001'::uuid AS u, '\\x00ff'::bytea AS b, "
            "timestamptz '2024-03-31 02:30:00.000001+05:30' AS z, date '0001-01-01' AS day, "
            "'infinity'::timestamp AS not_used, 'x'::text AS note"
        )
        ids = ["c", "n", "d", "u", "b", "z", "day"]
        manifest = extracted(notes, tmp_path, query, *ids)
        kinds = {column.name: (column.kind, column.length) for column in manifest.id_columns}
        assert kinds == {
            "c": ("text", 5),
            "n": ("integer", None),
            "d": ("decimal", None),
            "u": ("uuid", None),
            "b": ("binary", None),
            "z": ("timestamptz", None),
            "day": ("date", None),
        }

    @pytest.mark.parametrize(
        ("id", "told"),
        [
            ("timestamp 'infinity'", "infinite or not of the years 1 to 9999"),
            ("date '0044-03-15 BC'", "infinite or not of the years 1 to 9999"),
            ("timestamptz '20000-01-01'", "infinite or not of the years 1 to 9999"),
            ("'NaN'::numeric", "infinite or none"),
            ("1.5::float8", "double precision"),
            ("true", "boolean"),
            ("'{}'::jsonb", "jsonb"),
            ("NULL::int", "is NULL"),
            ("repeat('x', 3000)", "too long for a key"),
            ("10 ^ 20::numeric * 10 ^ 20::numeric", "more than 38"),
        ],
    )
    def test_refuses_an_id_that_no_note_can_have(
        self, notes: Database, tmp_path: Path, id: str, told: str
    ) -> None:
        with pytest.raises(NotemillError, match=told):
            extracted(notes, tmp_path, f"SELECT {id} AS visit, 'x' AS note")

    def test_takes_one_number_in_two_spellings_for_one_id(
        self, notes: Database, tmp_path: Path
    ) -> None:
        query = "SELECT * FROM (VALUES (1.50, 'a'), (1.5, 'b')) AS v (visit, note)"
        with pytest.raises(NotemillError, match="1 ids of cohort 'all' come with different texts"):
            extracted(notes, tmp_path, query)

    @pytest.mark.parametrize(
        "query",
        [
            "DELETE FROM notes RETURNING visit, note",
            "WITH gone AS (DELETE FROM notes RETURNING *) SELECT visit, note FROM gone",
            "SELECT visit, note FROM notes; DELETE FROM notes",
            "SELECT visit, note FROM notes WHERE visit = nextval('numbers')",
        ],
    )
    def test_changes_nothing_whatever_the_query_says(
        self, notes: Database, database: Postgres, tmp_path: Path, query: str
    ) -> None:
        with database.connect() as connection:
            connection.execute("CREATE SEQUENCE numbers")
        with pytest.raises(NotemillError):
            extracted(notes, tmp_path, query)
        with database.connect() as connection:
            assert connection.execute("SELECT count(*) FROM notes").fetchone() == (2000,)
            assert connection.execute("SELECT is_called FROM numbers").fetchone() == (False,)

    def test_reads_one_state_whatever_is_written_meanwhile(
        self,
        notes: Database,
        database: Postgres,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def more(*given: Any) -> Any:
            monkeypatch.undo()
            with database.connect() as connection:
                connection.execute("INSERT INTO notes VALUES (0, 'new')")
            return given[0]

        monkeypatch.setattr("notemill.notes.rows.checked_text", more)
        query = "SELECT visit, note FROM notes"
        assert extracted(notes, tmp_path, query).counts.notes == 2000

    def test_looks_for_names_in_the_schemas_that_are_set(
        self, notes: Database, database: Postgres, tmp_path: Path
    ) -> None:
        with database.connect() as connection:
            connection.execute('CREATE SCHEMA "Ward"')
            connection.execute("CREATE TABLE \"Ward\".notes AS SELECT 1 AS visit, 'x' AS note")
        query = "SELECT visit, note FROM notes"
        ward = notes.model_copy(update={"schemas": ["Ward", "public"]})
        assert extracted(ward, tmp_path, query).counts.notes == 1

    def test_refuses_a_schema_that_the_server_would_pass_over_in_silence(
        self, notes: Database, database: Postgres, tmp_path: Path
    ) -> None:
        database.execute("CREATE SCHEMA theirs", database.database)
        try:
            for name in ("ward", "theirs"):
                wrong = notes.model_copy(update={"schemas": [name, "public"]})
                with pytest.raises(NotemillError, match=f"has no schema {name}, or your account"):
                    extracted(wrong, tmp_path, "SELECT visit, note FROM notes")
        finally:
            database.execute("DROP SCHEMA theirs", database.database)

    def test_takes_percent_signs_and_the_users_own_date_style(
        self, notes: Database, database: Postgres, tmp_path: Path
    ) -> None:
        database.execute(f"ALTER ROLE {database.user} SET DateStyle = 'German, DMY'")
        try:
            query = (
                "SELECT visit, timestamptz '2024-02-03 00:00+00' AS z, "
                "(date '03.02.2024')::text AS note FROM notes WHERE note LIKE 'note 1%'"
            )
            manifest = extracted(notes, tmp_path, query, "visit", "z")
        finally:
            database.execute(f"ALTER ROLE {database.user} RESET DateStyle")
        assert (manifest.counts.notes, manifest.counts.texts) == (1111, 1)
        assert datetime.datetime.fromisoformat(manifest.extracted_at).tzinfo
