"""The real servers, started once for all suites that need them, and loads into one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import mariadb, postgres, slurm
from tests.servers.clinic import ServerClinic
from tests.servers.debian import require
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.servers.slurm import SlurmCluster
from tests.unit.conftest import write_task
from tests.unit.load.rows import NOTES
from tests.unit.loads import Loads
from tests.workflow.conftest import weights  # noqa: F401  (a fixture)


@pytest.fixture(scope="session")
def running_mariadb() -> Iterator[MariaDB]:
    """A running MariaDB."""
    require(mariadb.PACKAGES)
    with MariaDB() as server:
        yield server


Servers = Callable[[str], MariaDB | Postgres]


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    """A running server by its name: MariaDB or PostgreSQL, started when it is first asked for."""

    def named(name: str) -> MariaDB | Postgres:
        fixture = {"MariaDB": "running_mariadb", "PostgreSQL": "running_postgres"}[name]
        server: MariaDB | Postgres = request.getfixturevalue(fixture)
        return server

    return named


@pytest.fixture(scope="session")
def database(running_mariadb: MariaDB) -> MariaDB:
    """What a module means by the server, where it says no other."""
    return running_mariadb


@pytest.fixture(scope="session")
def running_postgres() -> Iterator[Postgres]:
    """A running PostgreSQL."""
    require(postgres.PACKAGES)
    with Postgres() as server:
        yield server


@pytest.fixture
def clinic(database: MariaDB | Postgres, tmp_path: Path) -> ServerClinic:
    """An empty clinic on the running server."""
    return ServerClinic(database, tmp_path)


@pytest.fixture
def new_clinic(
    database: MariaDB | Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], ServerClinic]:
    """Clinics for a test of many examples, each empty and in the place of the one before."""
    return lambda: ServerClinic(database, tmp_path_factory.mktemp("clinic"))


@pytest.fixture
def loads(clinic: ServerClinic) -> Loads:
    """The results of one cohort, to be loaded into the running MariaDB.

    A module with a fixture `database` of its own has another server here.
    """
    clinic.fill(*NOTES)
    clinic.extract()
    loads = Loads(clinic, write_task(clinic.folder / "tasks"))
    loads.answer({"two": "schema"})
    return loads


@pytest.fixture(scope="session")
def cluster() -> Iterator[SlurmCluster]:
    """A running Slurm cluster."""
    require(slurm.PACKAGES)
    with SlurmCluster() as running:
        yield running


@pytest.fixture(scope="session")
def real_ollama() -> Path:
    """A real ollama: NOTEMILL_OLLAMA, or the one on the PATH. No Debian package has it."""
    program = os.environ.get("NOTEMILL_OLLAMA") or shutil.which("ollama")
    if not program:
        pytest.skip("no real ollama: put one on the PATH or name it by NOTEMILL_OLLAMA")
    return Path(program)
