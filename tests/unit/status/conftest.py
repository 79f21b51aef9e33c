"""What the tests of a status share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.status.results import Results


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path).extracted()
