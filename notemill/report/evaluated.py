"""Evaluations, as far as they may be told."""

from __future__ import annotations

from collections.abc import Sequence

from notemill.evaluation.record import (
    EvaluationRecord,
    ExperimentEvaluated,
    FieldEvaluated,
    PartEvaluated,
)
from notemill.report.cells import is_small, of_many, partition, table, without_n
from notemill.report.count import Count, Named, exactly
from notemill.report.quality import (
    ChoicesMeasured,
    Evaluated,
    ExperimentMeasured,
    FieldMeasured,
    PartMeasured,
)
from notemill.statistics.measures import Measured

NO_ANSWER = "(no answer)"


def evaluated(of: EvaluationRecord, smallest: int) -> Evaluated:
    """An evaluation; its cells are notes by right value and answer, and notes of a subgroup."""
    gold = of.gold
    told = Evaluated(
        name=of.name,
        cohort=of.cohort,
        gold_kind=gold.kind,
        gold_source=gold.source,
        gold_sha256=gold.sha256,
        gold_notes=exactly(gold.notes),
        gold_patients=None if gold.patients is None else exactly(gold.patients),
        split=[Named(name=name, count=exactly(count)) for name, count in gold.split.items()],
        headline=of.headline,
        clustered_by=of.clustered_by,
        level=of.level,
        draws=of.draws,
        seed=of.seed,
        evaluated_at=of.evaluated_at,
        experiments=[_experiment(each, smallest) for each in of.experiments],
    )
    return of_many(told, smallest)


def _experiment(of: ExperimentEvaluated, smallest: int) -> ExperimentMeasured:
    return ExperimentMeasured(
        experiment=of.experiment,
        name=of.name,
        first_evaluated_at=of.first_evaluated_at,
        pilots=of.pilot.pilots,
        pilot_notes=exactly(of.pilot.notes),
        earlier=of.earlier,
        earlier_others=of.earlier_others,
        fields=[_field(each, smallest) for each in of.fields],
    )


def _field(of: FieldEvaluated, smallest: int) -> FieldMeasured:
    groups = _subgroups(of.parts, smallest)
    return FieldMeasured(
        field=of.field,
        column=of.column,
        kind=of.kind,
        unlabelled=exactly(of.unlabelled),
        settled_as=of.settled_as,
        parts=[
            _part(part, groups.get(place, exactly(part.notes)), smallest)
            for place, part in enumerate(of.parts)
        ],
    )


def _subgroups(parts: Sequence[PartEvaluated], smallest: int) -> dict[int, Count]:
    """Notes of each subgroup, by its place; those of a column are the parts of the headline."""
    found: dict[int, Count] = {}
    for column in {part.column for part in parts if part.part == "subgroup"}:
        places = [
            place
            for place, part in enumerate(parts)
            if (part.part, part.column) == ("subgroup", column)
        ]
        counts = partition([parts[place].notes for place in places], smallest)
        found.update(zip(places, counts, strict=True))
    return found


def _part(of: PartEvaluated, notes: Count, smallest: int) -> PartMeasured:
    """A part with its figures. notes: a range where they, with others, would tell a small cell."""
    told = PartMeasured(part=of.part, column=of.column, value=of.value, notes=notes)
    if is_small(of.notes, smallest):
        return told.model_copy(update={"withheld": f"fewer than {smallest:,} notes"})
    choices = _choices(of.choices, smallest) if of.choices else None
    if notes.exact:
        update = {"choices": choices, "numbers": of.numbers, "items": of.items}
        return told.model_copy(update=update)
    update = {
        "choices": choices and choices.model_copy(update={"table": None, "clusters": 0}),
        "numbers": of.numbers and of.numbers.model_copy(update={"n": 0, "clusters": 0}),
        "items": of.items and of.items.model_copy(update={"n": 0, "clusters": 0}),
    }
    return without_n(told.model_copy(update=update))


def _choices(of: Measured, smallest: int) -> ChoicesMeasured:
    return ChoicesMeasured(
        table=table(of.labels, [*of.labels, NO_ANSWER], of.table, smallest),
        clusters=of.clusters,
        coverage=of.coverage,
        answered=of.answered,
        all=of.all,
    )
