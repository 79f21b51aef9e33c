"""Audits, as far as they may be told."""

from __future__ import annotations

from collections.abc import Sequence

from notemill.audit.record import AuditEstimate, BetweenReaders, StratumRead
from notemill.report.cells import of_many, partition, table
from notemill.report.count import Named, exactly
from notemill.report.quality import Audited, ReadersAgree, StratumAudited

CANNOT_TELL = "cannot tell"


def audited(of: AuditEstimate, smallest: int) -> Audited:
    """An audit; of its cells, what readers found in each stratum and what two of them said."""
    design = of.design
    told = Audited(
        name=design.name,
        cohort=design.cohort,
        experiment=design.experiment,
        field=design.field,
        readers=len(design.readers),
        read=list(design.read_by.values()),
        seed=design.seed,
        allocation=design.allocation,
        drawn_at=design.drawn_at,
        estimated_at=of.estimated_at,
        strata=[_stratum(each, smallest) for each in of.strata],
        between_readers=[_readers(each, design.readers, smallest) for each in of.between_readers],
        with_model=[each.agreement for each in of.with_model],
        adjudicated=exactly(of.adjudicated),
        cannot_tell=of.cannot_tell,
        answered=of.answered,
        all=of.all,
        accuracy_if_untold_wrong=of.accuracy_if_untold_wrong,
        draws=of.draws,
        level=of.level,
        remarks=of.remarks,
    )
    return of_many(told, smallest)


def _stratum(of: StratumRead, smallest: int) -> StratumAudited:
    truths = {**of.truths, CANNOT_TELL: of.cannot_tell}
    counts = partition(list(truths.values()), smallest)
    return StratumAudited(
        name=of.name,
        answer=of.answer,
        evidence=of.evidence,
        notes=exactly(of.notes),
        texts=exactly(of.texts),
        drawn=exactly(of.drawn),
        shared=exactly(of.shared),
        truths=[Named(name=name, count=count) for name, count in zip(truths, counts, strict=True)],
    )


def _readers(of: BetweenReaders, readers: Sequence[str], smallest: int) -> ReadersAgree:
    first, second = (readers.index(each) + 1 if each in readers else 0 for each in of.readers)
    return ReadersAgree(
        readers=(first, second),
        table=table(of.labels, of.labels, of.table, smallest),
        agreement=of.agreement,
        kappa=of.kappa,
        ac1=of.ac1,
    )
