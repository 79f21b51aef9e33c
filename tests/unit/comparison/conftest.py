"""What tests of comparisons share."""

from __future__ import annotations

import pytest

from tests.unit.comparison.sides import NO, NULL, YES, Answers, Sides
from tests.unit.conftest import Clinic


@pytest.fixture
def sides(clinic: Clinic) -> Sides:
    """Six texts of eight notes, one of them blank; `two` stands for three notes."""
    notes = {1: "one", 2: "two", 3: "two", 4: "two", 5: "three", 6: "four", 7: " ", 8: "five"}
    first: Answers = {"one": YES, "two": NO, "three": YES, "four": "schema", "five": YES}
    second: Answers = {"one": YES, "two": YES, "three": NULL, "four": NO, "five": "truncated"}
    return Sides(clinic, notes, first, second)
