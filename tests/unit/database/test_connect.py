"""notemill.database.connect; with real servers: tests/workflow."""

from __future__ import annotations

import os
import sqlite3
import ssl
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from notemill.config import Database
from notemill.database.connect import address, connect, server_name
from notemill.errors import NotemillError
from tests.certificate import make_certificate
from tests.unit.conftest import Clinic

URL = "mysql+pymysql://db.example.org/clinic"


def arguments(**changes: Any) -> dict[str, Any]:
    """What the driver would be given; nothing is opened."""
    engine = connect(Database.model_validate({"url": URL} | changes))
    found: dict[str, Any] = {}

    @sa.event.listens_for(engine, "do_connect")
    def _instead(_: Any, __: Any, ___: Any, given: dict[str, Any]) -> None:
        found.update(given)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        engine.connect()
    return found


@pytest.fixture
def option_file(tmp_path: Path) -> Path:
    path = tmp_path / "my.cnf"
    path.write_text("[client]\nuser=me\npassword=hunter2\n")
    path.chmod(0o600)
    return path


def test_the_password_is_read_by_the_driver_alone(option_file: Path) -> None:
    given = arguments(option_file=str(option_file), option_group="batch")
    assert given["read_default_file"] == str(option_file)
    assert given["read_default_group"] == "batch"
    assert "password" not in given


def test_the_password_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTEMILL_DATABASE_PASSWORD", "hunter2")
    assert arguments()["password"] == "hunter2"
    assert "hunter2" not in repr(connect(Database(url=URL)))


def test_the_server_is_spoken_to_in_whole_unicode_and_given_up_after_a_while() -> None:
    given = arguments()
    assert given["charset"] == "utf8mb4"
    assert given["connect_timeout"] > 0


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o660])
def test_an_option_file_open_to_others_is_refused(option_file: Path, mode: int) -> None:
    option_file.chmod(mode)
    with pytest.raises(NotemillError, match="open to others") as refused:
        arguments(option_file=str(option_file))
    assert refused.value.remedy == f"chmod 600 {option_file}"


def test_a_missing_option_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotemillError, match=r"database\.option_file can't be read") as refused:
        arguments(option_file=str(tmp_path / "absent"))
    assert refused.value.where == str(tmp_path / "absent")


def test_an_address_without_a_database_is_refused() -> None:
    with pytest.raises(NotemillError, match="names no database"):
        connect(Database(url="mysql+pymysql://db.example.org"))


class TestTls:
    @pytest.fixture
    def ca(self, tmp_path: Path) -> Path:
        make_certificate(tmp_path / "ca", "IP:127.0.0.1")
        return tmp_path / "ca.pem"

    def test_with_an_authority_the_server_is_checked(self, ca: Path) -> None:
        context = arguments(tls={"ca": str(ca)})["ssl"]
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert len(context.get_ca_certs()) == 1

    def test_the_name_may_be_left_unchecked(self, ca: Path) -> None:
        context = arguments(tls={"ca": str(ca), "verify_identity": False})["ssl"]
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert not context.check_hostname

    @pytest.mark.parametrize("tls", [{}, {"verify_identity": True}])
    def test_without_an_authority_the_systems_are_asked(self, tls: dict[str, Any]) -> None:
        context = arguments(tls=tls)["ssl"]
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname

    def test_a_check_that_checks_nothing_is_refused(self) -> None:
        with pytest.raises(ValueError, match="accepts every server"):
            Database.model_validate({"url": URL, "tls": {"verify_identity": False}})

    def test_a_key_without_its_certificate_is_refused(self, ca: Path) -> None:
        with pytest.raises(ValueError, match="key without cert"):
            Database.model_validate({"url": URL, "tls": {"key": str(ca)}})

    def test_a_file_that_is_no_certificate_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "empty.pem").write_text("")
        with pytest.raises(NotemillError, match="can't be used") as refused:
            arguments(tls={"ca": str(tmp_path / "empty.pem")})
        assert refused.value.where == str(tmp_path / "empty.pem")

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(NotemillError, match=r"database\.tls\.ca is not a file") as refused:
            arguments(tls={"ca": str(tmp_path / "absent.pem")})
        assert refused.value.where == str(tmp_path / "absent.pem")


