"""The benchmark of the client asks by way of what a job asks by, whatever that becomes."""

from __future__ import annotations

import pytest

from benchmarks.client import KINDS, measure


@pytest.mark.parametrize("kind", KINDS)
def test_every_text_is_asked_and_its_cost_is_told(kind: str) -> None:
    cost = measure(kind, texts=30, slots=4)
    assert (cost.kind, cost.texts, cost.slots) == (kind, 30, 4)
    assert cost.cpu_ms > 0
    assert sum(cost.parts.values()) == pytest.approx(1)
