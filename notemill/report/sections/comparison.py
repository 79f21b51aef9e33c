"""Two experiments on the same notes, and one asked twice."""

from __future__ import annotations

from collections.abc import Iterator

from notemill.report import tables
from notemill.report.blocks import Block, Diff, Facts, Heading, Legend, Section, Shown, Text, left
from notemill.report.charts import grid
from notemill.report.charts.forest import Forest, Forests, Row
from notemill.report.numbers import listed, p_value, when
from notemill.report.quality import Compared, FieldCompared, Repeated, RightCompared, SideCompared
from notemill.report.record import Report
from notemill.report.sections.names import called
from notemill.report.tables import Cell, Column, Table, told

_BOTH = ("notes that both answered", "all notes, no answer is another one")
_COUNTING = {"answered": "notes that both answered", "all": "all notes, no answer is wrong"}
_DIFFERENCE = Column("second less first", copied=tables.interval("second less first"))
_UNCORRECTED = "The p values of this comparison are not corrected for how many there are."
_NO_P = "there is nothing to test"


def comparison_section(report: Report, forests: Forests) -> Section:
    """Every comparison."""
    shown = report.comparisons[: forests.details]
    blocks = [block for each in shown for block in _comparison(each, forests)]
    return Section(
        "Comparison of experiments", [*blocks, *left(len(report.comparisons) - len(shown))]
    )


def _comparison(of: Compared, forests: Forests) -> Iterator[Block]:
    first, second = _names(of)
    yield Heading(f"{of.name}: {first} and {second}, over {of.cohort}")
    yield Facts(
        [
            ("first", of.first.experiment),
            ("second", of.second.experiment),
            ("seed", f"{of.seed}"),
            ("made", when(of.made_at)),
        ]
    )
    for remark in of.remarks:
        yield Text(remark, "quiet")
    yield Shown(_cost(of))
    for field in of.fields:
        yield from _field(field, of, forests)
    for each in of.not_compared:
        yield Text(f"{each.field} is not compared: {each.why}.", "quiet")
    for difference in of.differences:
        if not difference.known:
            yield Text(f"Whether they differ in their {difference.part} is not known.", "quiet")
        elif difference.diff:
            yield Diff(f"{difference.part}: - {first}, + {second}", difference.diff.splitlines())
    same = [each.part for each in of.differences if each.known and not each.diff]
    if same:
        yield Text(f"Of both the same: {listed(same, 8)}.", "quiet")


def _cost(of: Compared) -> Table:
    columns = [
        Column("experiment", number=False),
        Column("model", number=False),
        Column("share with an answer", copied=tables.interval("share with an answer")),
        *(Column(f"{each.field}: right") for each in of.fields if _right(each)),
        Column("tokens a note"),
        Column("time of all jobs"),
        Column("notes/s of a job"),
        Column("GPU", number=False),
    ]
    for place, column in enumerate(columns):
        if column.name.endswith(": right"):
            columns[place] = Column(column.name, copied=tables.interval(column.name))
    return Table("Cost beside quality", columns, [_side(of, of.first, 0), _side(of, of.second, 1)])


def _right(field: FieldCompared) -> RightCompared | None:
    """With every failure counted as wrong."""
    return next((each for each in field.correctness if each.counting == "all"), None)


def _side(of: Compared, side: SideCompared, which: int) -> list[Cell]:
    cost = side.cost
    rights = [right for field in of.fields if (right := _right(field))]
    gpus = listed(cost.gpus, 3)
    return [
        tables.text(side.experiment),
        tables.text(side.model),
        tables.figure(cost.coverage),
        *(tables.figure((right.first, right.second)[which]) for right in rights),
        tables.measured(cost.tokens_per_note, "nothing was asked"),
        tables.hours(cost.job_seconds / 3600),
        tables.measured(cost.notes_per_s, "nothing was asked"),
        tables.text(gpus) if gpus else tables.dash("no kind is known"),
    ]


def _field(field: FieldCompared, of: Compared, forests: Forests) -> Iterator[Block]:
    yield Heading(f"Field {field.field}", 4)
    if field.correctness:
        yield Legend(_names(of))
        yield Shown(_correctness(field, of, forests))
        yield Shown(_alone(field, of))
    if field.choices:
        yield from grid.blocks(
            f"{field.field}: notes by both answers; what lies off the diagonal flips",
            grid.Grid(field.choices.table, _names(of)),
            forests.most,
        )
    yield Legend(_BOTH)
    yield Shown(_same(field, forests))
    more = [
        ("mean difference, second less first", field.difference),
        ("mean of it without its sign", field.absolute),
    ]
    rows = [Row([name], [told_figure]) for name, told_figure in more if told_figure is not None]
    if rows:
        yield Shown(
            forests.table(
                Forest(
                    f"{field.field}: how far apart",
                    ["measure"],
                    ["notes with a number from both"],
                    rows,
                    share=False,
                    signed=True,
                )
            )
        )
    if field.choices:
        yield Legend(_names(of))
        yield Shown(_classes(field, of, forests))
        yield Text(_UNCORRECTED, "quiet")


