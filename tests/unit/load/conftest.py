"""What the tests of loads on SQLite share."""

from __future__ import annotations

import pytest

from tests.unit.conftest import Clinic, write_task
from tests.unit.load.rows import NOTES
from tests.unit.loads import Loads


@pytest.fixture
def loads(clinic: Clinic) -> Loads:
    clinic.fill(*NOTES)
    clinic.extract()
    loads = Loads(clinic, write_task(clinic.folder / "tasks"))
    loads.answer({"two": "schema"})
    return loads
