"""The real servers of tests/servers."""

from __future__ import annotations

from tests.servers.conftest import (  # noqa: F401  (fixtures)
    cluster,
    running_mariadb,
    running_postgres,
    servers,
)
