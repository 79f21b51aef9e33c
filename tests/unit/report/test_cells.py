"""notemill.report.cells: what is told of counts, attacked by all that an attacker could add up."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from notemill.report.cells import alone, is_small, merged_columns, partition
from notemill.report.count import Count, exactly

COUNTS = st.lists(st.one_of(st.integers(0, 12), st.integers(0, 60)), min_size=1, max_size=5)


def worlds(parts: list[int], hidden: list[int], which: int, smallest: int) -> list[list[int]]:
    """All parts with the same total whose small ones have other small values, `which` making up."""
    small = [place for place, count in enumerate(parts) if is_small(count, smallest)]
    found = []
    for values in product(range(1, smallest), repeat=len(small) + len(hidden)):
        other = list(parts)
        for place, value in zip(small, values, strict=False):
            other[place] = value
        freed = sum(parts) + sum(hidden) - sum(values[len(small) :]) - sum(other)
        other[which] += freed
        found.append([*other, *values[len(small) :]])
    return found


@given(COUNTS, st.lists(st.integers(1, 3), max_size=2), st.integers(2, 4))
def test_every_small_count_may_still_have_every_small_value(
    parts: list[int], hidden: list[int], smallest: int
) -> None:
    hidden = [count for count in hidden if count < smallest]
    told = partition(parts, smallest, hidden).counts
    for count, published in zip(parts, told, strict=True):
        assert published.low <= count <= published.high
        assert not (is_small(count, smallest) and published.exact and smallest > 2)
    ranged = [p for p, c in enumerate(told) if not c.exact and c.low >= smallest]
    if len(ranged) != 1:
        return
    # Whatever else the small ones were, the very same would have been published.
    for world in worlds(parts, hidden, ranged[0], smallest):
        other, other_hidden = world[: len(parts)], world[len(parts) :]
        assert min(other) >= 0
        assert partition(other, smallest, other_hidden).counts == told


@given(COUNTS)
def test_without_a_small_count_all_are_told(parts: list[int]) -> None:
    large = [0 if count < 5 else count for count in parts]
    assert partition(large, 5).counts == [exactly(count) for count in large]
    assert partition(parts, 0).counts == partition(parts, 1).counts == [exactly(c) for c in parts]


def test_a_small_count_is_told_as_such_and_the_first_large_one_as_a_range() -> None:
    told = partition([3990, 7, 3], 5)
    assert told.counts == [Count(low=3989, high=3992), exactly(7), Count(low=1, high=4)]
    assert told.below(0) == (3,)
    assert told.below(1) == ()


def test_a_total_that_is_a_range_is_no_sum_of_exact_parts() -> None:
    answered = partition([96, 4], 5)
    classes = partition([60, 36], 5, answered.below(0)).counts
    assert classes == [Count(low=60, high=63), exactly(36)]


def test_where_no_part_is_large_enough_none_is_told() -> None:
    assert partition([5, 3], 5).counts == [Count(low=0, high=8)] * 2
    assert partition([2], 5).counts == [Count(low=0, high=4)]
    assert alone(3, 5) == Count(low=1, high=4)


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=6, max_size=6), min_size=1, max_size=3),
    st.integers(2, 6),
)
def test_neighbours_are_told_as_one_until_no_cell_is_small(
    rows: list[list[int]], smallest: int
) -> None:
    table = np.array(rows)
    slices = merged_columns(table, smallest)
    assert [each.start for each in slices[1:]] == [each.stop for each in slices[:-1]]
    assert (slices[0].start, slices[-1].stop) == (0, 6)
    for each in slices if len(slices) > 1 else []:
        assert not any(is_small(int(cell), smallest) for cell in table[:, each].sum(-1))
