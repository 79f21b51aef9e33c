"""notemill.pilot.hopeless: failures that chance explains, and those that it does not."""

from __future__ import annotations

from fractions import Fraction
from math import comb
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notemill.answers.outcome import Outcome
from notemill.errors import NotemillError
from notemill.pilot.hopeless import at_least, refuse_hopeless

PAGE = Path("page.html")


def outcomes(answered: int, failed: int) -> list[Outcome]:
    return [
        Outcome(status, None, "", 1, "", 0, 0, 0.0, "", "")
        for status, count in (("answered", answered), ("schema", failed))
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("answered", "failed", "share"),
    [
        (64, 0, 0.0),
        (60, 4, 0.1),
        (54, 10, 0.1),
        (1, 1, 0.1),
        (9, 1, 0.0001),
        (0, 64, 1.0),
        (0, 0, 0.1),
    ],
)
def test_what_may_be_chance_passes(answered: int, failed: int, share: float) -> None:
    refuse_hopeless(outcomes(answered, failed), share, PAGE)


@pytest.mark.parametrize(
    ("answered", "failed", "share"), [(63, 1, 0.0), (40, 24, 0.1), (0, 3, 0.1), (0, 10_000, 0.5)]
)
def test_what_is_none_ends_the_pilot(answered: int, failed: int, share: float) -> None:
    with pytest.raises(NotemillError, match=f"{failed} of the pilot's {answered + failed} texts"):
        refuse_hopeless(outcomes(answered, failed), share, PAGE)


@given(of=st.integers(1, 60), failed=st.integers(0, 60), share=st.integers(1, 99))
def test_the_chance_is_the_binomials(of: int, failed: int, share: int) -> None:
    each = Fraction(share, 100)
    exact = sum(
        comb(of, count) * each**count * (1 - each) ** (of - count)
        for count in range(max(failed, 0), of + 1)
    )
    assert at_least(failed, of, share / 100) == pytest.approx(float(exact), abs=1e-9)