def _same(field: FieldCompared, forests: Forests) -> Table:
    rows = [Row(["the very same"], [field.same, field.same_all])]
    if field.choices:
        both, in_all = field.choices.answered, field.choices.all
        rows += [
            Row(["agreement"], [both.agreement, in_all.agreement]),
            Row(["kappa"], [both.kappa, in_all.kappa]),
            Row(["AC1"], [both.ac1, in_all.ac1]),
        ]
    if field.within is not None:
        rows.append(Row(["within the tolerance"], [field.within]))
    if field.overlap is not None:
        rows.append(Row(["items that both have, of all"], [field.overlap]))
    return forests.table(Forest(f"{field.field}: agreement", ["measure"], _BOTH, rows))


def _classes(field: FieldCompared, of: Compared, forests: Forests) -> Table:
    assert field.choices
    rows = [
        Row(
            [each.label],
            [each.first, each.second],
            [tables.figure(each.difference, signed=True), _p(each.p)],
        )
        for each in field.choices.classes
    ]
    return forests.table(
        Forest(
            f"{field.field}: share of all notes that each says a class of",
            ["class"],
            _names(of),
            rows,
            more=[_DIFFERENCE, _mcnemar("texts")],
            n=False,
        )
    )


def _correctness(field: FieldCompared, of: Compared, forests: Forests) -> Table:
    rows = [
        Row(
            [_COUNTING[each.counting]],
            [each.first, each.second],
            [tables.figure(each.difference, signed=True), tables.counted(each.notes)],
        )
        for each in field.correctness
    ]
    split = f", {of.gold_split} notes" if of.gold_split else ""
    return forests.table(
        Forest(
            f"{field.field}: share that is right, by {of.evaluation}{split}",
            ["counted over"],
            _names(of),
            rows,
            more=[_DIFFERENCE, Column("notes")],
            n=False,
        )
    )


def _alone(field: FieldCompared, of: Compared) -> Table:
    columns = [
        Column("counted over", number=False),
        *(Column(f"only {name} is right") for name in _names(of)),
        _mcnemar(of.gold_clusters),
    ]
    rows = [
        [
            tables.text(_COUNTING[each.counting]),
            tables.counted(each.only_first),
            tables.counted(each.only_second),
            _p(each.p),
        ]
        for each in field.correctness
    ]
    return Table(f"{field.field}: notes that one of the two alone has right", columns, rows)


def _names(of: Compared) -> tuple[str, str]:
    """Of the two, short where that tells them apart."""
    first, second = of.first, of.second
    if first.name == second.name:
        return first.experiment, second.experiment
    return first.name, second.name


def _mcnemar(unit: str) -> Column:
    """unit: of what it counts those that only one of the two has."""
    return Column(f"p (McNemar, exact, of {unit})")


def _p(p: float | None) -> Cell:
    return tables.dash(_NO_P) if p is None else Cell(p_value(p), (p,))


def repeat_section(report: Report, forests: Forests) -> Section:
    """Every experiment that was asked again."""
    return Section(
        "Asked again",
        [block for each in report.repeats for block in _repeat(report, each, forests)],
    )


def _repeat(report: Report, of: Repeated, forests: Forests) -> Iterator[Block]:
    yield Heading(f"{called(report, of.experiment)} over {of.cohort}")
    seeds = "with the same seed" if of.seed == "same" else "with other seeds"
    yield Text(
        f"{told(of.texts)} texts, drawn at random, were asked {len(of.seeds)} more "
        f"{'time' if len(of.seeds) == 1 else 'times'} {seeds}, by an engine that was started anew."
    )
    yield Facts(
        [
            ("temperature", f"{of.temperature:g}"),
            ("seeds", ", ".join(map(str, of.seeds))),
            ("slots", f"{of.slots}"),
            ("GPU", of.gpu),
            ("made", when(of.made_at)),
        ]
    )
    names = ("answered every time", "all that were answered, no answer is another one")
    yield Legend(names)
    rows = [
        Row(["the whole answer stays the same"], [of.same, of.same_all]),
        *(Row([f"{each.field} stays the same"], [each.same, each.same_all]) for each in of.fields),
        Row(["ended in the same way (all texts)"], [of.kept_status]),
    ]
    yield Shown(forests.table(Forest("Texts that stay as they were", ["what"], names, rows)))
    for field in of.fields:
        if field.changes is not None:
            yield from grid.blocks(
                f"{field.field}: what it was, and what it is now",
                grid.Grid(field.changes, ("was", "is now"), "texts"),
                forests.most,
            )
