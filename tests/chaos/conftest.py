"""The real servers of tests/servers."""

from __future__ import annotations

from tests.servers.conftest import cluster, running_mariadb  # noqa: F401  (fixtures)
