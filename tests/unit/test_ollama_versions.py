"""notemill.engines.ollama.versions"""

from __future__ import annotations

import pytest

from notemill.engines.ollama.versions import check_version
from notemill.errors import NotemillError


@pytest.mark.parametrize(
    "version", ["0.11.0", "0.11.10", "0.24.0", "0.24.7-rc1", "0.30.1", "0.32.15", "0.33.0-rc2"]
)
def test_known_versions_pass(version: str) -> None:
    check_version(version, None)


@pytest.mark.parametrize(
    "version", ["0.1.48", "0.10.1", "0.25.0", "0.29.9", "0.30.0", "0.34.0", "1.11.10", "0.0.0", ""]
)
def test_other_versions_are_refused_unless_accepted_by_name(version: str) -> None:
    with pytest.raises(NotemillError, match=r"\(0\.11\.0 to 0\.24\.x and 0\.30\.1") as refused:
        check_version(version, "0.99.0")
    assert f'accept_version: "{version}"' in refused.value.remedy
    check_version(version, version)
