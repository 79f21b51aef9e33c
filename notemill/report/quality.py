"""How good the answers are, as the report shows it: the rooms' records, cells as `Count`.

Figures are as they were measured; one that rests on fewer than `smallest_cell` has no value.
"""

from __future__ import annotations

from typing import Literal

from notemill.audit.record import Estimated
from notemill.comparison.record import Cost, Difference, NotCompared
from notemill.evaluation.fields import FieldKind
from notemill.evaluation.record import EarlierUse, PartName
from notemill.report.count import Count, Named, Part
from notemill.statistics.agreement import Agreement
from notemill.statistics.figure import Figure
from notemill.statistics.items import MeasuredItems
from notemill.statistics.measures import Counted
from notemill.statistics.numbers import MeasuredNumbers


class Table(Part):
    """Notes by two things. A row each of `rows`, a column each of `columns`."""

    rows: list[str]
    columns: list[str]
    cells: list[list[Count]]


class ChoicesMeasured(Part):
    """statistics.measures.Measured. table: right values by answers, the last column without one;
    None of a subgroup whose notes are a range. clusters: patients or texts, 0 where each note was
    independent."""

    table: Table | None
    clusters: int
    coverage: Figure
    answered: Counted
    all: Counted


class PartMeasured(Part):
    """evaluation.record.PartEvaluated. One of choices, numbers and items is there, or nothing:
    `withheld` says why. Where notes are a range, no figure says over how many it was counted."""

    part: PartName
    column: str
    value: str
    notes: Count
    choices: ChoicesMeasured | None = None
    numbers: MeasuredNumbers | None = None
    items: MeasuredItems | None = None
    withheld: str = ""


class FieldMeasured(Part):
    """evaluation.record.FieldEvaluated; the first part is the headline."""

    field: str
    column: str
    kind: FieldKind
    unlabelled: Count
    settled_as: str | None = None
    parts: list[PartMeasured]


class ExperimentMeasured(Part):
    """evaluation.record.ExperimentEvaluated. pilot_notes: of the headline, asked by a pilot."""

    experiment: str
    name: str
    first_evaluated_at: str
    pilots: int
    pilot_notes: Count
    earlier: list[EarlierUse]
    earlier_others: list[EarlierUse]
    fields: list[FieldMeasured]


class Evaluated(Part):
    """evaluation.record.EvaluationRecord."""

    name: str
    cohort: str
    gold_kind: Literal["file", "query"]
    gold_source: str
    gold_sha256: str
    gold_notes: Count
    gold_patients: Count | None
    split: list[Named]
    headline: Literal["all", "test", "development"]
    clustered_by: Literal["patient", "text"]
    level: float
    draws: int
    seed: int
    evaluated_at: str
    experiments: list[ExperimentMeasured]


class StratumAudited(Part):
    """audit.record.StratumRead. truths: with `cannot tell`."""

    name: str
    answer: str | None
    evidence: Literal["found", "not_found"] | None
    notes: Count
    texts: Count
    drawn: Count
    shared: Count
    truths: list[Named]


class ReadersAgree(Part):
    """audit.record.BetweenReaders; readers by number: 1 and 2."""

    readers: tuple[int, int]
    table: Table
    agreement: Figure
    kappa: Figure
    ac1: Figure


class Audited(Part):
    """audit.record.AuditEstimate. readers: how many; read: texts that each was given;
    with_model: each one's agreement with it."""

    name: str
    cohort: str
    experiment: str
    field: str
    readers: int
    read: list[int]
    seed: int
    allocation: str
    drawn_at: str
    estimated_at: str
    strata: list[StratumAudited]
    between_readers: list[ReadersAgree]
    with_model: list[Figure]
    adjudicated: Count
    cannot_tell: Figure
    answered: Estimated
    all: Estimated
    accuracy_if_untold_wrong: Figure
    draws: int
    level: float
    remarks: list[str]


class SideCompared(Part):
    """comparison.record.Side, without what `experiments` of the report says of it."""

    experiment: str
    name: str
    model: str
    model_digest: str
    engines: list[str]
    cost: Cost


class ClassCompared(Part):
    """comparison.record.ClassDifference. p: exact McNemar; None where nothing is to test."""

    label: str
    first: Figure
    second: Figure
    difference: Figure
    p: float | None


class ChoicesCompared(Part):
    """comparison.record.ChoiceComparison. table: rows by the first, columns by the second."""

    table: Table
    answered: Agreement
    all: Agreement
    classes: list[ClassCompared]


class RightCompared(Part):
    """comparison.record.Correctness. only_first, only_second: notes that one alone has right."""

    counting: Literal["answered", "all"]
    notes: Count
    only_first: Count
    only_second: Count
    first: Figure
    second: Figure
    difference: Figure
    p: float | None


class FieldCompared(Part):
    """comparison.record.FieldComparison."""

    field: str
    kind: str
    same: Figure
    same_all: Figure
    choices: ChoicesCompared | None
    difference: Figure | None
    absolute: Figure | None
    within: Figure | None
    overlap: Figure | None
    correctness: list[RightCompared]


class Compared(Part):
    """comparison.record.ComparisonRecord. evaluation: whose gold says what is right, or empty;
    gold_clusters: what is resampled of it."""

    name: str
    cohort: str
    first: SideCompared
    second: SideCompared
    differences: list[Difference]
    fields: list[FieldCompared]
    not_compared: list[NotCompared]
    evaluation: str
    gold_split: str
    gold_clusters: Literal["patients", "texts"]
    remarks: list[str]
    seed: int
    draws: int
    made_at: str


class FieldRepeated(Part):
    """comparison.repeat_record.FieldRepeat. changes: of choices, texts that were a and are b."""

    field: str
    kind: str
    same: Figure
    same_all: Figure
    changes: Table | None


class Repeated(Part):
    """comparison.repeat_record.RepeatRecord. seeds: of each round; seed: `same` or `other`."""

    experiment: str
    cohort: str
    seed: Literal["same", "other"]
    seeds: list[int]
    texts: Count
    same: Figure
    same_all: Figure
    kept_status: Figure
    fields: list[FieldRepeated]
    temperature: float
    slots: int
    gpu: str
    made_at: str
