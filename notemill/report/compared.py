"""Comparisons and repeats, as far as they may be told."""

from __future__ import annotations

import numpy as np

from notemill.comparison.record import (
    ChoiceComparison,
    ComparisonRecord,
    Correctness,
    Cost,
    FieldComparison,
    Side,
)
from notemill.comparison.repeat_record import FieldRepeat, RepeatRecord
from notemill.report.cells import alone
from notemill.report.computing import rounded
from notemill.report.count import Count
from notemill.report.masked import has_small, untold_cells
from notemill.report.quality import (
    ChoicesCompared,
    ClassCompared,
    Compared,
    FieldCompared,
    FieldRepeated,
    Repeated,
    RightCompared,
    SideCompared,
    Table,
)
from notemill.report.shares import UNTOLD, at_least, of_many, rough, share_told, table_told
from notemill.statistics.agreement import Agreement
from notemill.statistics.figure import Figure, undefined


def compared(of: ComparisonRecord, smallest: int, asked: Count) -> Compared:
    """A comparison. Of a field whose table has a small cell, nothing is told but how often, at
    least, both say the same.

    asked: notes of the cohort that are asked; where they are a range, so that their number would
    give a small one away, all is told as roughly.
    """
    return Compared(
        name=of.name,
        cohort=of.cohort,
        first=_side(of.first, smallest, asked),
        second=_side(of.second, smallest, asked),
        differences=of.differences,
        fields=[_field_compared(each, smallest, asked) for each in of.fields],
        not_compared=of.not_compared,
        evaluation=of.gold.evaluation if of.gold else "",
        gold_split=of.gold.split if of.gold else "",
        remarks=of.remarks,
        seed=of.seed,
        draws=of.draws,
        made_at=of.made_at,
    )


def _side(of: Side, smallest: int, asked: Count) -> SideCompared:
    cost: Cost = of.cost.model_copy(
        update={
            "asked": int(rounded(of.cost.asked)),
            "tokens_per_note": of.cost.tokens_per_note and rounded(of.cost.tokens_per_note),
            "notes_per_s": of.cost.notes_per_s and rounded(of.cost.notes_per_s),
            "coverage": _roughly(share_told(of.cost.coverage, smallest), asked),
        }
    )
    return SideCompared(
        experiment=of.experiment,
        name=of.name,
        model=of.model,
        model_digest=of.model_digest,
        engines=of.engines,
        cost=cost,
    )


def _field_compared(of: FieldComparison, smallest: int, asked: Count) -> FieldCompared:
    small = of.choices is not None and has_small(np.array(of.choices.table), smallest)
    small = small or (of.choices is not None and not asked.exact)

    def share(figure: Figure) -> Figure:
        return at_least(figure) if small else _roughly(share_told(figure, smallest), asked)

    def mean(figure: Figure) -> Figure:
        return _roughly(of_many(figure, smallest), asked)

    return FieldCompared(
        field=of.field,
        kind=of.kind,
        same=share(of.same),
        same_all=share(of.same_all),
        choices=_choices_compared(of.choices, asked, small=small) if of.choices else None,
        difference=of.numbers and mean(of.numbers.difference),
        absolute=of.numbers and mean(of.numbers.absolute),
        within=of.numbers and share(of.numbers.within),
        overlap=of.items and share(of.items.overlap),
        correctness=[_right(each, smallest) for each in of.correctness],
    )


def _roughly(figure: Figure, asked: Count) -> Figure:
    """Without what says how many notes there are: their number, and the digits of a fraction."""
    return figure if asked.exact else rough(figure)


def _choices_compared(of: ChoiceComparison, asked: Count, *, small: bool) -> ChoicesCompared:
    if not small:
        return ChoicesCompared(
            table=table_told(of.labels, of.table),
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
    untold = undefined(UNTOLD)
    n = len(of.labels)
    cells = untold_cells(n, n, asked.high)

    def agreement(each: Agreement) -> Agreement:
        return Agreement(agreement=at_least(each.agreement), kappa=untold, ac1=untold)

    return ChoicesCompared(
        table=Table(rows=list(of.labels), columns=list(of.labels), cells=cells),
        answered=agreement(of.answered),
        all=agreement(of.all),
        classes=[
            ClassCompared(label=each.label, first=untold, second=untold, difference=untold, p=None)
            for each in of.classes
        ],
    )


def _right(of: Correctness, smallest: int) -> RightCompared:
    four = np.array([of.both, of.only_first, of.only_second, of.neither])
    small = has_small(four, smallest)
    only_first, only_second = (
        alone(of.only_first, smallest),
        alone(of.only_second, smallest),
    )
    if small:
        only_first = only_second = untold_cells(1, 1, of.notes)[0][0]
    return RightCompared(
        counting=of.counting,
        notes=alone(of.notes, smallest),
        only_first=only_first,
        only_second=only_second,
        first=at_least(of.first) if small else of.first,
        second=at_least(of.second) if small else of.second,
        difference=undefined(UNTOLD) if small else of.difference,
        p=None if small else of.p,
    )


def repeated(of: RepeatRecord, smallest: int) -> Repeated:
    """A repeat."""
    return Repeated(
        experiment=of.experiment,
        cohort=of.cohort,
        seed=of.settings.seed,
        seeds=[each.seed for each in of.rounds],
        texts=alone(of.texts, smallest),
        same=share_told(of.same, smallest),
        same_all=share_told(of.same_all, smallest),
        kept_status=share_told(of.kept_status, smallest),
        fields=[_field_repeated(each, smallest) for each in of.fields],
        temperature=of.temperature,
        slots=of.slots,
        gpu=of.gpu,
        made_at=of.made_at,
    )


def _field_repeated(of: FieldRepeat, smallest: int) -> FieldRepeated:
    names = list(dict.fromkeys(name for each in of.changes for name in (each.was, each.now)))
    table = np.zeros((len(names), len(names)), int)
    for each in of.changes:
        table[names.index(each.was), names.index(each.now)] += each.texts
    tellable = bool(names) and not has_small(table, smallest)
    return FieldRepeated(
        field=of.field,
        kind=of.kind,
        same=share_told(of.same, smallest),
        same_all=share_told(of.same_all, smallest),
        changes=table_told(names, table.tolist()) if tellable else None,
    )
