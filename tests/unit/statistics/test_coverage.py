"""How often a 95 % interval holds the truth, by simulation; seeded, so the same at each run.

A few hundred samples tell coverage to about a point and a half; docs/statistics.md has what larger
runs came to.
"""

import numpy as np
import pytest

from notemill.statistics import confusion
from notemill.statistics.figure import DRAWS
from notemill.statistics.measures import measured
from notemill.statistics.pairs import difference
from notemill.statistics.proportion import clustered_share, share
from notemill.statistics.resampling import resampled
from tests.unit.statistics.tables import held, patients, population, samples

FEW = 400
"""Draws of an interval here: their quantiles waver more, and hold half a point less."""


def shares_of_patients(
    number: int, notes: int, right: float, alike: float, times: int
) -> tuple[np.ndarray, np.ndarray]:
    """(times, 2) intervals of an accuracy: with patients named, and as if they were not."""
    rng = np.random.default_rng(number)
    named, alone = [], []
    for seed in range(times):
        hits, sizes = patients(rng, number, notes, right, alike)
        sums = resampled(np.stack([hits, sizes], axis=-1), seed, draws=FEW)
        figure = clustered_share(hits, sizes, sums[:, 0] / sums[:, 1])
        naive = share(hits.sum(), sizes.sum())
        named.append((figure.low, figure.high))
        alone.append((naive.low, naive.high))
    return np.array(named), np.array(alone)


@pytest.mark.parametrize(
    ("notes", "right", "least"),
    [(20, 0.5, 0.93), (50, 0.9, 0.93), (50, 0.98, 0.91), (400, 0.98, 0.93), (400, 0.995, 0.93)],
)
def test_wilsons_interval_holds_a_share_of_independent_notes(notes, right, least):
    hits = np.random.default_rng(1).binomial(notes, right, size=2000)
    intervals = {k: share(k, notes) for k in np.unique(hits)}
    holds, *_ = held(np.array([(intervals[k].low, intervals[k].high) for k in hits]), right)
    assert holds >= least


def test_naming_patients_holds_what_notes_taken_as_independent_do_not():
    """80 patients of 5 notes that err alike: Wilson's interval alone holds about 90.7 %."""
    named, alone = shares_of_patients(80, 5, right=0.85, alike=0.08, times=400)
    assert held(named, 0.85)[0] >= 0.935
    assert held(alone, 0.85)[0] <= 0.925


@pytest.mark.parametrize(
    ("number", "notes", "right", "alike"),
    [(8, 10, 0.8, 0.3), (20, 5, 0.9, 0.3), (80, 5, 0.98, 0.8), (300, 3, 0.95, 0.9)],
    ids=["8 patients", "20 patients", "few patients always wrong", "patients wrong as one"],
)
def test_it_holds_where_patients_are_few_or_err_as_one(number, notes, right, alike):
    named, alone = shares_of_patients(number, notes, right, alike, times=300)
    assert held(named, right)[0] >= 0.91
    assert held(alone, right)[0] < 0.88


def test_without_any_error_what_is_told_is_told_by_patients():
    """95 % of patients are wholly right, the others wholly wrong: often none of these is seen."""
    rng = np.random.default_rng(4)
    named = []
    for seed in range(300):
        sizes = np.full(30, 6)
        hits = np.where(rng.random(30) < 0.95, sizes, 0)
        sums = resampled(np.stack([hits, sizes], axis=-1), seed, draws=FEW)
        figure = clustered_share(hits, sizes, sums[:, 0] / sums[:, 1])
        named.append((figure.low, figure.high))
    assert held(np.array(named), 0.95)[0] >= 0.93


def scores(
    table: np.ndarray, notes: int, times: int
) -> dict[str, tuple[tuple[float, float, float], int]]:
    """Of each score, how its intervals held the population's value, and how many there were."""
    labels = [str(each) for each in range(len(table))]
    truths = {
        "kappa": float(confusion.kappa(table)),
        "ac1": float(confusion.ac1(table)),
        "macro_f1": float(confusion.macro_f1(table)),
        "f1": float(confusion.f1(table)[0]),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in truths}
    for seed, sample in enumerate(samples(table, notes, times)):
        counted = measured(sample, labels, seed=seed, draws=FEW).all
        for name, intervals in found.items():
            figure = counted.classes[0].f1 if name == "f1" else getattr(counted, name)
            if figure.low is not None and (name != "macro_f1" or (sample.sum(1) > 0).all()):
                intervals.append((figure.low, figure.high))
    return {
        name: (held(np.array(intervals), truths[name]), len(intervals))
        for name, intervals in found.items()
    }


