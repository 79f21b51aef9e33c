"""Agreement of two answers, and means, over notes of which some have one text."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from notemill.statistics.agreement import Agreement, CrossTable, paired
from notemill.statistics.clustering import worth
from notemill.statistics.figure import Figure
from notemill.statistics.proportion import clustered_share
from notemill.statistics.ratio import Ratio
from notemill.statistics.resampling import resampled

LABELS = ["a", "b", "c"]


def table_of(rows: np.ndarray, columns: np.ndarray, sizes: np.ndarray) -> CrossTable:
    """A text a place: its cell, of which the last row and column are no answer, and its notes."""
    kinds, texts = np.unique(np.stack([rows * 4 + columns, sizes]), axis=1, return_counts=True)
    return CrossTable(4, kinds[0], kinds[1], texts)


def of_texts(seed: int, texts: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 3, texts)
    columns = np.where(rng.random(texts) < 0.7, rows, rng.integers(0, 4, texts))
    return rows, columns, rng.integers(1, 4, texts)


def width(figure: Figure) -> float:
    assert figure.low is not None
    assert figure.high is not None
    return figure.high - figure.low


def test_kappa_is_scikit_learns_on_notes_that_both_answered() -> None:
    rows, columns, sizes = of_texts(1)
    both = columns < 3
    told = paired(table_of(rows, columns, sizes), LABELS)
    notes = np.repeat(rows[both], sizes[both]), np.repeat(columns[both], sizes[both])
    assert told.answered.kappa.value == pytest.approx(cohen_kappa_score(*notes))


def test_ac1_is_gwets_own_example() -> None:
    """Two readers that agree in 93 of 100: kappa 0.42, AC1 0.92 (docs of the figures)."""
    rows, columns = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], [90, 3, 4, 3], axis=0).T
    cells, texts = np.unique(rows * 3 + columns, return_counts=True)
    told = paired(CrossTable(3, cells, np.ones(len(cells), int), texts), ["a", "b"]).answered
    assert told.agreement.value == pytest.approx(0.93)
    assert told.kappa.value == pytest.approx(0.4244, abs=1e-4)
    assert told.ac1.value == pytest.approx(0.9203, abs=1e-4)


def test_a_class_that_neither_says_leaves_ac1_and_its_interval_as_they_are() -> None:
    """A choice of the schema that nobody used makes no chance agreement less likely."""
    rows, columns = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], [45, 5, 5, 45], axis=0).T
    told = []
    for classes in (2, 3, 8):
        side = classes + 1
        cells, texts = np.unique(rows * side + columns, return_counts=True)
        table = CrossTable(side, cells, np.ones(len(cells), int), texts)
        told.append(paired(table, [str(each) for each in range(classes)]).answered.ac1)
    assert told[0].value == pytest.approx(0.8)
    assert told[1] == told[2] == told[0]


def test_a_note_that_either_failed_on_is_one_they_do_not_agree_on_even_if_both_did() -> None:
    rows, columns = np.array([0, 0, 3, 3]), np.array([0, 3, 0, 3])
    told = paired(table_of(rows, columns, np.ones(4, int)), LABELS)
    assert (told.answered.agreement.value, told.answered.agreement.n) == (1, 1)
    assert (told.all.agreement.value, told.all.agreement.n) == (1 / 4, 4)


def test_a_failure_raises_no_measure_of_all_notes() -> None:
    rows, columns, sizes = of_texts(2)
    columns = np.where(columns == 3, 0, columns)
    without = paired(table_of(rows, columns, sizes), LABELS).all
    same = np.flatnonzero(rows == columns)[:5]
    columns[same] = 3
    with_failures = paired(table_of(rows, columns, sizes), LABELS).all
    for measure in Agreement.model_fields:
        assert getattr(with_failures, measure).value < getattr(without, measure).value


def test_texts_of_one_kind_are_counted_as_if_each_was_named() -> None:
    rng = np.random.default_rng(3)
    hits, sizes = np.array([0, 1, 0, 2, 3, 1]), np.array([1, 1, 2, 2, 3, 3])
    alike = rng.integers(1, 30, 6)
    each_hits, each_sizes = np.repeat(hits, alike), np.repeat(sizes, alike)
    p = each_hits.sum() / each_sizes.sum()
    variance = p * (1 - p)
    assert worth(hits, sizes, variance, alike=alike) == pytest.approx(
        worth(each_hits, each_sizes, variance)
    )
    draws = np.array([0.3, 0.5])
    told = clustered_share(hits, sizes, draws, alike=alike)
    assert told.value == clustered_share(each_hits, each_sizes, draws).value
    assert width(told) == pytest.approx(width(clustered_share(each_hits, each_sizes, draws)))


def test_resampled_kinds_are_resampled_texts() -> None:
    rows, columns, sizes = of_texts(4)
    table = table_of(rows, columns, sizes)
    notes = np.zeros((len(rows), 4, 4))
    notes[np.arange(len(rows)), rows, columns] = sizes
    assert np.array_equal(notes.sum(0), table.of_notes())
    kinds = np.concatenate(list(table.resampled(1)))
    texts = resampled(notes, 2)
    assert kinds.mean(0) == pytest.approx(texts.mean(0), abs=0.6)
    assert kinds.std(0) == pytest.approx(texts.std(0), rel=0.1, abs=0.2)


def test_notes_of_one_text_tell_less_than_as_many_texts() -> None:
    rows, columns, _ = of_texts(5)
    tenfold = paired(table_of(rows, columns, np.full(len(rows), 10)), LABELS)
    apart = paired(
        table_of(np.tile(rows, 10), np.tile(columns, 10), np.ones(10 * len(rows), int)), LABELS
    )
    for measure in Agreement.model_fields:
        one, other = getattr(tenfold.answered, measure), getattr(apart.answered, measure)
        assert one.value == pytest.approx(other.value)
        assert width(one) > 2.5 * width(other)
    assert width(tenfold.classes[0].difference) > 2.5 * width(apart.classes[0].difference)


def test_a_difference_of_classes_covers_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100 simulated pairs of experiments over texts with one to three notes, 90 % at least; of
    600 once, 94 %."""
    monkeypatch.setattr("notemill.statistics.agreement.DRAWS", 300)
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        rows = (rng.random(150) < 0.7).astype(int)
        columns = np.where(rng.random(150) < 0.85, rows, (rng.random(150) < 0.5).astype(int))
        told = paired(table_of(rows, columns, rng.integers(1, 4, 150)), LABELS, seed=seed).classes[
            1
        ]
        # A tenth and a half of the texts are said anew, half of them to be of class 1.
        truth = 0.15 * (0.5 - 0.7)
        assert told.difference.low is not None
        assert told.difference.high is not None
        held += told.difference.low <= truth <= told.difference.high
    assert held >= 0.9 * 100


def test_a_mean_over_texts_covers_the_truth() -> None:
    held = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 4, 60)
        ratio = Ratio()
        values = rng.normal(1.5, 4, 60)
        ratio.add(values[:20] * sizes[:20], sizes[:20])
        ratio.add(values[20:] * sizes[20:], sizes[20:])
        told = ratio.figure(float(sizes.sum()), why="")
        assert told.low is not None
        assert told.high is not None
        held += told.low <= 1.5 <= told.high
    assert held >= 0.93 * 1000


def test_a_mean_that_is_the_same_of_all_texts_has_no_interval_of_nothing() -> None:
    ratio = Ratio()
    assert ratio.figure(0, why="nothing").why == "nothing"
    ratio.add(np.array([2.0, 4.0]), np.array([1, 2]))
    told = ratio.figure(3, why="")
    assert (told.value, told.low) == (2, None)
    assert told.why
    ratio = Ratio()
    ratio.add(np.ones(30), np.ones(30))
    told = ratio.between_0_and_1(30, why="")
    assert told.value == 1
    assert told.low == pytest.approx(0.8865, abs=1e-3)
