"""Numbers and lists against right ones: by hand, against oracles, and coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.metrics import mean_absolute_error, precision_recall_fscore_support
from statsmodels.stats.proportion import proportion_confint

from notemill.statistics import grouped
from notemill.statistics.figure import Figure
from notemill.statistics.items import measured_items
from notemill.statistics.numbers import measured_numbers

NAN = float("nan")


def ages(n: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    right = rng.integers(20, 90, n).astype(float)
    return right, right + rng.integers(-3, 4, n)


def test_the_mean_absolute_error_is_scikit_learns() -> None:
    right, said = ages(200)
    measured = measured_numbers(right, said, np.ones(200, bool), tolerance=2)
    assert measured.absolute_error.value == pytest.approx(mean_absolute_error(right, said))
    assert measured.bias.value == pytest.approx(np.mean(said - right))
    within = int((abs(said - right) <= 2).sum())
    low, high = proportion_confint(within, 200, method="wilson")
    assert (measured.all.within.low, measured.all.within.high) == pytest.approx((low, high))


def test_the_interval_of_clustered_errors_is_that_of_a_robust_regression_or_wider() -> None:
    """statsmodels' cluster-robust standard error of a mean, with Student's t."""
    rng = np.random.default_rng(5)
    patients = np.repeat(np.arange(30), 6)
    right = np.full(180, 50.0)
    said = right + rng.normal(0, 3, 30)[patients] + rng.normal(0, 1, 180)
    measured = measured_numbers(right, said, np.ones(180, bool), clusters=patients)
    fit = sm.OLS(said - right, np.ones(180)).fit(
        cov_type="cluster", cov_kwds={"groups": patients}, use_t=True
    )
    low, high = fit.conf_int()[0]
    assert measured.bias.low is not None and measured.bias.high is not None
    assert measured.clusters == 30
    assert measured.bias.low <= low + 0.01
    assert measured.bias.high >= high - 0.01
    assert width(measured.bias) < 1.2 * (high - low)


def test_no_number_is_right_where_there_is_none_and_wrong_where_there_is() -> None:
    right = np.array([NAN, NAN, 5.0, 5.0, 5.0])
    said = np.array([NAN, 4.0, NAN, 5.0, NAN])
    answered = np.array([True, True, True, True, False])
    measured = measured_numbers(right, said, answered)
    assert (measured.answered.exact.value, measured.answered.exact.n) == (0.5, 4)
    assert (measured.all.exact.value, measured.all.exact.n) == (0.4, 5)
    assert (measured.absolute_error.value, measured.absolute_error.n) == (0.0, 1)
    assert measured.coverage.value == 0.8


def test_a_tolerance_is_not_missed_by_the_last_bit_of_a_float() -> None:
    right, said = np.array([0.2, 0.2]), np.array([0.3, 0.31])
    measured = measured_numbers(right, said, np.ones(2, bool), tolerance=0.1)
    assert measured.all.within.value == 0.5


@pytest.mark.parametrize(
    ("right", "said", "answered", "why"),
    [
        ([], [], [], "no note has a number"),
        ([1.0], [NAN], [False], "no note has a number"),
        ([1.0], [3.0], [True], "too few notes for an interval"),
        ([1.0, 2.0], [3.0, 4.0], [True, True], "all are alike"),
    ],
)
def test_an_error_that_can_not_be_told_says_why(
    right: list[float], said: list[float], answered: list[bool], why: str
) -> None:
    measured = measured_numbers(np.array(right), np.array(said), np.array(answered, bool))
    assert measured.absolute_error.low is None
    assert measured.absolute_error.why.startswith(why)


def test_items_of_one_choice_each_are_scikit_learns() -> None:
    rng = np.random.default_rng(6)
    right, said = rng.random((2, 300, 4)) < 0.4
    counts = np.stack([right.sum(1), said.sum(1), (right & said).sum(1)], -1)
    measured = measured_items(counts, np.ones(300, bool))
    precision, recall, f1, _ = precision_recall_fscore_support(right, said, average="micro")
    assert measured.all.precision.value == pytest.approx(precision)
    assert measured.all.recall.value == pytest.approx(recall)
    assert measured.all.f1.value == pytest.approx(f1)
    assert measured.all.exact.value == pytest.approx(np.mean((right == said).all(1)))


def test_lists_without_items_are_exact_and_have_no_precision() -> None:
    measured = measured_items(np.zeros((3, 3)), np.ones(3, bool))
    assert measured.all.exact.value == 1.0
    assert measured.all.precision.why == "no item was answered"
    assert measured.all.recall.why == "no note has a right item"
    assert measured_items(np.zeros((0, 3)), np.ones(0, bool)).all.exact.why


def test_perfect_lists_of_few_notes_are_not_told_as_certain() -> None:
    counts = np.full((3, 3), 10)
    recall = measured_items(counts, np.ones(3, bool)).all.recall
    assert (recall.value, recall.n) == (1.0, 30)
    assert recall.low is not None and recall.low < 0.6


def held(figures: list[Figure], truth: float) -> float:
    assert all(f.low is not None and f.high is not None for f in figures)
    return float(np.mean([(f.low or 0.0) <= truth <= (f.high or 0.0) for f in figures]))


@pytest.fixture
def _fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = grouped.resampled
    monkeypatch.setattr(grouped, "resampled", lambda counts, seed: drawn(counts, seed, 200))


@pytest.mark.usefixtures("_fewer_draws")
def test_intervals_of_errors_and_items_hold_where_patients_differ() -> None:
    rng = np.random.default_rng(1)
    errors, recalls = [], []
    patients = np.repeat(np.arange(40), 5)
    for _ in range(150):
        scale = rng.gamma(2.0, 1.0, 40)[patients]
        said = rng.exponential(scale)  # the mean error is that of the scales: 2
        measured = measured_numbers(np.zeros(200), said, np.ones(200, bool), clusters=patients)
        errors.append(measured.absolute_error)
        able = rng.beta(8, 2, 40)[patients]  # 0.8 on average
        right = rng.poisson(2, 200)
        hits = rng.binomial(right, able)
        items = measured_items(
            np.stack([right, hits, hits], -1), np.ones(200, bool), clusters=patients
        )
        recalls.append(items.all.recall)
    assert held(errors, 2.0) >= 0.9
    assert held(recalls, 0.8) >= 0.93


def width(figure: Figure) -> float:
    assert figure.low is not None and figure.high is not None
    return figure.high - figure.low
