"""notemill.audit.allocation"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notemill.audit.allocation import allocated, for_precision, half_width
from notemill.audit.population import Count, Ending

COUNTS = st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5)), min_size=1, max_size=8)


def counts(*texts_and_notes: tuple[int, int]) -> dict[Ending, Count]:
    """Strata of so many texts, each of which so many notes have."""
    return {
        Ending(str(number), None): Count(texts, texts * notes, texts * notes**2)
        for number, (texts, notes) in enumerate(texts_and_notes)
    }


@given(COUNTS, st.integers(1, 8000))
def test_as_many_texts_are_read_as_were_asked_for(
    strata: list[tuple[int, int]], total: int
) -> None:
    its = counts(*strata)
    sizes = allocated(its, total)
    assert sum(sizes.values()) == min(total, sum(each.texts for each in its.values()))
    for key, size in sizes.items():
        assert min(its[key].texts, 30, total // len(its)) <= size <= its[key].texts


def test_half_goes_to_all_strata_alike_and_half_by_their_notes() -> None:
    sizes = allocated(counts((100_000, 1), (4_000, 1)), 400)
    assert list(sizes.values()) == [293, 107]


def test_the_precision_is_that_of_a_simulated_accuracy() -> None:
    its = counts((9_000, 1), (1_000, 1))
    sizes = for_precision(its, 0.05)
    assert half_width(its, sizes) <= 0.05
    one_less = allocated(its, sum(sizes.values()) - 1)
    assert half_width(its, one_less) > 0.05
    rng = np.random.default_rng(1)
    means = sum(
        each.notes
        / 10_000
        * rng.hypergeometric(each.texts * 4 // 5, each.texts // 5, sizes[key], 20_000)
        / sizes[key]
        for key, each in its.items()
    )
    assert 1.96 * np.std(means) == pytest.approx(half_width(its, sizes), rel=0.03)


@given(COUNTS, st.floats(0.001, 0.5))
def test_any_precision_is_reached_at_the_latest_when_all_is_read(
    strata: list[tuple[int, int]], precision: float
) -> None:
    its = counts(*strata)
    assert half_width(its, for_precision(its, precision)) <= precision


def test_texts_of_unlike_weights_need_more_reading() -> None:
    alike = {Ending("a", None): Count(10_000, 20_000, 40_000)}
    unlike = {Ending("a", None): Count(10_000, 20_000, 400_000)}
    more, fewer = (sum(for_precision(each, 0.05).values()) for each in (unlike, alike))
    assert more > 5 * fewer
