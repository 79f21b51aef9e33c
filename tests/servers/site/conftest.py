"""The newer site, started once for its suites."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import debian
from tests.servers.site.root import site_root
from tests.servers.site.site import Site


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    try:
        debian.ensure(["debootstrap"])
        site_root()
    except debian.Missing as error:
        debian.skip_or_fail(str(error))
    with Site() as running:
        yield running
