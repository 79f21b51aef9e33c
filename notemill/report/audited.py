"""Audits, as far as they may be told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from notemill.audit.record import AuditEstimate, BetweenReaders, Estimated
from notemill.report.cells import alone, is_small
from notemill.report.count import Count, Named, exactly
from notemill.report.masked import has_small, untold_cells
from notemill.report.quality import Audited, ReadersAgree, StratumAudited
from notemill.report.shares import rough, table_told
from notemill.statistics.figure import Figure
from notemill.statistics.strata import CohortFigures

CANNOT_TELL = "cannot tell"


def audited(of: AuditEstimate, smallest: int, asked: Count) -> Audited:
    """An audit. Its figures are rough where a stratum's reading has a small count.

    asked: notes of the cohort that are asked; a range where their number would give one away.
    """
    small = not asked.exact or any(
        is_small(count, smallest)
        for each in of.strata
        for count in (*each.truths.values(), each.cannot_tell, each.drawn, each.notes)
    )
    design = of.design
    most = asked.high

    def told(figure: Figure) -> Figure:
        return rough(figure) if small else figure

    def estimated(each: Estimated) -> Estimated:
        return Estimated(
            accuracy=told(each.accuracy),
            classes=[
                CohortFigures(
                    label=one.label,
                    prevalence=told(one.prevalence),
                    sensitivity=told(one.sensitivity),
                    specificity=told(one.specificity),
                    ppv=told(one.ppv),
                    npv=told(one.npv),
                )
                for one in each.classes
            ],
        )

    untold = untold_cells(1, 1, most)[0][0]
    return Audited(
        name=design.name,
        cohort=design.cohort,
        experiment=design.experiment,
        field=design.field,
        readers=len(design.readers),
        seed=design.seed,
        allocation=design.allocation,
        drawn_at=design.drawn_at,
        estimated_at=of.estimated_at,
        strata=[
            StratumAudited(
                name=each.name,
                answer=each.answer,
                evidence=each.evidence,
                notes=untold if small else exactly(each.notes),
                texts=untold if small else exactly(each.texts),
                drawn=untold if small else exactly(each.drawn),
                truths=[]
                if small
                else [
                    Named(name=name, count=exactly(count))
                    for name, count in {**each.truths, CANNOT_TELL: each.cannot_tell}.items()
                ],
            )
            for each in of.strata
        ],
        between_readers=[_readers(each, design.readers, smallest) for each in of.between_readers],
        with_model=[told(each.agreement) for each in of.with_model],
        adjudicated=alone(of.adjudicated, smallest),
        cannot_tell=told(of.cannot_tell),
        answered=estimated(of.answered),
        all=estimated(of.all),
        accuracy_if_untold_wrong=told(of.accuracy_if_untold_wrong),
        draws=of.draws,
        level=of.level,
        # Some count notes; words without a number don't.
        remarks=[r for r in of.remarks if smallest <= 1 or not any(map(str.isdigit, r))],
    )


def _readers(of: BetweenReaders, readers: Sequence[str], smallest: int) -> ReadersAgree:
    small = has_small(np.array(of.table), smallest)
    told = rough if small else lambda figure: figure
    first, second = (readers.index(each) + 1 if each in readers else 0 for each in of.readers)
    return ReadersAgree(
        readers=(first, second),
        table=None if small else table_told(of.labels, of.table),
        agreement=told(of.agreement),
        kappa=told(of.kappa),
        ac1=told(of.ac1),
    )
