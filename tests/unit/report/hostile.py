"""A report whose every word tries to be something else, and runs of strange sizes."""

from __future__ import annotations

import numpy as np

from notemill.report.count import Named, exactly
from notemill.report.quality import ChoicesMeasured, PartMeasured, Table
from notemill.report.record import Across, Report
from notemill.statistics.measures import ClassFigures, Counted
from tests.unit.report import judged, reports

MARKUP = (
    "</script></style></title><script>document.title = 'taken'</script>"
    '<img src="https://tracker.example/x.png" onerror="document.title = 1">'
    "{{ 7 * 7 }}{% raw %} &amp; <!-- \" '"
)
ARABIC = "لا يوجد دليل على التهاب رئوي"
LONG = "x" * 300
LABELS = [MARKUP, ARABIC, LONG, "=1+1", "tab\tand\nline", "\u202eturned", "\x00\x1b"]
LABELS += [f"class {number}" for number in range(53)]


def wide() -> ChoicesMeasured:
    """Sixty classes."""
    table = np.random.default_rng(1).integers(5, 30, (60, 61))
    one = judged.of(0.9)
    classes = [
        ClassFigures(label=label, sensitivity=one, specificity=one, ppv=one, npv=one, f1=one)
        for label in LABELS
    ]
    figures = Counted(accuracy=one, kappa=one, ac1=one, macro_f1=one, classes=classes)
    cells = judged.counts(table.tolist())
    return ChoicesMeasured(
        table=Table(rows=LABELS, columns=[*LABELS, "(no answer)"], cells=cells),
        clusters=0,
        coverage=one,
        answered=figures,
        all=figures,
    )


def hostile(experiments: int = 1) -> Report:
    """With sixty classes over 96 months; names: of the experiments after the first."""
    months = [f"{year}-{month:02}" for year in range(2018, 2026) for month in range(1, 13)]
    cells = [[exactly(60 + place % 7) for place in range(len(months))] for _ in LABELS]
    classes = [Named(name=label, count=exactly(100 + n)) for n, label in enumerate(LABELS)]
    notes = [sum(row[place].low for row in cells) for place in range(len(months))]
    across = [Across(by="month", columns=months, notes=notes, classes=LABELS, cells=cells)]
    choice = reports.choice(name=MARKUP, classes=classes, across=across)
    names = [MARKUP, *(f"experiment_{number}" for number in range(1, experiments))]
    part = PartMeasured(part="headline", column="", value="", notes=exactly(8_000), choices=wide())
    field = judged.field(MARKUP, parts=[part])
    return reports.rich(
        title=MARKUP,
        cohorts=[reports.cohort(query=MARKUP, server=LONG)],
        experiments=[
            reports.asked(
                name, system_prompt=MARKUP, user_prompt=ARABIC + "\n{note}", options={LONG: MARKUP}
            )
            for name in names
        ],
        answers=[reports.answered(f"{name}-be294ea84522", fields=[choice]) for name in names],
        evaluations=[
            judged.evaluated(
                experiments=[judged.measured_experiment(name, fields=[field]) for name in names]
            )
        ],
        comparisons=[
            judged.compared(first=judged.side(MARKUP), second=judged.side(name))
            for name in names[1:]
        ],
    )