@pytest.mark.parametrize(
    ("classes", "notes", "prevalence", "least"),
    [
        (2, 50, 0.5, 0.9),
        (2, 200, 0.02, 0.9),
        (2, 1000, 0.02, 0.9),
        (3, 50, 0.1, 0.9),
        (3, 200, 0.02, 0.9),
        (8, 50, 0.125, 0.86),
        (8, 200, 0.02, 0.88),
    ],
)
def test_agreement_beyond_chance_and_f1_are_held_with_rare_and_many_classes(
    classes, notes, prevalence, least
):
    table = population(classes, prevalence, first_right=0.85, others_right=0.95)
    for name, ((holds, *_), times) in scores(table, notes, times=200).items():
        assert times >= 25, name
        assert holds >= (least if name == "macro_f1" else 0.9), name


def test_it_holds_with_failures_counted_as_wrong():
    table = population(3, 0.2, first_right=0.85, others_right=0.95, failing=0.06)
    for name, ((holds, *_), _) in scores(table, 300, times=200).items():
        assert holds >= 0.92, name


def test_a_tables_figures_hold_where_notes_are_patients():
    """20 patients, 5 notes each, every patient's errors alike."""
    rng = np.random.default_rng(6)
    truths = {"accuracy": 0.85, "kappa": 0.7}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in truths}
    for seed in range(150):
        right = np.stack([patients(rng, 20, 5, 0.85, 0.3)[0] for _ in range(2)], axis=-1)
        clusters = np.zeros((20, 2, 3), int)
        clusters[:, [0, 1], [0, 1]] = right
        clusters[:, [0, 1], [1, 0]] = 5 - right
        table = clusters.sum(0)
        figures = measured(table, ["no", "yes"], clusters=clusters, seed=seed, draws=FEW)
        for name, intervals in found.items():
            figure = getattr(figures.answered, name)
            intervals.append((figure.low, figure.high))
    for name, truth in truths.items():
        assert held(np.array(found[name]), truth)[0] >= 0.91, name


@pytest.mark.parametrize(
    "shares",
    [(0.8, 0.06, 0.1, 0.04), (0.9, 0.01, 0.05, 0.04), (0.97, 0.01, 0.01, 0.01)],
    ids=["they differ", "they differ a little", "they hardly differ"],
)
@pytest.mark.parametrize("notes", [60, 400])
def test_a_paired_difference_is_held(shares, notes):
    truth = shares[2] - shares[1]
    intervals = []
    for seed, counts in enumerate(samples(np.array(shares), notes, times=300)):
        figure = difference(*map(int, counts), seed=seed, draws=FEW)
        intervals.append((figure.low, figure.high))
    assert held(np.array(intervals), truth)[0] >= 0.92


def test_a_paired_difference_is_held_where_patients_flip_as_one():
    """40 patients of 6 notes; taken as independent, the interval holds less than 80 %."""
    rng = np.random.default_rng(5)
    named, alone = [], []
    for seed in range(200):
        kinds = rng.choice(4, p=[0.8, 0.05, 0.12, 0.03], size=40)
        clusters = np.eye(4, dtype=int)[kinds] * 6
        counts = [int(each) for each in clusters.sum(0)]
        for intervals, given in ((named, clusters), (alone, None)):
            figure = difference(*counts, clusters=given, seed=seed, draws=FEW)
            intervals.append((figure.low, figure.high))
    assert held(np.array(named), 0.07)[0] >= 0.93
    assert held(np.array(alone), 0.07)[0] < 0.8


def test_intervals_are_of_as_many_draws_as_outputs_say():
    counts = np.arange(12).reshape(2, 2, 3)
    assert len(resampled(counts, seed=1)) == DRAWS
