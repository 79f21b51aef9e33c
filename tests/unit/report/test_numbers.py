"""notemill.report.numbers"""

from __future__ import annotations

import pytest

from notemill.report.numbers import (
    count,
    figure,
    hours,
    listed,
    p_value,
    percent,
    scale,
    significant,
)
from notemill.statistics.figure import Figure, undefined


def test_numbers_are_printed_as_journals_have_them() -> None:
    assert [count(each) for each in (0, 12_345, -3)] == ["0", "12,345", "−3"]
    assert [significant(each) for each in (0.01234, 1.234, 1234.5, 0)] == [
        "0.0123",
        "1.23",
        "1,234",
        "0",
    ]
    assert [p_value(each) for each in (0.0123, 0.43, 0.0001, None)] == [
        "0.012",
        "0.43",
        "<0.001",
        "–",
    ]
    assert [hours(each) for each in (3.42, 0.2, 0.005)] == [
        "3.42 hours",
        "12 minutes",
        "18 seconds",
    ]
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"


def test_a_share_is_never_rounded_to_none_or_all() -> None:
    assert percent(0.5, 10) == "50%"
    assert percent(0.1234, 1000) == "12.3%"
    assert percent(1 / 10_000, 10_000) == "<0.1%"
    assert percent(9_999 / 10_000, 10_000) == ">99.9%"
    assert (percent(0, 10_000), percent(1, 10_000)) == ("0%", "100%")


def test_a_figure_has_its_interval_and_decimals_by_what_it_rests_on() -> None:
    known = Figure(value=0.9124, low=0.8812, high=0.9349, n=4_000)
    assert figure(known) == "0.912 (0.881 to 0.935)"
    assert figure(known.model_copy(update={"n": 400})) == "0.91 (0.88 to 0.93)"
    less = Figure(value=-0.0141, low=-0.02, high=0.0001, n=4_000)
    assert figure(less, signed=True) == "−0.014 (−0.020 to 0.000)"
    assert figure(undefined("no note is yes")) == "–"
    assert figure(Figure(value=0.5, n=3, why="too few")) == "0.50 (–)"


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.0, 1.0, ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        (0.88, 0.93, ["0.88", "0.90", "0.92", "0.94"]),
        (0.5, 0.5, None),
        (0.0, 12_345.0, ["0", "5,000", "10,000", "15,000"]),
    ],
)
def test_an_axis_has_nice_ticks_that_hold_its_values(
    low: float, high: float, labels: list[str] | None
) -> None:
    axis = scale(low, high)
    assert axis.low <= low
    assert axis.high >= high
    assert labels is None or [axis.label(tick) for tick in axis.ticks] == labels
    assert axis.at(axis.low) == 0
    assert axis.at(axis.high) == 100
    assert axis.at(axis.high * 10 + 1) == 100