class TestPostgres:
    URL = "postgresql+psycopg://db.example.org/clinic"

    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A home of its own, and no words for the library in the environment."""
        for name in list(os.environ):
            if name.startswith("PG"):
                monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(tmp_path))
        return tmp_path

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
    @pytest.mark.parametrize("place", ["home", "variable", "url"])
    def test_a_password_file_open_to_others_is_refused(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, place: str, mode: int
    ) -> None:
        path = home / (".pgpass" if place == "home" else "mine")
        path.write_text("*:*:*:*:hunter2\n")
        path.chmod(mode)
        if place == "variable":
            monkeypatch.setenv("PGPASSFILE", str(path))
        url = f"{self.URL}?passfile={path}" if place == "url" else self.URL
        with pytest.raises(NotemillError, match="open to others") as refused:
            arguments(url=url)
        assert refused.value.remedy == f"chmod 600 {path}"
        monkeypatch.setenv("NOTEMILL_DATABASE_PASSWORD", "hunter2")
        assert arguments(url=url)["password"] == "hunter2"  # and the file is not looked at

    def test_a_named_password_file_that_is_not_there_is_told(self, home: Path) -> None:
        with pytest.raises(NotemillError, match="the password file is not there"):
            arguments(url=f"{self.URL}?passfile={home}/absent")
        assert "password" not in arguments(url=self.URL)

    def test_a_service_is_named_and_private_if_it_holds_a_password(self, home: Path) -> None:
        service = "postgresql+psycopg:///?service=clinic"
        with pytest.raises(NotemillError, match="'clinic' is in no service file"):
            connect(Database(url=service))
        path = home / ".pg_service.conf"
        path.write_text("[clinic]\nhost=db.example.org\nport=5433\ndbname=x\n")
        path.chmod(0o644)
        assert arguments(url=service)["service"] == "clinic"
        assert address(Database(url=service)) == ("db.example.org", 5433)
        path.write_text(path.read_text() + "password=hunter2\n")
        with pytest.raises(NotemillError, match="the service file with your password is open"):
            connect(Database(url=service))

    def test_where_it_is_comes_from_the_url_the_environment_or_a_socket(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert address(Database(url=self.URL)) == ("db.example.org", 5432)
        monkeypatch.setenv("PGHOST", "/run/postgresql")
        monkeypatch.setenv("PGPORT", "5433")
        socket = Database(url="postgresql+psycopg:///clinic")
        assert address(socket) == ("/run/postgresql/.s.PGSQL.5433", 0)

    def test_an_address_without_a_database_is_refused(self) -> None:
        with pytest.raises(NotemillError, match="names no database"):
            connect(Database(url="postgresql+psycopg://db.example.org"))

    def test_schemas_of_another_database_are_refused(self) -> None:
        with pytest.raises(NotemillError, match="schemas is PostgreSQL's"):
            connect(Database(url=URL, schemas=["cdm"]))

    def test_tls_means_tls_by_the_servers_name_or_by_its_authority(self, home: Path) -> None:
        make_certificate(home / "ca", "IP:127.0.0.1")
        ca = str(home / "ca.pem")
        given = arguments(url=self.URL, tls={"ca": ca})
        assert (given["sslmode"], given["sslrootcert"]) == ("verify-full", ca)
        assert given["gssencmode"] == "disable"
        given = arguments(url=self.URL, tls={"ca": ca, "verify_identity": False})
        assert given["sslmode"] == "verify-ca"
        assert arguments(url=self.URL, tls={})["sslrootcert"]
        assert "sslmode" not in arguments(url=self.URL)

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ({"url": "postgresql+psycopg://me:hunter2@host/db"}, "holds a password"),
            ({"url": "postgresql+psycopg://host/db?password=hunter2"}, "holds a password"),
            ({"url": "postgresql+psycopg://host/db?sslpassword=hunter2"}, "holds a password"),
            ({"url": "postgresql://host/db"}, r"postgresql\+psycopg://"),
            ({"url": URL, "option_file": "~/.my.cnf"}, "option_file is MySQL's"),
            ({"url": f"{URL}?sslmode=require", "tls": {}}, "beside the section tls"),
        ],
    )
    def test_a_section_that_says_too_much_is_refused(
        self, values: dict[str, Any], told: str
    ) -> None:
        with pytest.raises(ValueError, match=told):
            Database.model_validate(values)


class TestSqlite:
    def test_a_file_that_is_not_there_is_named_and_not_made(self, tmp_path: Path) -> None:
        path = tmp_path / "clinc.sqlite"
        with pytest.raises(NotemillError, match="does not exist") as refused:
            connect(Database(url=f"sqlite:///{path}"))
        assert refused.value.where == str(path)
        assert "database.url" in refused.value.remedy
        assert not path.exists()

    def test_a_file_that_goes_meanwhile_is_not_made_anew(self, clinic: Clinic) -> None:
        engine = connect(clinic.database)
        clinic.file.unlink()
        with pytest.raises(sa.exc.OperationalError):
            engine.connect()
        assert not clinic.file.exists()

    def test_its_name_and_version_are_told(self, clinic: Clinic) -> None:
        with connect(clinic.database).connect() as connection:
            assert server_name(connection) == f"SQLite {sqlite3.sqlite_version}"

    def test_a_transaction_covers_all_its_statements(self, clinic: Clinic) -> None:
        with pytest.raises(RuntimeError), connect(clinic.database).begin() as connection:
            connection.exec_driver_sql("CREATE TABLE made (x)")
            connection.exec_driver_sql("INSERT INTO notes VALUES (1, 'x')")
            raise RuntimeError
        assert clinic.rows("SELECT * FROM notes") == []
        assert clinic.rows("SELECT name FROM sqlite_master WHERE name = 'made'") == []

    def test_a_reader_sees_one_state_of_the_database(self, clinic: Clinic) -> None:
        clinic.run("PRAGMA journal_mode = wal")
        with connect(clinic.database).connect() as connection:
            count = "SELECT count(*) FROM notes"
            before = connection.exec_driver_sql(count).scalar()
            clinic.fill((1, "x"))
            assert connection.exec_driver_sql(count).scalar() == before == 0

    def test_values_are_not_in_its_errors(self, clinic: Clinic) -> None:
        clinic.run("CREATE TABLE typed (n INTEGER) STRICT")
        with pytest.raises(sa.exc.DBAPIError) as refused:
            with connect(clinic.database).begin() as connection:
                connection.execute(sa.text("INSERT INTO typed VALUES (:x)"), {"x": "PRIVATE"})
        assert "PRIVATE" not in str(refused.value)
