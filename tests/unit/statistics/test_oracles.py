"""Every figure against the library, or the published figure, that a statistician would check."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    precision_recall_fscore_support,
)
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of_statsmodels
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from notemill.statistics.confusion import ac1, kappa
from notemill.statistics.figure import Figure
from notemill.statistics.measures import measured
from notemill.statistics.pairs import difference, mcnemar
from notemill.statistics.proportion import share

READERS = np.array([[90, 3, 0], [4, 3, 0]])
"""Two readers: agreement 93 %, kappa .42 (.07 to .78), AC1 .92."""
LABELS = ["none", "viral", "bacterial"]


def notes(seed: int, classes: int, failing: float) -> tuple[np.ndarray, np.ndarray]:
    """Right values and answers of 300 notes; the class after the last is no answer."""
    rng = np.random.default_rng(seed)
    right = rng.choice(classes, size=300, p=np.r_[0.7, [0.3 / (classes - 1)] * (classes - 1)])
    said = np.where(rng.random(300) < 0.8, right, rng.integers(classes, size=300))
    return right, np.where(rng.random(300) < failing, classes, said)


def table_of(right: np.ndarray, said: np.ndarray, classes: int) -> np.ndarray:
    table = np.zeros((classes, classes + 1), int)
    np.add.at(table, (right, said), 1)
    return table


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (1, 3), (7, 400), (399, 400), (50, 100)])
def test_a_share_has_the_interval_of_scipy_and_statsmodels(k, n):
    figure = share(k, n)
    scipys = binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert (figure.value, figure.n) == (k / n, n)
    assert (figure.low, figure.high) == pytest.approx(tuple(scipys), abs=1e-12)
    assert (figure.low, figure.high) == pytest.approx(
        proportion_confint(k, n, method="wilson"), abs=1e-12
    )


@pytest.mark.parametrize("classes", [2, 3, 8])
def test_classes_are_scored_as_scikit_learn_scores_them(classes):
    right, said = notes(classes, classes, failing=0.0)
    figures = measured(table_of(right, said, classes), [str(each) for each in range(classes)])
    precision, recall, f1, _ = precision_recall_fscore_support(right, said)
    *_, macro, _ = precision_recall_fscore_support(right, said, average="macro")
    for counted in (figures.answered, figures.all):
        assert [each.ppv.value for each in counted.classes] == pytest.approx(precision)
        assert [each.sensitivity.value for each in counted.classes] == pytest.approx(recall)
        assert [each.f1.value for each in counted.classes] == pytest.approx(f1)
        assert counted.macro_f1.value == pytest.approx(macro)
        assert counted.accuracy.value == pytest.approx(accuracy_score(right, said))
        assert counted.kappa.value == pytest.approx(cohen_kappa_score(right, said))
    assert np.array(figures.table)[:, :-1].tolist() == confusion_matrix(right, said).tolist()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_specificity_and_npv_are_the_other_classes_recall_and_precision(which):
    right, said = notes(3, 3, failing=0.0)
    (precision, _), (recall, _), _, _ = precision_recall_fscore_support(
        right == which, said == which
    )
    figures = measured(table_of(right, said, 3), LABELS).answered.classes[which]
    assert (figures.npv.value, figures.specificity.value) == pytest.approx((precision, recall))


def test_no_answer_is_to_kappa_accuracy_and_f1_what_an_unknown_class_is_to_scikit_learn():
    right, said = notes(1, 3, failing=0.1)
    figures = measured(table_of(right, said, 3), LABELS).all
    _, recall, f1, _ = precision_recall_fscore_support(right, said, labels=[0, 1, 2])
    assert figures.accuracy.value == pytest.approx(accuracy_score(right, said))
    assert figures.kappa.value == pytest.approx(cohen_kappa_score(right, said))
    assert [each.f1.value for each in figures.classes] == pytest.approx(f1)
    assert [each.sensitivity.value for each in figures.classes] == pytest.approx(recall)
    assert figures.macro_f1.value == pytest.approx(f1.mean())


def test_answered_notes_are_scored_as_if_the_others_were_not_there():
    right, said = notes(2, 3, failing=0.2)
    kept = said < 3
    alone = measured(table_of(right[kept], said[kept], 3), LABELS)
    assert measured(table_of(right, said, 3), LABELS).answered == alone.answered


def test_two_readers_agree_as_was_published():
    figures = measured(READERS, ["no", "yes"]).answered
    assert figures.accuracy.value == pytest.approx(0.93)
    assert figures.kappa.value == pytest.approx(cohens_kappa(READERS[:, :2]).kappa)
    assert figures.kappa.value == pytest.approx(0.42, abs=0.005)
    assert figures.ac1.value == pytest.approx(0.92, abs=0.005)
    # The published interval is symmetric by its formula; with ten notes that differ it is not.
    assert figures.kappa.low == pytest.approx(0.07, abs=0.08)
    assert figures.kappa.high == pytest.approx(0.78, abs=0.08)


def test_kappas_interval_is_about_that_of_its_large_sample_variance():
    table = np.array([[400, 30, 10], [20, 300, 25], [15, 20, 180]])
    oracle = cohens_kappa(table)
    figure = measured(np.c_[table, [0, 0, 0]], LABELS).answered.kappa
    assert (figure.low, figure.high) == pytest.approx(
        (oracle.kappa_low, oracle.kappa_upp), abs=0.004
    )


def test_ac1_is_gwets_formula():
    table = np.array([[40, 5, 2, 0], [3, 20, 4, 0], [1, 2, 23, 0]])
    n = table.sum()
    mean = (table.sum(1) + table.sum(0)[:3]) / 2 / n
    chance = (mean * (1 - mean)).sum() / 2
    agreed = np.trace(table[:, :3]) / n
    assert float(ac1(table)) == pytest.approx((agreed - chance) / (1 - chance))


def test_a_failure_more_never_raises_ac1():
    """Were no answer a category, one failure of a thousand would raise it from .80 to .86."""
    table = np.array([[450, 50, 0], [50, 450, 0]])
    before = float(ac1(table))
    for failures in (1, 10, 100, 1000):
        table[:, 2] = failures // 2, failures - failures // 2
        assert float(ac1(table)) < before
        before = float(ac1(table))


def test_kappa_of_nothing_but_failures_is_that_of_chance():
    assert float(kappa(np.array([[0, 0, 6], [0, 0, 4]]))) == 0


@pytest.mark.parametrize(("first", "second"), [(0, 1), (3, 9), (12, 12), (40, 2)])
def test_mcnemar_is_the_exact_one_of_statsmodels(first, second):
    oracle = mcnemar_of_statsmodels([[50, first], [second, 7]], exact=True)
    assert mcnemar(first, second) == pytest.approx(oracle.pvalue)
    assert mcnemar(second, first) == pytest.approx(oracle.pvalue)


def test_mcnemar_has_nothing_to_say_where_both_are_right_on_the_same_notes():
    assert mcnemar(0, 0) is None


def test_a_paired_differences_interval_is_about_walds_where_that_holds():
    figure = difference(600, 90, 130, 180)
    deviation = np.sqrt((90 + 130) / 1000 - 0.04**2) / np.sqrt(1000)
    assert figure.value == pytest.approx(0.04)
    assert (figure.low, figure.high) == pytest.approx(
        (0.04 - 1.96 * deviation, 0.04 + 1.96 * deviation), abs=0.002
    )


def test_a_worst_case_is_what_a_table_by_hand_says():
    """60 positive notes: 50 said, 6 not, 4 without an answer; 40 negative: 3 said, 35 not, 2."""
    figures = measured(np.array([[50, 6, 4], [3, 35, 2]]), ["yes", "no"])
    worst, best = figures.all.classes[0], figures.answered.classes[0]
    shares = {
        "sensitivity": ((50, 56), (50, 60)),
        "specificity": ((35, 38), (35, 40)),
        "ppv": ((50, 53), (50, 55)),
        "npv": ((35, 41), (35, 45)),
    }
    for name, (of_answered, of_all) in shares.items():
        assert _counts(getattr(best, name)) == pytest.approx(of_answered)
        assert _counts(getattr(worst, name)) == pytest.approx(of_all)
    assert best.f1.value == pytest.approx(100 / 109)
    assert worst.f1.value == pytest.approx(100 / 113)
    assert _counts(figures.coverage) == pytest.approx((94, 100))
    assert (figures.answered.accuracy.value, figures.all.accuracy.value) == (85 / 94, 85 / 100)


def _counts(figure: Figure) -> tuple[float, float]:
    return figure.value * figure.n, figure.n
