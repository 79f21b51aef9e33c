"""Two experiments on the same notes, of which some are one patient's."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notemill.statistics.pairs import mcnemar, mcnemar_clustered

few = st.integers(0, 4)


@given(st.integers(0, 40), st.integers(0, 40))
def test_of_patients_with_a_note_each_the_test_is_mcnemars(first, second):
    only_first = np.r_[np.ones(first), np.zeros(second), 0]
    only_second = np.r_[np.zeros(first), np.ones(second), 0]
    p = mcnemar_clustered(only_first, only_second)
    assert p == (None if not first + second else pytest.approx(mcnemar(first, second)))


@given(st.lists(st.tuples(few, few), min_size=1, max_size=7))
def test_p_is_the_share_of_all_ways_to_turn_the_signs_that_lie_as_far_apart(patients):
    only_first, only_second = np.array(patients).T
    p = mcnemar_clustered(only_first, only_second)
    if not only_first.any() and not only_second.any():
        assert p is None
        return
    surplus = only_second - only_first
    turned = [
        abs(int(surplus @ signs)) for signs in itertools.product((1, -1), repeat=len(surplus))
    ]
    apart = abs(int(surplus.sum()))
    assert p == pytest.approx(sum(each >= apart for each in turned) / len(turned))


def test_patients_who_flip_as_one_are_no_evidence_by_the_note():
    """Two equally good experiments, 30 patients of 6 notes of whom a third flips, each as one."""
    rng = np.random.default_rng(1)
    by_patient, by_note = [], []
    for _ in range(400):
        flips = rng.choice([-6, 0, 0, 0, 0, 6], size=30)
        first, second = np.maximum(-flips, 0), np.maximum(flips, 0)
        by_patient.append(mcnemar_clustered(first, second) or 1.0)
        by_note.append(mcnemar(int(first.sum()), int(second.sum())) or 1.0)
    assert np.mean(np.array(by_patient) < 0.05) <= 0.06
    assert np.mean(np.array(by_note) < 0.05) > 0.3
