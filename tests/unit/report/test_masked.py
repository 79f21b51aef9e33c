"""notemill.report.masked: figures of right values against answers give no small cell away."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from notemill.report.count import Count, exactly
from notemill.report.masked import measured_told, wrong_told
from notemill.report.quality import ChoicesMeasured
from notemill.report.shares import at_least, rough, share_told
from notemill.statistics.figure import Figure
from notemill.statistics.measures import measured
from notemill.statistics.proportion import share

LABELS = ["yes", "no"]


def told(table: list[list[int]], smallest: int = 5) -> ChoicesMeasured:
    return measured_told(measured(np.array(table), LABELS), smallest)


def test_a_table_without_small_cells_is_told_with_all_its_figures() -> None:
    of = measured(np.array([[90, 10, 0], [5, 95, 5]]), LABELS)
    shown = measured_told(of, 5)
    assert shown.table and shown.table.cells[0] == [exactly(90), exactly(10), exactly(0)]
    assert (shown.answered, shown.all, shown.coverage) == (of.answered, of.all, of.coverage)


def test_whatever_the_small_cells_are_the_same_is_told() -> None:
    published = told([[97, 3, 0], [2, 198, 1]])
    for missed, alarm, failed in product((1, 4), repeat=3):
        other = [[100 - missed, missed, 0], [alarm, 201 - alarm - failed, failed]]
        assert told(other) == published


def test_a_figure_of_a_small_cell_is_told_as_far_as_the_cells_are() -> None:
    shown = told([[97, 3, 0], [20, 180, 0]])
    assert shown.table
    assert shown.table.cells[0] == [Count(low=96, high=99), Count(low=1, high=4), exactly(0)]
    yes = shown.answered.classes[0]
    assert yes.sensitivity.value is None
    assert yes.sensitivity.why.startswith("between 0.96 and 0.99")
    assert shown.answered.accuracy.value is None  # 23 errors less the 20 others
    assert shown.answered.classes[1].sensitivity.value is None or yes.ppv.value is None


def test_all_is_told_where_small_counts_may_be() -> None:
    assert told([[97, 3, 0], [2, 198, 1]], 0).answered.accuracy.value is not None


@pytest.mark.parametrize("k", [1, 4, 96, 99])
def test_a_share_of_few_or_of_all_but_few_is_a_range(k: int) -> None:
    shown = share_told(share(k, 100), 5)
    assert shown.value is None
    same = {share_told(share(each, 100), 5) for each in ((1, 2, 3, 4) if k < 50 else (96, 99))}
    assert len(same) == 1


def test_shares_of_many_stay_as_they_are() -> None:
    for k in (0, 5, 50, 95, 100):
        assert share_told(share(k, 100), 5) == share(k, 100)
    assert share_told(share(2, 3), 5).value is None


def test_parts_of_the_same_notes_give_none_of_the_others_away() -> None:
    published = wrong_told([30, 3, 12], [100, 50, 80], 5)
    assert published[2].value == pytest.approx(1 - 12 / 80)
    for x in range(1, 5):
        assert wrong_told([33 - x, x, 12], [100, 50, 80], 5) == published


def test_rough_figures_hold_the_interval() -> None:
    figure = rough(Figure(value=0.9849, low=0.9612, high=0.9961, n=200))
    assert (figure.value, figure.low, figure.high, figure.n) == (0.98, 0.96, 1.0, 0)
    assert at_least(share(197, 200)).why.startswith("at least 95%")
