"""What the tests of another cut share."""

from __future__ import annotations

import pytest

from notemill.paths import cut_name
from tests.unit.conftest import Clinic
from tests.unit.notes.recuts import EXPERIMENTS, NOTES, TEXTS, fill_journals


@pytest.fixture
def partly_answered(clinic: Clinic) -> Clinic:
    """Two experiments, seven of nine texts answered, one shard of each finished."""
    clinic.fill(*NOTES)
    clinic.extract(shards=2)
    fill_journals(clinic.layout, "chest", 2, TEXTS[:7])
    for experiment in EXPERIMENTS:
        clinic.layout.answers("chest", experiment, cut_name(2), "0000").write_text("rows")
    return clinic
