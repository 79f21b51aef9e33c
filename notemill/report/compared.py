"""Comparisons and repeats, as far as they may be told."""

from __future__ import annotations

import numpy as np

from notemill.comparison.record import (
    ChoiceComparison,
    ComparisonRecord,
    Correctness,
    FieldComparison,
    Side,
)
from notemill.comparison.repeat_record import FieldRepeat, RepeatRecord
from notemill.report.cells import of_many, partition, table
from notemill.report.count import exactly
from notemill.report.quality import (
    ChoicesCompared,
    ClassCompared,
    Compared,
    FieldCompared,
    FieldRepeated,
    Repeated,
    RightCompared,
    SideCompared,
)


def compared(of: ComparisonRecord, smallest: int) -> Compared:
    """A comparison; its cells are notes by both answers, and by which of the two is right."""
    told = Compared(
        name=of.name,
        cohort=of.cohort,
        first=_side(of.first),
        second=_side(of.second),
        differences=of.differences,
        fields=[_field_compared(each, smallest) for each in of.fields],
        not_compared=of.not_compared,
        evaluation=of.gold.evaluation if of.gold else "",
        gold_split=of.gold.split if of.gold else "",
        gold_clusters=of.gold.clusters_of if of.gold else "texts",
        remarks=of.remarks,
        seed=of.seed,
        draws=of.draws,
        made_at=of.made_at,
    )
    return of_many(told, smallest)


def _side(of: Side) -> SideCompared:
    return SideCompared(
        experiment=of.experiment,
        name=of.name,
        model=of.model,
        model_digest=of.model_digest,
        engines=of.engines,
        cost=of.cost,
    )


def _field_compared(of: FieldComparison, smallest: int) -> FieldCompared:
    return FieldCompared(
        field=of.field,
        kind=of.kind,
        same=of.same,
        same_all=of.same_all,
        choices=_choices_compared(of.choices, smallest) if of.choices else None,
        difference=of.numbers and of.numbers.difference,
        absolute=of.numbers and of.numbers.absolute,
        within=of.numbers and of.numbers.within,
        overlap=of.items and of.items.overlap,
        correctness=[_right(each, smallest) for each in of.correctness],
    )


def _choices_compared(of: ChoiceComparison, smallest: int) -> ChoicesCompared:
    return ChoicesCompared(
        table=table(of.labels, of.labels, of.table, smallest),
        answered=of.answered,
        all=of.all,
        classes=[
            ClassCompared(
                label=each.label,
                first=each.first,
                second=each.second,
                difference=each.difference,
                p=each.p,
            )
            for each in of.classes
        ],
    )


def _right(of: Correctness, smallest: int) -> RightCompared:
    _, only_first, only_second, _ = partition(
        [of.both, of.only_first, of.only_second, of.neither], smallest
    )
    return RightCompared(
        counting=of.counting,
        notes=exactly(of.notes),
        only_first=only_first,
        only_second=only_second,
        first=of.first,
        second=of.second,
        difference=of.difference,
        p=of.p,
    )


def repeated(of: RepeatRecord, smallest: int) -> Repeated:
    """A repeat; its cells are texts by what they were and are."""
    told = Repeated(
        experiment=of.experiment,
        cohort=of.cohort,
        seed=of.settings.seed,
        seeds=[each.seed for each in of.rounds],
        texts=exactly(of.texts),
        same=of.same,
        same_all=of.same_all,
        kept_status=of.kept_status,
        fields=[_field_repeated(each, smallest) for each in of.fields],
        temperature=of.temperature,
        slots=of.slots,
        gpu=of.gpu,
        made_at=of.made_at,
    )
    return of_many(told, smallest)


def _field_repeated(of: FieldRepeat, smallest: int) -> FieldRepeated:
    names = list(dict.fromkeys(name for each in of.changes for name in (each.was, each.now)))
    changes = np.zeros((len(names), len(names)), int)
    for each in of.changes:
        changes[names.index(each.was), names.index(each.now)] += each.texts
    return FieldRepeated(
        field=of.field,
        kind=of.kind,
        same=of.same,
        same_all=of.same_all,
        changes=table(names, names, changes.tolist(), smallest) if names else None,
    )
