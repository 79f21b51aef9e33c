"""Evaluations, audits, comparisons and repeats as the report tells them: without a small count."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from notemill.audit.record import (
    AuditDesign,
    AuditEstimate,
    BetweenReaders,
    Estimated,
    StratumRead,
)
from notemill.comparison.record import ChoiceComparison, Correctness, FieldComparison
from notemill.comparison.repeat_record import Change, FieldRepeat
from notemill.evaluation.record import (
    EvaluationRecord,
    ExperimentEvaluated,
    FieldEvaluated,
    GoldUsed,
    PartEvaluated,
    PilotUse,
)
from notemill.report.audited import audited
from notemill.report.compared import _field_compared, _field_repeated, _right
from notemill.report.count import Count, exactly
from notemill.report.evaluated import evaluated
from notemill.report.quality import PartMeasured
from notemill.statistics.agreement import Agreement, ClassDifference
from notemill.statistics.figure import Figure
from notemill.statistics.measures import measured
from notemill.statistics.proportion import share
from notemill.statistics.strata import CohortFigures

LABELS = ["yes", "no"]


def part(table: list[list[int]], name: str = "headline", value: str = "") -> PartEvaluated:
    column = "site" if name == "subgroup" else ""
    notes = int(np.sum(table))
    choices = measured(np.array(table), LABELS)
    return PartEvaluated(
        part=name, column=column, value=value, notes=notes, texts=notes, blank=0, choices=choices
    )  # type: ignore[arg-type]


def evaluation(*parts: PartEvaluated) -> EvaluationRecord:
    field = FieldEvaluated(
        field="response", column="gold", kind="choices", unlabelled=2, parts=list(parts)
    )
    experiment = ExperimentEvaluated(
        experiment="q-0123456789ab",
        name="q",
        first_evaluated_at="2026-11-20T00:00:00+00:00",
        pilot=PilotUse(pilots=1, notes=3),
        earlier=[],
        earlier_others=[],
        fields=[field],
    )
    gold = GoldUsed(
        kind="file",
        source="gold.csv",
        sha256="a" * 64,
        rows=400,
        not_in_cohort=0,
        notes=parts[0].notes,
        texts=300,
        patients=3,
        blank=0,
        split={},
    )
    return EvaluationRecord(
        name="gold",
        cohort="chest",
        gold=gold,
        headline="all",
        clustered_by="text",
        level=0.95,
        draws=4000,
        seed=1,
        evaluations_table="t",
        evaluated_at="2026-11-20T00:00:00+00:00",
        seconds=1,
        notemill="0",
        experiments=[experiment],
    )


def parts_told(*parts: PartEvaluated, smallest: int = 5) -> list[PartMeasured]:
    return evaluated(evaluation(*parts), smallest).experiments[0].fields[0].parts


def small_counts(told: BaseModel) -> set[int]:
    """Exact counts from 1 to 4 anywhere within."""
    found: set[int] = set()

    def walk(of: Any) -> None:
        if isinstance(of, dict):
            if of.keys() == {"low", "high"}:
                found.update({of["low"]} if of["low"] == of["high"] else ())
            for value in of.values():
                walk(value)
        elif isinstance(of, list):
            for value in of:
                walk(value)

    walk(json.loads(told.model_dump_json()))
    return found & {1, 2, 3, 4}


def test_an_evaluation_tells_no_small_count() -> None:
    told = evaluated(evaluation(part([[97, 3, 0], [2, 198, 1]])), 5)
    (part_told,) = told.experiments[0].fields[0].parts
    assert not small_counts(part_told)
    assert told.gold_patients == exactly(3)
    assert told.gold_sha256 == "a" * 64


def test_figures_are_told_as_they_were_measured() -> None:
    of = part([[97, 3, 0], [2, 198, 1]])
    (told,) = parts_told(of)
    assert told.choices and of.choices and told.choices.table
    assert (told.choices.answered, told.choices.all) == (of.choices.answered, of.choices.all)
    assert told.choices.table.cells[0][1:] == [Count(low=1, high=4), exactly(0)]
    assert told.choices.table.cells[0][0] == Count(low=96, high=99)


def test_a_figure_of_fewer_than_five_notes_is_not_told() -> None:
    (told,) = parts_told(part([[2, 1, 0], [2, 198, 1]]))
    assert told.choices
    sensitivity = told.choices.answered.classes[0].sensitivity
    assert (sensitivity.value, sensitivity.n) == (None, 0)
    assert sensitivity.why == "it rests on fewer than 5"


def test_a_small_subgroup_is_not_told_and_the_next_one_not_over_how_many_notes() -> None:
    a, b, c = [[60, 10, 0], [8, 60, 0]], [[40, 9, 0], [7, 90, 0]], [[1, 1, 0], [0, 1, 0]]
    whole = (np.array(a) + np.array(b) + np.array(c)).tolist()
    _, first, second, few = parts_told(
        part(whole),
        part(a, "subgroup", "A"),
        part(b, "subgroup", "B"),
        part(c, "subgroup", "C"),
    )
    assert few.choices is None and few.withheld == "fewer than 5 notes"
    assert few.notes == Count(low=1, high=4)
    assert first.notes == Count(low=137, high=140)
    assert first.choices and first.choices.table is None
    accuracy = first.choices.answered.accuracy
    assert (accuracy.value, accuracy.n) == (pytest.approx(120 / 138), 0)
    assert second.notes == exactly(146) and second.choices and second.choices.table


def figures(value: float) -> CohortFigures:
    figure = Figure(value=value, low=value - 0.0123, high=value + 0.0123, n=400)
    return CohortFigures(
        label="yes",
        prevalence=figure,
        sensitivity=figure,
        specificity=figure,
        ppv=figure,
        npv=figure,
    )


def audit(wrong: int) -> AuditEstimate:
    stratum = StratumRead(
        name="yes",
        answer="yes",
        evidence=None,
        notes=900,
        texts=880,
        drawn=200,
        certain=0,
        shared=50,
        truths={"yes": 200 - wrong, "no": wrong},
        cannot_tell=0,
    )
    design = AuditDesign(
        name="first",
        cohort="chest",
        experiment="q-0123456789ab",
        field="response",
        choices=LABELS,
        cannot_tell="cannot tell",
        readers=["Dr Ada Reader", "Dr Ben Reader"],
        read_by={"Dr Ada Reader": 125, "Dr Ben Reader": 125},
        seed=1,
        allocation="given",
        shared=0.25,
        notes=900,
        texts=880,
        blank=0,
        strata=[stratum],
        notes_digest="d",
        answers_digest="e",
        drawn_at="2026-11-20T00:00:00+00:00",
        notemill="0",
    )
    estimated = Estimated(accuracy=figures(0.9849).ppv, classes=[figures(0.9849)])
    between = BetweenReaders(
        readers=("Dr Ada Reader", "Dr Ben Reader"),
        labels=LABELS,
        table=[[40, 3], [2, 5]],
        agreement=share(45, 50),
        kappa=share(45, 50),
        ac1=share(45, 50),
    )
    return AuditEstimate(
        design=design,
        strata=[stratum],
        between_readers=[between],
        with_model=[],
        adjudicated=5,
        cannot_tell=share(0, 900),
        answered=estimated,
        all=estimated,
        accuracy_if_untold_wrong=figures(0.9).ppv,
        remarks=["3 blank notes were not asked", "there was one reader"],
        estimated_at="2026-11-21T00:00:00+00:00",
        notemill="0",
    )


def test_an_audit_is_told_with_its_figures_and_remarks_and_names_no_reader() -> None:
    of = audit(3)
    told = audited(of, 5)
    assert not small_counts(told.model_copy(update={"strata": [], "adjudicated": exactly(0)}))
    assert [each.count for each in told.strata[0].truths] == [
        Count(low=196, high=199),
        Count(low=1, high=4),
        exactly(0),
    ]
    assert (told.strata[0].drawn, told.read) == (exactly(200), [125, 125])
    assert (told.remarks, told.answered) == (of.remarks, of.answered)
    assert told.between_readers[0].readers == (1, 2)
    assert told.between_readers[0].table.cells[0][1] == Count(low=1, high=4)
    assert "Reader" not in told.model_dump_json()


def comparison(table: list[list[int]]) -> FieldComparison:
    agreed, n = int(np.trace(table)), int(np.sum(table))
    agreement = Agreement(agreement=share(agreed, n), kappa=share(1, 2), ac1=share(1, 2))
    classes = [
        ClassDifference(
            label=label,
            first=share(sum(table[which]), n),
            second=share(sum(row[which] for row in table), n),
            difference=Figure(value=0.01, low=0.0, high=0.02, n=n),
            only_first=table[which][1 - which],
            only_second=table[1 - which][which],
            p=0.04,
        )
        for which, label in enumerate(LABELS)
    ]
    choices = ChoiceComparison(
        labels=LABELS,
        table=table,
        texts=table,
        answered=agreement,
        all=agreement,
        classes=classes,
        flips=[],
    )
    same = share(agreed, n)
    return FieldComparison(
        field="response", kind="choices", same=same, same_all=same, choices=choices
    )


def test_a_comparison_is_told_with_its_p_and_without_its_small_cells() -> None:
    told = _field_compared(comparison([[100, 3], [20, 277]]), 5)
    assert not small_counts(told)
    assert told.choices and told.choices.classes[0].p == 0.04
    assert told.same == share(377, 400)
    assert told.choices.table.cells[0] == [Count(low=99, high=102), Count(low=1, high=4)]


def test_which_of_two_is_right_is_told_without_a_small_cell() -> None:
    figure = share(90, 100)
    told = _right(
        Correctness(
            counting="all",
            notes=100,
            both=80,
            only_first=10,
            only_second=2,
            neither=8,
            first=figure,
            second=figure,
            difference=figure,
            p=0.04,
        ),
        5,
    )
    assert (told.only_first, told.only_second) == (exactly(10), Count(low=1, high=4))
    assert (told.p, told.first) == (0.04, figure)


def test_a_repeat_tells_its_changes() -> None:
    changes = [
        Change(was="yes", now="yes", texts=80),
        Change(was="yes", now="no", texts=2),
        Change(was="no", now="no", texts=118),
    ]
    same = share(198, 200)
    repeat = FieldRepeat(
        field="response", kind="choices", same=same, same_all=same, changes=changes
    )
    told = _field_repeated(repeat, 5)
    assert told.same == same and told.changes
    assert told.changes.cells[0] == [Count(low=78, high=81), Count(low=1, high=4)]
    assert not small_counts(told)
