"""The real servers, started once for all suites that need them, and loads into one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.servers import debian, mariadb, postgres, slurm
from tests.servers.clinic import ServerClinic
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.servers.slurm import SlurmCluster
from tests.unit.conftest import write_task
from tests.unit.load.rows import NOTES
from tests.unit.loads import Loads
from tests.workflow.conftest import weights  # noqa: F401  (a fixture)


def require(packages: Sequence[str]) -> None:
    """Skip, or fail where servers are required, when Debian packages are missing."""
    if missing := debian.missing(packages):
        debian.skip_or_fail(f"needs the Debian packages {' '.join(missing)}")


@pytest.fixture(scope="session")
def database() -> Iterator[MariaDB]:
    """A running MariaDB."""
    require(mariadb.PACKAGES)
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def running_postgres() -> Iterator[Postgres]:
    """A running PostgreSQL."""
    require(postgres.PACKAGES)
    with Postgres() as server:
        yield server


@pytest.fixture
def loads(database: MariaDB | Postgres, tmp_path: Path) -> Loads:
    """The results of one cohort, to be loaded into the running MariaDB.

    A module with a fixture `database` of its own has another server here.
    """
    clinic = ServerClinic(database, tmp_path)
    clinic.fill(*NOTES)
    clinic.extract()
    loads = Loads(clinic, write_task(tmp_path / "tasks"))
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
