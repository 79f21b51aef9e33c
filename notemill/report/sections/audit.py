"""What readers found: the sample, agreement, and the whole cohort's figures."""

from __future__ import annotations

from collections.abc import Iterator

from notemill.report import tables
from notemill.report.blocks import Block, Facts, Heading, Legend, Section, Shown, Text
from notemill.report.charts import grid
from notemill.report.charts.forest import TWICE, Forest, Forests, Row
from notemill.report.count import exactly
from notemill.report.numbers import listed, when
from notemill.report.quality import Audited, StratumAudited
from notemill.report.record import Report
from notemill.report.sections.names import called
from notemill.report.tables import Cell, Column, Table, told
from notemill.statistics.figure import undefined

_MEASURES = {
    "prevalence": "true prevalence",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "npv": "NPV",
}
_ONLY_ALL = undefined("it is told of all notes alone")
_CANNOT_TELL = "cannot tell"
_EVIDENCE = {"found": "found", "not_found": "not found", None: ""}


def audit_section(report: Report, forests: Forests) -> Section:
    """Every audit."""
    return Section(
        "Audit by readers",
        [block for each in report.audits for block in _audit(report, each, forests)],
    )


def _audit(report: Report, of: Audited, forests: Forests) -> Iterator[Block]:
    yield Heading(f"{of.name}: {of.field} of {called(report, of.experiment)} over {of.cohort}")
    yield Text(
        "Readers saw a probability sample of the texts, without the model's answers. All "
        "figures of the cohort are weighted by its notes."
    )
    for remark in of.remarks:
        yield Text(remark, "warn")
    yield Facts(
        [
            ("readers", f"{of.readers}"),
            ("texts of each", listed([f"{texts:,}" for texts in of.read], 8)),
            ("drawn", when(of.drawn_at)),
            ("seed", f"{of.seed}"),
            ("sizes of the strata", of.allocation),
            ("settled by a third look", f"{told(of.adjudicated)} texts"),
            ("estimated", when(of.estimated_at)),
        ]
    )
    yield Legend(TWICE)
    yield Shown(_cohort(of, forests))
    yield Shown(_strata(of))
    yield Shown(_agreement(of, forests))
    for each in of.between_readers:
        first, second = each.readers
        yield from grid.blocks(
            f"Texts that readers {first} and {second} both read",
            grid.Grid(each.table, (f"reader {first}", f"reader {second}"), "texts"),
            forests.most,
        )


def _cohort(of: Audited, forests: Forests) -> Table:
    rows = [
        Row(["all classes", "accuracy"], [of.answered.accuracy, of.all.accuracy]),
        Row(
            ["all classes", "accuracy, were all that nobody could tell wrong"],
            [_ONLY_ALL, of.accuracy_if_untold_wrong],
        ),
    ]
    rows += [
        Row([answered.label, name], [getattr(answered, measure), getattr(in_all, measure)])
        for answered, in_all in zip(of.answered.classes, of.all.classes, strict=True)
        for measure, name in _MEASURES.items()
    ]
    return forests.table(
        Forest("The whole cohort, by what readers found", ["class", "measure"], TWICE, rows)
    )


def _strata(of: Audited) -> Table:
    found = dict.fromkeys(each.name for stratum in of.strata for each in stratum.truths)
    truths = sorted(found, key=lambda name: name == _CANNOT_TELL)
    evidence = any(each.evidence for each in of.strata)
    columns = [
        Column("stratum", number=False),
        Column("answer", number=False),
        *([Column("quote", number=False)] if evidence else []),
        Column("notes"),
        Column("texts"),
        Column("read"),
        *(Column(tables.text(name).text) for name in truths),
    ]
    rows = [_stratum(each, truths, evidence) for each in of.strata]
    return Table(
        "The sample: its strata, and the texts that were read by what they are", columns, rows
    )


def _stratum(each: StratumAudited, truths: list[str], evidence: bool) -> list[Cell]:
    found = {named.name: named.count for named in each.truths}
    return [
        tables.text(each.name),
        tables.text(each.answer if each.answer is not None else "(no answer)"),
        *([tables.text(_EVIDENCE[each.evidence])] if evidence else []),
        tables.counted(each.notes),
        tables.counted(each.texts),
        tables.counted(each.drawn),
        *(tables.counted(found.get(name, exactly(0))) for name in truths),
    ]


def _agreement(of: Audited, forests: Forests) -> Table:
    rows = [
        Row([f"readers {each.readers[0]} and {each.readers[1]}", name], [told_figure])
        for each in of.between_readers
        for name, told_figure in (
            ("agreement, not weighted", each.agreement),
            ("kappa, not weighted", each.kappa),
            ("AC1, not weighted", each.ac1),
        )
    ]
    rows += [
        Row([f"reader {number} and the model", "agreement, weighted"], [told_figure])
        for number, told_figure in enumerate(of.with_model, 1)
    ]
    rows.append(Row(["nobody could tell", "share of the cohort's notes"], [of.cannot_tell]))
    return forests.table(Forest("Agreement", ["who", "measure"], ["figure"], rows))
