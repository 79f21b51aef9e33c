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
from notemill.comparison.record import ChoiceComparison, FieldComparison
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
from notemill.report.compared import _field_compared, _field_repeated
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
    assert not small_counts(told)
    assert told.gold_sha256 == "a" * 64


def test_subgroups_are_told_whole_where_nothing_of_them_is_small() -> None:
    a, b = [[50, 10, 0], [8, 60, 0]], [[40, 9, 0], [7, 90, 0]]
    whole = (np.array(a) + np.array(b)).tolist()
    _, first, second = parts_told(part(whole), part(a, "subgroup", "A"), part(b, "subgroup", "B"))
    assert first.choices and second.choices and not first.withheld
    assert first.choices.answered.accuracy.value == pytest.approx(110 / 128)


def test_a_subgroup_with_few_errors_can_not_be_had_from_the_others() -> None:
    """The whole's table is told, and of its parts no table, but all errors of each together."""
    told = []
    for x in (1, 4):
        a, b = [[60 - (9 - x), 9 - x, 0], [20, 60, 0]], [[40 - x, x, 0], [12, 90, 0]]
        whole = part([[91, 9, 0], [32, 150, 0]])
        told.append(parts_told(whole, part(a, "subgroup", "A"), part(b, "subgroup", "B")))
    assert all(each.choices is None and each.withheld for each in told[0][1:])
    for one, other in zip(told[0][1:], told[1][1:], strict=True):
        assert (one.choices, one.withheld) == (other.choices, other.withheld)


def test_what_the_pilot_saw_is_not_the_difference_of_two_tables() -> None:
    whole, without = [[97, 10, 0], [20, 198, 0]], [[94, 10, 0], [20, 198, 0]]
    headline, other = parts_told(part(whole), part(without, "without_pilot"))
    assert headline.choices and other.choices is None and other.withheld


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


def test_an_audit_is_told_to_the_hundredth_where_few_were_wrong() -> None:
    told = audited(audit(3), 5, exactly(900))
    assert not small_counts(told)
    assert told.strata[0].truths == [] and told.remarks == ["there was one reader"]
    assert told.answered.accuracy.value == 0.98 and told.answered.accuracy.n == 0
    assert told.between_readers[0].table is None
    assert told.between_readers[0].readers == (1, 2)


def test_an_audit_without_small_counts_is_told_whole_and_names_no_reader() -> None:
    told = audited(audit(20), 5, exactly(900))
    assert [each.count for each in told.strata[0].truths[:2]] == [exactly(180), exactly(20)]
    assert told.answered.accuracy.value == 0.9849
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


def test_a_comparison_with_many_flips_is_told_and_one_with_few_only_roughly() -> None:
    told = _field_compared(comparison([[100, 20], [10, 270]]), 5, exactly(400))
    assert told.choices and told.choices.table.cells[0] == [exactly(100), exactly(20)]
    assert told.choices.classes[0].p == 0.04
    few = _field_compared(comparison([[100, 3], [20, 277]]), 5, exactly(400))
    assert not small_counts(few)
    assert few.choices and few.choices.classes[0].p is None
    assert few.same.why.startswith("at least 90%")
    assert few == _field_compared(comparison([[101, 2], [19, 278]]), 5, exactly(400))


def test_a_comparison_says_nothing_of_how_many_notes_there_are_where_that_is_a_range() -> None:
    """Blank notes may be the rest of the rows."""
    asked = Count(low=397, high=400)
    one = _field_compared(comparison([[100, 20], [10, 270]]), 5, asked)
    assert one == _field_compared(comparison([[100, 20], [10, 268]]), 5, asked)
    assert one.choices and one.choices.table.cells[0][0] == Count(low=0, high=400)


def test_a_repeat_tells_its_changes_where_none_is_small() -> None:
    def repeat(changed: int) -> FieldRepeat:
        changes = [
            Change(was="yes", now="yes", texts=80),
            Change(was="yes", now="no", texts=changed),
        ]
        same = share(200 - changed, 200)
        return FieldRepeat(
            field="response", kind="choices", same=same, same_all=same, changes=changes
        )

    assert _field_repeated(repeat(9), 5).changes
    few = _field_repeated(repeat(2), 5)
    assert few.changes is None and few == _field_repeated(repeat(3), 5)
    assert few.same.why.startswith("between 0.98 and 0.99")
