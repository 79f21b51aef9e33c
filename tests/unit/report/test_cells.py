"""notemill.report.cells: what is told of counts, attacked by all that one could subtract."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notemill.report.cells import alone, is_small, matrix, merged_columns, partition
from notemill.report.count import Count, exactly

COUNTS = st.lists(st.one_of(st.integers(0, 12), st.integers(0, 60)), min_size=1, max_size=5)
TABLES = st.integers(2, 4).flatmap(
    lambda width: st.lists(
        st.lists(
            st.one_of(st.just(0), st.integers(0, 12), st.integers(0, 900)),
            min_size=width,
            max_size=width,
        ),
        min_size=2,
        max_size=4,
    )
)


def given_away(cells: Sequence[int], told: Sequence[Count], smallest: int) -> list[int]:
    """Small cells that their sum, less all that is told of the others, says exactly."""
    total, found = sum(cells), []
    for place, (cell, count) in enumerate(zip(cells, told, strict=True)):
        others = [each for at, each in enumerate(told) if at != place]
        low = max(count.low, total - sum(each.high for each in others))
        high = min(count.high, total - sum(each.low for each in others))
        assert low <= cell <= high
        if is_small(cell, smallest) and low == high:
            found.append(cell)
    return found


@given(COUNTS)
def test_no_total_gives_a_small_part_away(parts: list[int]) -> None:
    told = partition(parts, 5)
    assert not [count for count in told if count.exact and is_small(count.low, 5)]
    if sum(part > 0 for part in parts) > 1:
        assert not given_away(parts, told, 5)


@given(TABLES)
def test_no_sum_of_a_row_or_a_column_gives_a_small_cell_away(rows: list[list[int]]) -> None:
    told = matrix(rows, 5)
    lines = [*zip(rows, told, strict=True)]
    lines += zip(zip(*rows, strict=True), zip(*told, strict=True), strict=True)  # type: ignore[arg-type]
    lines.append(([*chain(*rows)], [*chain(*told)]))
    for cells, counts in lines:
        assert not [count for count in counts if count.exact and is_small(count.low, 5)]
        if sum(cell > 0 for cell in cells) > 1:  # the only one of a line is its total
            assert not given_away(cells, counts, 5)


@given(TABLES)
def test_all_is_told_without_a_small_cell_or_where_they_may_be(rows: list[list[int]]) -> None:
    large = [[0 if count < 5 else count for count in row] for row in rows]
    assert matrix(large, 5) == [[exactly(count) for count in row] for row in large]
    for smallest in (0, 1):
        assert matrix(rows, smallest) == [[exactly(count) for count in row] for row in rows]


def test_a_small_count_is_told_as_such_and_the_next_smallest_as_a_range() -> None:
    assert partition([3990, 7, 3, 0], 5) == [
        exactly(3990),
        Count(low=6, high=9),
        Count(low=1, high=4),
        exactly(0),
    ]
    assert partition([3990, 4, 3], 5)[0] == exactly(3990)  # either may be 3 or 4
    assert alone(3, 5) == Count(low=1, high=4)


def test_a_table_has_ranges_in_its_rows_and_columns() -> None:
    small = Count(low=1, high=4)
    assert matrix([[97, 3, 0], [20, 180, 0], [60, 70, 80]], 5) == [
        [Count(low=96, high=99), small, exactly(0)],
        [Count(low=18, high=21), Count(low=179, high=182), exactly(0)],
        [Count(low=58, high=61), Count(low=69, high=72), exactly(80)],
    ]


@pytest.mark.parametrize("parts", [[2], [5, 3], [1, 1], [1, 2, 0], [5, 1, 1]])
def test_where_no_part_is_large_enough_none_is_told(parts: list[int]) -> None:
    assert not [count for count in partition(parts, 5) if count.exact and count.low]


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
