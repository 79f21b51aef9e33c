"""What the audit's tests share."""

from __future__ import annotations

import pytest

from tests.unit.audit.auditing import Auditing
from tests.unit.conftest import Clinic

TEXTS = [f"Note {number}: sputum with blood." for number in range(200)]


def says(text: str) -> str:
    """The model's answer: one in ten fails, two in ten are yes."""
    number = int(text.split()[1].rstrip(":"))
    return {0: "schema", 1: "yes", 2: "yes", 3: "not said"}.get(number % 10, "no")


@pytest.fixture
def auditing(clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> Auditing:
    """200 texts: 20 failed, 40 yes, 20 not said, 120 no."""
    return Auditing(clinic, capsys, TEXTS, says)
