"""Evaluations, as far as they may be told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from notemill.evaluation.record import (
    EvaluationRecord,
    ExperimentEvaluated,
    FieldEvaluated,
    PartEvaluated,
)
from notemill.report.cells import alone, is_small, partition
from notemill.report.count import Named
from notemill.report.masked import has_small, measured_told, wrong_told
from notemill.report.quality import Evaluated, ExperimentMeasured, FieldMeasured, PartMeasured
from notemill.report.shares import UNTOLD, of_many, share_told
from notemill.statistics.figure import Figure, undefined
from notemill.statistics.items import ItemsCounted, MeasuredItems
from notemill.statistics.numbers import MeasuredNumbers, NumbersCounted


def evaluated(of: EvaluationRecord, smallest: int) -> Evaluated:
    """An evaluation."""
    gold = of.gold
    split = partition(list(gold.split.values()), smallest).counts
    return Evaluated(
        name=of.name,
        cohort=of.cohort,
        gold_kind=gold.kind,
        gold_source=gold.source,
        gold_sha256=gold.sha256,
        gold_notes=alone(gold.notes, smallest),
        gold_patients=None if gold.patients is None else alone(gold.patients, smallest),
        split=[Named(name=n, count=c) for n, c in zip(gold.split, split, strict=True)],
        headline=of.headline,
        clustered_by=of.clustered_by,
        level=of.level,
        draws=of.draws,
        seed=of.seed,
        evaluated_at=of.evaluated_at,
        experiments=[_experiment(each, smallest) for each in of.experiments],
    )


def _experiment(of: ExperimentEvaluated, smallest: int) -> ExperimentMeasured:
    return ExperimentMeasured(
        experiment=of.experiment,
        name=of.name,
        first_evaluated_at=of.first_evaluated_at,
        pilots=of.pilot.pilots,
        pilot_notes=alone(of.pilot.notes, smallest),
        earlier=of.earlier,
        earlier_others=of.earlier_others,
        fields=[_field(each, smallest) for each in of.fields],
    )


def _field(of: FieldEvaluated, smallest: int) -> FieldMeasured:
    families: dict[tuple[str, str], list[PartEvaluated]] = defaultdict(list)
    for part in of.parts:
        families[part.part, part.column].append(part)
    headline = next((part for part in of.parts if part.part == "headline"), None)
    parts: list[PartMeasured] = []
    for (kind, _), family in families.items():
        if kind in ("headline", "development") or headline is None:
            parts += [_whole_part(part, smallest) for part in family]
        else:
            parts += _family(family, headline, smallest)
    return FieldMeasured(
        field=of.field,
        column=of.column,
        kind=of.kind,
        unlabelled=alone(of.unlabelled, smallest),
        parts=parts,
    )


def _whole_part(part: PartEvaluated, smallest: int) -> PartMeasured:
    """Notes that are in no other part."""
    return PartMeasured(
        part=part.part,
        column=part.column,
        value=part.value,
        notes=alone(part.notes, smallest),
        choices=measured_told(part.choices, smallest) if part.choices else None,
        numbers=_numbers(part.numbers, smallest) if part.numbers else None,
        items=_items(part.items, smallest) if part.items else None,
    )


def _numbers(of: MeasuredNumbers, smallest: int) -> MeasuredNumbers:
    def counted(each: NumbersCounted) -> NumbersCounted:
        return NumbersCounted(
            within=share_told(each.within, smallest), exact=share_told(each.exact, smallest)
        )

    return of.model_copy(
        update={
            "n": 0 if is_small(of.n, smallest) else of.n,
            "coverage": share_told(of.coverage, smallest),
            "absolute_error": of_many(of.absolute_error, smallest),
            "bias": of_many(of.bias, smallest),
            "answered": counted(of.answered),
            "all": counted(of.all),
        }
    )


def _items(of: MeasuredItems, smallest: int) -> MeasuredItems:
    def counted(each: ItemsCounted) -> ItemsCounted:
        precision, recall = (share_told(f, smallest) for f in (each.precision, each.recall))
        told = (precision, recall) == (each.precision, each.recall)
        return ItemsCounted(
            precision=precision,
            recall=recall,
            f1=each.f1 if told else undefined(UNTOLD),
            exact=share_told(each.exact, smallest),
        )

    return of.model_copy(
        update={
            "n": 0 if is_small(of.n, smallest) else of.n,
            "coverage": share_told(of.coverage, smallest),
            "answered": counted(of.answered),
            "all": counted(of.all),
        }
    )


def _family(
    family: Sequence[PartEvaluated], headline: PartEvaluated, smallest: int
) -> list[PartMeasured]:
    """Parts of the headline: whoever knows the whole and all but one of them can subtract."""
    told = _told_whole(family, headline, smallest)
    if told:
        return [_whole_part(part, smallest) for part in family]
    accuracies = _accuracies(family, headline, smallest)
    notes = partition([part.notes for part in family], smallest).counts
    return [
        PartMeasured(
            part=part.part,
            column=part.column,
            value=part.value,
            notes=notes[which],
            accuracy=accuracies[which] if accuracies else None,
            withheld=f"its table has, or would give away, a count below {smallest}",
        )
        for which, part in enumerate(family)
    ]


def _told_whole(family: Sequence[PartEvaluated], headline: PartEvaluated, smallest: int) -> bool:
    """Whether nothing of these parts, nor of what they leave of the headline, is small."""
    if any(is_small(part.notes, smallest) for part in family):
        return False
    if is_small(headline.notes - sum(part.notes for part in family), smallest):
        return False
    if headline.choices is not None:
        whole = _classes(headline)
        tables = [_classes(part) for part in family]
        if any(table is None for table in tables) or whole is None:
            return False
        rest = whole - sum(table for table in tables if table is not None)
        return not any(
            has_small(np.abs(table), smallest)
            for table in [whole, rest, *tables]
            if table is not None
        )
    return len(family) > 1 and not any(
        _has_small_share(part, smallest) for part in (headline, *family)
    )


def _classes(part: PartEvaluated) -> np.ndarray | None:
    return np.array(part.choices.table) if part.choices else None


def _has_small_share(part: PartEvaluated, smallest: int) -> bool:
    of = part.numbers or part.items
    if of is None:
        return True
    ways = [getattr(of, way) for way in ("answered", "all")]
    names = ("within", "exact") if part.numbers else ("precision", "recall", "exact")
    shares = [of.coverage, *(getattr(way, name) for way in ways for name in names)]
    return any(share_told(each, smallest) != each for each in shares)


def _accuracies(
    family: Sequence[PartEvaluated], headline: PartEvaluated, smallest: int
) -> list[Figure] | None:
    whole, tables = _classes(headline), [_classes(part) for part in family]
    known = [
        table for table in tables if table is not None and table.shape == getattr(whole, "shape", 0)
    ]
    if whole is None or len(known) != len(family) or has_small(whole, smallest):
        return None
    n = [int(table.sum()) for table in known]
    if any(each < max(smallest, 1) for each in n) or int(whole.sum()) != sum(n):
        return None
    wrong = [each - int(np.trace(table[:, :-1])) for each, table in zip(n, known, strict=True)]
    return wrong_told(wrong, n, smallest)
