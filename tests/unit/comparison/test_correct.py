"""notemill.comparison.correct: which of the two is right, by an evaluation's labels."""

from __future__ import annotations

import random

import pytest
from statsmodels.stats.contingency_tables import mcnemar

from notemill.errors import NotemillError
from tests.unit.comparison.sides import NO, OTHER, YES, Sides, earlier, field
from tests.unit.conftest import Clinic
from tests.unit.evaluation.labelled import csv_of
from tests.unit.loads import ID


def test_which_of_the_two_is_right_is_told_by_the_evaluations_labels(sides: Sides) -> None:
    sides.gold("visit,response\n1,yes\n2,yes\n3,yes\n4,no\n5,yes\n6,no\n7,no\n8,yes\n")
    sides.evaluate(experiments=(ID, OTHER))
    record = sides.compare(gold=True)
    answered, every = field(record, "response").correctness
    assert (answered.notes, answered.both, answered.only_first, answered.only_second) == (
        5,
        1,
        2,
        2,
    )
    assert (every.notes, every.both, every.only_first, every.only_second, every.neither) == (
        8, 1, 3, 3, 1,
    )  # fmt: skip
    assert every.first.value == 4 / 8
    assert every.difference.value == 0
    assert every.p == 1.0
    assert record.gold
    assert (record.gold.evaluation, record.gold.clusters_of, record.gold.clusters) == (
        "gold", "texts", 6,
    )  # fmt: skip
    assert field(record, "age").correctness == []


def test_correctness_is_that_of_statsmodels_and_patients_widen_it(clinic: Clinic) -> None:
    chance = random.Random(2)
    texts = [f"text {n}" for n in range(90)]
    right = {text: chance.choice([YES, NO]) for text in texts}
    wrong = {text: YES if answer is NO else NO for text, answer in right.items()}
    bad = {f"text {n}" for n in range(90) if n // 9 in (1, 4, 7)}  # three patients of ten
    first = {text: right[text] for text in texts}
    second = {text: (wrong if text in bad else right)[text] for text in texts}
    sides = Sides(clinic, dict(enumerate(texts)), first, second)
    rows = [(n, right[text]["response"], n // 9) for n, text in enumerate(texts)]
    sides.gold(csv_of("visit,response,patient", rows))
    widths = []
    for more in ({}, {"patient": "patient"}):
        sides.gold_settings = more
        sides.evaluate(experiments=(ID, OTHER), **more)
        _, every = field(sides.compare(gold=True), "response").correctness
        # Three patients of ten flip, each with all nine notes: that is no evidence at all.
        by_note = mcnemar([[63, 27], [0, 0]], exact=True).pvalue
        assert every.p == pytest.approx(2 / 2**3 if more else by_note)
        assert every.difference.value == pytest.approx(-0.3)
        widths.append((every.difference.high or 0) - (every.difference.low or 0))
    assert widths[1] > 1.5 * widths[0]


def test_labels_of_the_test_split_alone_count_where_there_is_one(sides: Sides) -> None:
    sides.gold("visit,response,s\n1,yes,test\n2,yes,development\n5,yes,test\n")
    sides.gold_settings = {"split": "s"}
    sides.evaluate(experiments=(ID, OTHER), split="s")
    record = sides.compare(gold=True)
    assert record.gold
    assert (record.gold.split, record.gold.notes) == ("test", 2)


def test_labels_that_changed_since_they_were_evaluated_are_refused(sides: Sides) -> None:
    sides.gold("visit,response\n1,yes\n")
    sides.evaluate(experiments=(ID, OTHER))
    sides.compare(gold=True)
    paths = sides.layout.comparison("c"), sides.layout.flips("c")
    before = [(path.stat().st_ino, path.read_bytes()) for path in paths]
    sides.gold("visit,response\n1,no\n")
    with pytest.raises(NotemillError, match="not what its figures were computed from"):
        sides.compare(gold=True)
    assert [(path.stat().st_ino, path.read_bytes()) for path in paths] == before


def test_labels_of_no_compared_field_are_refused(sides: Sides) -> None:
    sides.gold("visit,response\n1,yes\n")
    sides.evaluate(experiments=(ID, OTHER))
    with pytest.raises(NotemillError, match="of which this comparison has none"):
        sides.compare(gold=True, fields=["age"])


def test_labels_hold_for_an_earlier_prompt_too(sides: Sides) -> None:
    sides.gold("visit,response\n1,yes\n2,yes\n")
    sides.evaluate(experiments=(ID,))
    earlier(sides)
    answered, _ = field(sides.compare(known=(ID,), gold=True), "response").correctness
    assert (answered.both, answered.only_second) == (1, 1)
