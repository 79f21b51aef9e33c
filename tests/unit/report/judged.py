"""How good the answers of a made-up run are: evaluation, audit, comparison, repeat."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from notemill.audit.record import Estimated
from notemill.comparison.record import Agreement, Cost, Difference, NotCompared
from notemill.evaluation.record import EarlierUse
from notemill.report.count import Count, Named, exactly
from notemill.report.quality import (
    Audited,
    ChoicesCompared,
    ChoicesMeasured,
    ClassCompared,
    Compared,
    Evaluated,
    ExperimentMeasured,
    FieldCompared,
    FieldMeasured,
    FieldRepeated,
    PartMeasured,
    ReadersAgree,
    Repeated,
    RightCompared,
    SideCompared,
    StratumAudited,
    Table,
)
from notemill.statistics.figure import Figure, undefined
from notemill.statistics.items import ItemsCounted, MeasuredItems
from notemill.statistics.measures import measured
from notemill.statistics.numbers import MeasuredNumbers, NumbersCounted
from notemill.statistics.pairs import difference, mcnemar
from notemill.statistics.proportion import share
from notemill.statistics.strata import CohortFigures

LABELS = ["yes", "no", "unclear"]
TRUE = np.array([[601, 41, 22, 3], [30, 2_704, 61, 8], [12, 38, 271, 9]])


def counts(table: Sequence[Sequence[int]]) -> list[list[Count]]:
    """As they are told with 5 the smallest cell."""
    return [
        [exactly(each) if each == 0 or each >= 5 else Count(low=1, high=4) for each in row]
        for row in table
    ]


def of(value: float, n: float = 400, half: float = 0.03) -> Figure:
    """A figure about this value."""
    return Figure(value=value, low=max(value - half, 0), high=min(value + half, 1), n=n)


def choices(table: np.ndarray = TRUE, labels: Sequence[str] = LABELS) -> ChoicesMeasured:
    figures = measured(table, labels)
    return ChoicesMeasured(
        table=Table(
            rows=list(labels), columns=[*labels, "(no answer)"], cells=counts(table.tolist())
        ),
        clusters=0,
        coverage=figures.coverage,
        answered=figures.answered,
        all=figures.all,
    )


@cache
def part(which: Any = "headline", scale: float = 1.0, **named: Any) -> PartMeasured:
    table = (TRUE * scale).astype(int)
    return PartMeasured(
        **({"part": which, "column": "", "value": ""} | named),
        notes=exactly(int(table.sum())),
        choices=choices(table),
    )


def field(name: str = "response", **changes: Any) -> FieldMeasured:
    parts = [
        part(),
        part("development", 0.3),
        part("without_pilot", 0.98),
        part("subgroup", 0.5, column="site", value="north"),
        part("subgroup", 0.4, column="site", value="south <b>"),
        PartMeasured(
            part="subgroup",
            column="site",
            value="",
            notes=Count(low=1, high=4),
            withheld="fewer than 5 notes",
        ),
    ]
    values = {"field": name, "column": f"gold_{name}", "kind": "choices", "unlabelled": exactly(12)}
    return FieldMeasured(**({**values, "parts": parts} | changes))


def numbers_field() -> FieldMeasured:
    both = NumbersCounted(within=of(0.94), exact=of(0.88))
    figures = MeasuredNumbers(
        n=3_800,
        clusters=0,
        tolerance=1,
        coverage=of(0.995),
        absolute_error=Figure(value=0.42, low=0.35, high=0.51, n=3_780),
        bias=Figure(value=-0.08, low=-0.16, high=0.01, n=3_780),
        answered=both,
        all=NumbersCounted(within=of(0.93), exact=of(0.87)),
    )
    one = PartMeasured(part="headline", column="", value="", notes=exactly(3_800), numbers=figures)
    return field("age", kind="number", parts=[one])


def items_field() -> FieldMeasured:
    figures = MeasuredItems(
        n=3_800,
        clusters=0,
        coverage=of(0.995),
        answered=ItemsCounted(precision=of(0.81), recall=of(0.74), f1=of(0.77), exact=of(0.52)),
        all=ItemsCounted(precision=of(0.81), recall=of(0.73), f1=of(0.76), exact=of(0.51)),
    )
    one = PartMeasured(part="headline", column="", value="", notes=exactly(3_800), items=figures)
    return field("drugs", kind="items", parts=[one])


def measured_experiment(name: str = "pneumonia", **changes: Any) -> ExperimentMeasured:
    values = {
        "experiment": f"{name}-be294ea84522",
        "name": name,
        "first_evaluated_at": "2026-11-20T12:00:00+00:00",
        "pilots": 1,
        "pilot_notes": exactly(31),
        "earlier": [EarlierUse(experiment=f"{name}-0a11223344ff", at="2026-11-18T10:00:00+00:00")],
        "earlier_others": [],
        "fields": [field(), numbers_field(), items_field()],
    }
    return ExperimentMeasured(**(values | changes))


def evaluated(**changes: Any) -> Evaluated:
    values = {
        "name": "chest_gold",
        "cohort": "chest_notes",
        "gold_kind": "file",
        "gold_source": "config/gold.csv",
        "gold_sha256": "ab" * 32,
        "gold_notes": exactly(3_812),
        "gold_patients": exactly(2_977),
        "split": [
            Named(name="test", count=exactly(3_800)),
            Named(name="development", count=exactly(1_140)),
        ],
        "headline": "test",
        "clustered_by": "patient",
        "level": 0.95,
        "draws": 4_000,
        "seed": 1,
        "evaluated_at": "2026-11-20T12:00:00+00:00",
        "experiments": [
            measured_experiment(),
            measured_experiment("pneumonia_brief", earlier=[], fields=[field()]),
        ],
    }
    return Evaluated(**(values | changes))


def cohort_class(label: str, value: float) -> CohortFigures:
    nothing = undefined("no note read is unclear", 200)
    return CohortFigures(
        label=label,
        prevalence=of(value),
        sensitivity=of(0.9, half=0.08) if label != "unclear" else nothing,
        specificity=of(0.98, half=0.01),
        ppv=of(0.92),
        npv=of(0.97),
    )


def audited(**changes: Any) -> Audited:
    classes = [
        cohort_class(label, value) for label, value in zip(LABELS, (0.17, 0.76, 0.07), strict=True)
    ]
    strata = [
        StratumAudited(
            name=f"{answer or 'failed'}{', quote absent' if evidence == 'not_found' else ''}",
            answer=answer,
            evidence=evidence,
            notes=exactly(notes),
            texts=exactly(notes - 7),
            drawn=exactly(drawn),
            shared=exactly(drawn // 2),
            truths=truths,
        )
        for answer, evidence, notes, drawn, truths in (
            (
                "yes",
                "found",
                2_000,
                80,
                [Named(name="yes", count=exactly(72)), Named(name="no", count=exactly(8))],
            ),
            (
                "yes",
                "not_found",
                114,
                40,
                [Named(name="yes", count=exactly(29)), Named(name="no", count=exactly(11))],
            ),
            (
                "no",
                None,
                9_920,
                220,
                [
                    Named(name="yes", count=Count(low=1, high=4)),
                    Named(name="no", count=Count(low=212, high=215)),
                    Named(name="cannot tell", count=Count(low=1, high=4)),
                ],
            ),
            ("unclear", None, 775, 60, [Named(name="unclear", count=exactly(60))]),
            (None, None, 37, 20, []),
        )
    ]
    values = {
        "name": "first",
        "cohort": "chest_notes",
        "experiment": "pneumonia-be294ea84522",
        "field": "response",
        "readers": 2,
        "read": [320, 310],
        "seed": 7,
        "allocation": "by half width 0.02 of the accuracy",
        "drawn_at": "2026-11-20T13:00:00+00:00",
        "estimated_at": "2026-11-21T09:00:00+00:00",
        "strata": strata,
        "between_readers": [
            ReadersAgree(
                readers=(1, 2),
                table=Table(
                    rows=LABELS, columns=LABELS, cells=counts([[90, 3, 0], [4, 103, 6], [0, 2, 12]])
                ),
                agreement=of(0.93),
                kappa=Figure(value=0.42, low=0.07, high=0.78, n=220),
                ac1=of(0.92),
            )
        ],
        "with_model": [of(0.95), of(0.94)],
        "adjudicated": exactly(15),
        "cannot_tell": of(0.01, half=0.008),
        "answered": Estimated(accuracy=of(0.953, half=0.021), classes=classes),
        "all": Estimated(accuracy=of(0.948, half=0.022), classes=classes),
        "accuracy_if_untold_wrong": of(0.939),
        "draws": 4_000,
        "level": 0.95,
        "remarks": ["The answers were loaded again after the sample was drawn; none differs."],
    }
    return Audited(**(values | changes))


def side(name: str, **changes: Any) -> SideCompared:
    cost = Cost(
        jobs=16,
        job_seconds=12_312.0,
        asked=12_310,
        tokens=9_812_004,
        tokens_per_note=763.8,
        notes_per_s=1.04,
        coverage=share(12_809, 12_846, why="none"),
        gpus=["NVIDIA A100-SXM4-40GB"],
        slots=[12, 16],
    )
    values = {
        "experiment": f"{name}-be294ea84522",
        "name": name,
        "model": "llama3.1:8b-instruct-q4_K_M",
        "model_digest": "46" * 32,
        "engines": ["ollama 0.31.2"],
        "cost": cost,
    }
    return SideCompared(**(values | changes))


def right(counting: Any) -> RightCompared:
    return RightCompared(
        counting=counting,
        notes=exactly(3_800),
        only_first=exactly(101),
        only_second=exactly(48),
        first=of(0.93, 3_800, 0.01),
        second=of(0.916, 3_800, 0.01),
        difference=difference(3_420, 101, 48, 231),
        p=mcnemar(101, 48),
    )


def compared(**changes: Any) -> Compared:
    table = [[1_980, 101, 33, 2], [64, 9_702, 141, 13], [11, 90, 666, 8], [0, 12, 3, 20]]
    labels = [*LABELS, "(no answer)"]
    agree = Agreement(agreement=of(0.965, 12_700, 0.004), kappa=of(0.91), ac1=of(0.95))
    prompt = (
        "--- pneumonia\n+++ pneumonia_brief\n@@ -1,2 +1 @@\n"
        "-You read radiology reports and answer one question about each.\n"
        '-Answer in JSON. Say "unclear" where the report does not tell.\n'
        "+Answer in JSON.\n"
    )
    values = {
        "name": "prompts",
        "cohort": "chest_notes",
        "first": side("pneumonia"),
        "second": side("pneumonia_brief"),
        "differences": [
            Difference(part="system prompt", known=True, diff=prompt),
            Difference(part="user prompt", known=True, diff=""),
            Difference(part="options", known=False, diff=""),
        ],
        "fields": [
            FieldCompared(
                field="response",
                kind="choices",
                same=of(0.965, 12_700, 0.004),
                same_all=of(0.962, 12_846, 0.004),
                choices=ChoicesCompared(
                    table=Table(rows=labels, columns=labels, cells=counts(table)),
                    answered=agree,
                    all=agree,
                    classes=[
                        ClassCompared(
                            label=label,
                            first=of(a),
                            second=of(b),
                            difference=Figure(
                                value=b - a, low=b - a - 0.02, high=b - a + 0.02, n=12_846
                            ),
                            p=p,
                        )
                        for label, a, b, p in (
                            ("yes", 0.165, 0.16, 0.031),
                            ("no", 0.774, 0.771, 0.6),
                            ("unclear", 0.06, 0.066, None),
                        )
                    ],
                ),
                difference=None,
                absolute=None,
                within=None,
                overlap=None,
                correctness=[right("answered"), right("all")],
            ),
            FieldCompared(
                field="age",
                kind="number",
                same=of(0.9),
                same_all=of(0.89),
                choices=None,
                difference=Figure(value=0.2, low=-0.1, high=0.5, n=12_700),
                absolute=Figure(value=0.4, low=0.3, high=0.5, n=12_700),
                within=of(0.97),
                overlap=None,
                correctness=[],
            ),
        ],
        "not_compared": [NotCompared(field="reason", why="only pneumonia has it")],
        "evaluation": "chest_gold",
        "gold_split": "test",
        "gold_clusters": "patients",
        "remarks": ["Both have the same model and engine."],
        "seed": 1,
        "draws": 4_000,
        "made_at": "2026-11-21T10:00:00+00:00",
    }
    return Compared(**(values | changes))


def repeated(**changes: Any) -> Repeated:
    values = {
        "experiment": "pneumonia-be294ea84522",
        "cohort": "chest_notes",
        "seed": "other",
        "seeds": [11, 12],
        "texts": exactly(500),
        "same": of(0.962, 498, 0.02),
        "same_all": of(0.958, 500, 0.02),
        "kept_status": of(0.996, 500, 0.01),
        "fields": [
            FieldRepeated(
                field="response",
                kind="choices",
                same=of(0.984, 498, 0.012),
                same_all=of(0.98, 500, 0.012),
                changes=Table(
                    rows=LABELS,
                    columns=[*LABELS, "(no answer)"],
                    cells=counts([[160, 2, 3, 0], [1, 740, 6, 0], [5, 9, 72, 2]]),
                ),
            ),
            FieldRepeated(
                field="reason", kind="text", same=of(0.4), same_all=of(0.39), changes=None
            ),
        ],
        "temperature": 0.0,
        "slots": 16,
        "gpu": "NVIDIA A100-SXM4-40GB",
        "made_at": "2026-11-21T11:00:00+00:00",
    }
    return Repeated(**(values | changes))
