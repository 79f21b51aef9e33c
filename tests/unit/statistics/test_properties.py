"""What holds of every table, however odd."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from notemill.statistics.confusion import f1
from notemill.statistics.figure import DRAWS, Figure
from notemill.statistics.measures import Counted, Measured, measured
from notemill.statistics.pairs import difference
from notemill.statistics.resampling import resampled

SCORES = ("accuracy", "kappa", "ac1", "macro_f1")
OF_A_CLASS = ("sensitivity", "specificity", "ppv", "npv", "f1")
few = settings(max_examples=25)
FEW = 400
"""Draws of an interval here."""


@st.composite
def tables(draw: st.DrawFn) -> np.ndarray:
    classes = draw(st.integers(1, 4))
    counts = st.sampled_from([0, 0, 0, 1, 2, 7, 150])
    return draw(arrays(np.int64, (classes, classes + 1), elements=counts))


@st.composite
def clustered(draw: st.DrawFn) -> np.ndarray:
    classes, patients = draw(st.integers(2, 3)), draw(st.integers(1, 9))
    counts = st.sampled_from([0, 0, 0, 0, 1, 2, 5])
    return draw(arrays(np.int64, (patients, classes, classes + 1), elements=counts))


def names(table: np.ndarray) -> list[str]:
    return [f"class {each}" for each in range(table.shape[-2])]


def figures_of(measures: Measured) -> list[tuple[str, Figure]]:
    found = [("coverage", measures.coverage)]
    for counted in (measures.answered, measures.all):
        found += [(name, getattr(counted, name)) for name in SCORES]
        for each in counted.classes:
            found += [(name, getattr(each, name)) for name in OF_A_CLASS]
    return found


def is_sound(measures: Measured) -> None:
    for name, figure in figures_of(measures):
        if figure.value is None:
            assert figure.why
            assert figure.low is figure.high is None
            continue
        least = -1 if name in ("kappa", "ac1") else 0
        assert least - 1e-12 <= figure.value <= 1 + 1e-12, name
        if figure.low is None or figure.high is None:
            assert figure.why
            continue
        assert least - 1e-12 <= figure.low <= figure.value <= figure.high <= 1 + 1e-12, name


@few
@given(tables())
def test_a_figure_lies_within_its_interval_and_that_within_its_bounds_or_it_says_why(table):
    is_sound(measured(table, names(table), draws=FEW))


@few
@given(clustered())
def test_so_it_is_with_patients(clusters):
    is_sound(measured(clusters.sum(0), names(clusters), clusters=clusters, draws=FEW))


@few
@given(tables())
def test_failures_counted_as_wrong_never_make_a_figure_better(table):
    measures = measured(table, names(table), draws=FEW)
    pairs = [(measures.answered.accuracy, measures.all.accuracy)]
    for answered, everything in zip(measures.answered.classes, measures.all.classes, strict=True):
        pairs += [(getattr(answered, name), getattr(everything, name)) for name in OF_A_CLASS]
    for answered, everything in pairs:
        if answered.value is not None:
            assert everything.value is not None
            assert everything.value <= answered.value + 1e-12


@few
@given(clustered())
def test_naming_patients_changes_no_value_and_narrows_no_interval(clusters):
    table = clusters.sum(0)
    alone = measured(table, names(table), draws=FEW)
    named = measured(table, names(table), clusters=clusters, draws=FEW)
    for (name, one), (_, other) in zip(figures_of(alone), figures_of(named), strict=True):
        assert one.value == other.value, name
        if one.low is not None and other.low is not None:
            assert other.low <= one.low, name
            assert other.high >= one.high, name


@few
@given(clustered(), st.randoms(use_true_random=False))
def test_in_whatever_order_patients_come_the_figures_are_the_same(clusters, random):
    order = random.sample(range(len(clusters)), len(clusters))
    table = clusters.sum(0)
    first = measured(table, names(table), clusters=clusters, draws=FEW)
    assert measured(table, names(table), clusters=clusters[order], draws=FEW) == first


@few
@given(tables(), st.randoms(use_true_random=False))
def test_classes_in_another_order_have_the_same_figures(table, random):
    order = random.sample(range(len(table)), len(table))
    moved = table[order][:, [*order, len(table)]]
    labels = names(table)
    first = measured(table, labels, draws=FEW)
    second = measured(moved, [labels[each] for each in order], draws=FEW)
    for counting in ("answered", "all"):
        one, other = getattr(first, counting), getattr(second, counting)
        assert [one.classes[each] for each in order] == other.classes
        assert one.accuracy == other.accuracy
        for name in ("kappa", "ac1", "macro_f1"):
            _are_alike(getattr(one, name), getattr(other, name))


def _are_alike(one: Figure, other: Figure) -> None:
    """The same, but for the draws that an interval is of."""
    assert (one.value is None) == (other.value is None)
    if one.value is not None:
        assert one.value == pytest.approx(other.value, abs=1e-12)
    if one.low is not None and other.low is not None:
        assert one.low == pytest.approx(other.low, abs=0.15)
        assert one.high == pytest.approx(other.high, abs=0.15)


@few
@given(tables())
def test_ten_times_the_notes_have_the_same_values_and_a_narrower_accuracy(table):
    few_notes, many = (
        measured(table, names(table), draws=FEW),
        measured(table * 10, names(table), draws=FEW),
    )
    for (name, one), (_, other) in zip(figures_of(few_notes), figures_of(many), strict=True):
        assert (one.value is None) == (other.value is None)
        assert one.value is None or one.value == pytest.approx(other.value, abs=1e-12), name
    accuracies = few_notes.answered.accuracy, many.answered.accuracy
    if accuracies[0].value is not None:
        assert accuracies[1].high - accuracies[1].low < accuracies[0].high - accuracies[0].low


@few
@given(*[st.integers(0, 60)] * 4)
def test_a_difference_turns_its_sign_with_the_experiments(both, first, second, neither):
    one = difference(both, first, second, neither)
    other = difference(both, second, first, neither)
    if not both + first + second + neither:
        assert one.value is None
        assert one.why
        return
    assert -1 <= one.low <= one.value <= one.high <= 1
    assert one.value == -other.value
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=0.03)


def test_one_seed_gives_one_interval_and_another_gives_a_like_one():
    table = np.array([[40, 6, 1], [5, 30, 2]])
    first = measured(table, ["no", "yes"], seed=3).all.kappa
    assert measured(table, ["no", "yes"], seed=3).all.kappa == first
    other = measured(table, ["no", "yes"], seed=4).all.kappa
    assert other != first
    assert (other.low, other.high) == pytest.approx((first.low, first.high), abs=0.02)


@pytest.mark.parametrize(
    ("table", "undefined"),
    [
        ([[0, 0, 0], [0, 0, 0]], {"accuracy", "kappa", "ac1", "macro_f1", *OF_A_CLASS}),
        ([[0, 0, 3], [0, 0, 4]], {"accuracy", "kappa", "ac1", "macro_f1", *OF_A_CLASS}),
        ([[9, 0, 0], [0, 0, 0]], {"kappa", *OF_A_CLASS}),
    ],
    ids=["no note", "only failures", "one class"],
)
def test_what_cannot_be_told_of_answered_notes_says_why(table, undefined):
    answered = measured(np.array(table), ["yes", "no"]).answered
    told = {name: getattr(answered, name) for name in SCORES}
    told |= {name: getattr(answered.classes[1], name) for name in OF_A_CLASS}
    for name, figure in told.items():
        if name in undefined and name not in ("specificity", "npv"):
            assert figure.value is None, name
            assert figure.why, name


def test_only_failures_are_all_wrong():
    figures = measured(np.array([[0, 0, 30], [0, 0, 40]]), ["yes", "no"])
    assert figures.coverage.value == 0
    assert figures.all.accuracy.value == 0
    yes = figures.all.classes[0]
    assert (yes.sensitivity.value, yes.specificity.value, yes.ppv.value, yes.npv.value) == (0,) * 4
    assert (yes.f1.value, figures.all.macro_f1.value, figures.all.kappa.value) == (0, 0, 0)


def test_one_class_alone_has_an_accuracy_and_no_agreement_beyond_chance():
    counted: Counted = measured(np.array([[30, 2]]), ["yes"]).all
    assert counted.accuracy.value == 30 / 32
    assert counted.ac1.why == "there is one class"


def test_classes_that_no_note_has_and_no_answer_says_change_nothing():
    table = np.array([[40, 6, 0], [5, 30, 0]])
    wider = np.zeros((4, 5), int)
    wider[:2, :2] = table[:, :2]
    one, other = measured(table, ["a", "b"]).answered, measured(wider, list("abcd")).answered
    for name in SCORES:
        assert getattr(one, name) == getattr(other, name)
    assert one.classes == other.classes[:2]


def test_readers_who_say_one_class_of_every_note_agree_by_ac1_and_not_by_kappa():
    answered = measured(np.array([[60, 0, 0], [0, 0, 0]]), ["no", "yes"]).answered
    assert answered.ac1.value == 1
    assert answered.ac1.low == pytest.approx(0.95, abs=0.03)
    assert answered.kappa.why == "all notes and answers are of one class"


def test_one_patient_alone_tells_nothing_of_others():
    clusters = np.array([[[40, 6, 1], [5, 30, 2]]])
    accuracy = measured(clusters[0], ["no", "yes"], clusters=clusters).all.accuracy
    assert (accuracy.low, accuracy.high) == pytest.approx((0, 1))


def test_each_note_its_own_patient_is_as_independent_as_none_named():
    table = np.array([[40, 6, 1], [5, 30, 2]])
    cells = np.repeat(np.arange(table.size), table.reshape(-1))
    clusters = np.eye(table.size, dtype=int)[cells].reshape(-1, *table.shape)
    alone = measured(table, ["no", "yes"]).all
    named = measured(table, ["no", "yes"], clusters=clusters).all
    for one, other in (
        (alone.accuracy, named.accuracy),
        (alone.kappa, named.kappa),
        (alone.classes[1].sensitivity, named.classes[1].sensitivity),
    ):
        assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=0.03)


@pytest.mark.parametrize("labels", [["a"], ["a", "b", "c"]])
def test_a_table_of_other_labels_is_refused(labels):
    with pytest.raises(ValueError, match="labels"):
        measured(np.array([[4, 1, 0], [2, 3, 0]]), labels)


def test_clusters_of_another_table_are_refused():
    with pytest.raises(ValueError, match="add up"):
        measured(np.array([[4, 1, 0], [2, 3, 0]]), ["a", "b"], clusters=np.ones((2, 2, 3), int))


@few
@given(clustered())
def test_resamplings_are_as_many_and_as_large_as_is_said(clusters):

    assume(clusters.sum())
    drawn = resampled(clusters, seed=1)
    assert drawn.shape == (DRAWS, *clusters.shape[1:])
    assert drawn.mean(0) == pytest.approx(clusters.sum(0), abs=0.2 * clusters.max() * 3 + 1e-9)


def test_a_table_without_a_column_for_failures_is_refused():
    with pytest.raises(ValueError, match="no column"):
        f1(np.array([[4, 1], [2, 3]]))


def test_a_rare_class_that_was_never_hit_may_still_be_one_that_is_found():
    """One note of it and one alarm: that its F1 is 0 is hardly known, and so the mean of three."""
    table = np.array([[0, 1, 0, 0], [1, 30, 1, 0], [0, 1, 16, 0]])
    macro = measured(table, list("abc")).answered.macro_f1
    assert macro.value == pytest.approx(0.626, abs=0.001)
    assert macro.high > 0.85
