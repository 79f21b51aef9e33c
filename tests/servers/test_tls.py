"""TLS to a real MariaDB whose certificate no authority of the system has signed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from notemill.config import Database
from notemill.database.connect import connect
from notemill.database.refusals import database_errors
from notemill.errors import NotemillError
from tests.certificate import make_certificate
from tests.servers import mariadb
from tests.servers.debian import require
from tests.servers.mariadb import MariaDB


@pytest.fixture(scope="module")
def certificates() -> Iterator[Path]:
    """A folder that the server's user can read: a certificate for 127.0.0.1, one for another."""
    folder = Path(tempfile.mkdtemp(prefix="notemill-tls-"))
    folder.chmod(0o755)
    for name, host in (("here", "IP:127.0.0.1"), ("elsewhere", "DNS:db.example.org")):
        make_certificate(folder / name, host)
        (folder / f"{name}.key").chmod(0o644)
    yield folder
    shutil.rmtree(folder)


def server(certificates: Path, name: str) -> MariaDB:
    require(mariadb.PACKAGES)
    return MariaDB(
        f"--ssl-cert={certificates / name}.pem",
        f"--ssl-key={certificates / name}.key",
        "--require-secure-transport=ON",
    )


@pytest.fixture(scope="module")
def here(certificates: Path) -> Iterator[MariaDB]:
    with server(certificates, "here") as running:
        yield running


@pytest.fixture(scope="module")
def elsewhere(certificates: Path) -> Iterator[MariaDB]:
    with server(certificates, "elsewhere") as running:
        yield running


def cipher(database: MariaDB, folder: Path, tls: dict[str, Any] | None) -> str:
    """The cipher of a connection that is made so."""
    address = f"mysql+pymysql://{database.host}:{database.port}/{database.database}"
    values = {"url": address, "option_file": str(database.option_file(folder / "my.cnf"))}
    settings = Database.model_validate(values | {"tls": tls})
    with database_errors(settings, "looking"), connect(settings).connect() as connection:
        row = connection.execute(sa.text("SHOW STATUS LIKE 'Ssl_cipher'")).one()
        return str(row[1])


def test_the_servers_authority_lets_it_in(
    here: MariaDB, certificates: Path, tmp_path: Path
) -> None:
    assert cipher(here, tmp_path, {"ca": str(certificates / "here.pem")})


@pytest.mark.parametrize("tls", [{}, {"verify_identity": True}])
def test_without_its_authority_it_is_refused(
    here: MariaDB, tmp_path: Path, tls: dict[str, Any]
) -> None:
    with pytest.raises(NotemillError, match=r"can't be reached.*self-signed certificate") as no:
        cipher(here, tmp_path, tls)
    assert "database.tls.ca" in no.value.remedy


def test_another_authority_is_refused(here: MariaDB, certificates: Path, tmp_path: Path) -> None:
    with pytest.raises(NotemillError, match="certificate verify failed"):
        cipher(here, tmp_path, {"ca": str(certificates / "elsewhere.pem")})


def test_another_servers_name_is_refused(
    elsewhere: MariaDB, certificates: Path, tmp_path: Path
) -> None:
    ca = {"ca": str(certificates / "elsewhere.pem")}
    with pytest.raises(NotemillError, match=r"certificate is not valid for '127\.0\.0\.1'"):
        cipher(elsewhere, tmp_path, ca)
    assert cipher(elsewhere, tmp_path, ca | {"verify_identity": False})


def test_a_server_without_tls_is_refused(database: MariaDB, tmp_path: Path) -> None:
    """10.11 has no certificate of its own; a section `tls` never falls back to plain text."""
    with pytest.raises(NotemillError, match="can't be reached"):
        cipher(database, tmp_path, {})
    assert cipher(database, tmp_path, None) == ""
