"""Answers against right values that are known: figures, grids, subgroups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from notemill.report import tables
from notemill.report.blocks import Block, Facts, Heading, Legend, Section, Shown, Text, left
from notemill.report.charts import grid
from notemill.report.charts.forest import TWICE, Forest, Forests, Row
from notemill.report.numbers import listed, when
from notemill.report.quality import (
    ChoicesMeasured,
    Evaluated,
    ExperimentMeasured,
    FieldMeasured,
    PartMeasured,
)
from notemill.report.record import Report
from notemill.report.sections.names import called
from notemill.report.tables import Cell, Column, told
from notemill.statistics.figure import Figure, undefined
from notemill.statistics.items import MeasuredItems
from notemill.statistics.numbers import MeasuredNumbers

_PARTS = {
    "development": "development notes",
    "without_pilot": "without notes that a pilot asked",
}
_HEADLINES = {
    "all": "all notes of the gold",
    "test": "its test notes",
    "development": "its development notes: the test is held back",
}
_MEASURES = ("sensitivity", "specificity", "ppv", "npv", "f1")
_NAMES = {"ppv": "PPV", "npv": "NPV", "f1": "F1"}


def evaluation_section(report: Report, forests: Forests) -> Section:
    """Every evaluation with every experiment in it."""
    return Section(
        "Evaluation",
        [block for each in report.evaluations for block in _evaluation(report, each, forests)],
    )


def _evaluation(report: Report, of: Evaluated, forests: Forests) -> Iterator[Block]:
    yield Heading(f"{of.name}, over {of.cohort}")
    yield Facts(
        [
            ("right values from", of.gold_source),
            (f"sha256 of the {'file' if of.gold_kind == 'file' else 'rows'}", of.gold_sha256),
            ("notes with a right value", told(of.gold_notes)),
            ("patients", told(of.gold_patients) if of.gold_patients else ""),
            ("split", listed([f"{each.name} {told(each.count)}" for each in of.split], 8)),
            ("figures are of", _HEADLINES[of.headline]),
            ("intervals by", "patients, resampled" if of.clustered_by == "patient" else "texts"),
            ("seed", f"{of.seed}"),
            ("evaluated", when(of.evaluated_at)),
        ]
    )
    if len(of.experiments) > 1:
        yield from _together(report, of, forests)
    shown = of.experiments[: forests.details]
    for each in shown:
        yield from _experiment(called(report, each.experiment), each, forests)
    yield from left(len(of.experiments) - len(shown))


def _together(report: Report, of: Evaluated, forests: Forests) -> Iterator[Block]:
    """One figure of each experiment, below each other."""
    names = list(dict.fromkeys(field.field for each in of.experiments for field in each.fields))
    for name in names:
        found = [
            (called(report, each.experiment), main)
            for each in of.experiments
            for field in each.fields
            if field.field == name and (main := main_figures(field.parts[0]))
        ]
        if len(found) > 1:
            _, (measure, _, _) = found[0]
            rows = [Row([experiment], figures) for experiment, (_, *figures) in found]
            yield Legend(TWICE)
            yield Shown(
                forests.table(
                    Forest(f"{name}: {measure} by experiment", ["experiment"], TWICE, rows)
                )
            )


def main_figures(part: PartMeasured) -> tuple[str, Figure, Figure] | None:
    """What a part comes to in one figure, told twice: its name, of answered notes, of all."""
    if part.choices:
        return "accuracy", part.choices.answered.accuracy, part.choices.all.accuracy
    if part.numbers:
        name = f"within {part.numbers.tolerance:g}"
        return name, part.numbers.answered.within, part.numbers.all.within
    if part.items:
        return "F1 of items", part.items.answered.f1, part.items.all.f1
    return None


def _experiment(name: str, each: ExperimentMeasured, forests: Forests) -> Iterator[Block]:
    yield Heading(name, 4)
    for words in _seen(each):
        yield Text(words, "warn")
    for field in each.fields:
        yield from _field(f"{name}, {field.field}", field, forests)


def _seen(each: ExperimentMeasured) -> Iterator[str]:
    if each.earlier:
        names = listed([f"{use.experiment} on {when(use.at)}" for use in each.earlier], 4)
        yield (
            "These labels did not stay unseen while the prompt changed: figures of earlier "
            f"experiments of this name were told before, of {names}."
        )
    if each.pilot_notes.high:
        yield (
            f"{told(each.pilot_notes)} of these notes have a text that a pilot asked, whose "
            "answers may have been looked at."
        )


def _field(name: str, field: FieldMeasured, forests: Forests) -> Iterator[Block]:
    headline = field.parts[0]
    if field.unlabelled.high:
        yield Text(
            f"{told(field.unlabelled)} notes of the gold have no right value of {field.field} and "
            "are left out.",
            "quiet",
        )
    if headline.withheld:
        yield Text(headline.withheld, "quiet", label=name)
    if headline.choices:
        yield from _choices(name, headline.choices, forests)
    if headline.numbers:
        yield from _numbers(name, headline.numbers, forests)
    if headline.items:
        yield from _items(name, headline.items, forests)
    yield from _parts(name, field.parts, forests)


def _choices(name: str, of: ChoicesMeasured, forests: Forests) -> Iterator[Block]:
    if of.table is not None:
        yield from grid.blocks(
            f"{name}: right values against answers",
            grid.Grid(of.table, ("right value", "answer")),
            forests.most,
        )
    yield Legend(TWICE)
    pairs = [
        ("accuracy", of.answered.accuracy, of.all.accuracy),
        ("kappa", of.answered.kappa, of.all.kappa),
        ("AC1", of.answered.ac1, of.all.ac1),
        ("macro F1", of.answered.macro_f1, of.all.macro_f1),
    ]
    yield _twice(f"{name}: figures", pairs, of.coverage, forests)
    rows = [
        Row(
            [answered.label, _NAMES.get(measure, measure)],
            [getattr(answered, measure), getattr(in_all, measure)],
        )
        for answered, in_all in zip(of.answered.classes, of.all.classes, strict=True)
        for measure in _MEASURES
    ]
    yield Shown(
        forests.table(
            Forest(f"{name}: each class against the others", ["class", "measure"], TWICE, rows)
        )
    )


def _twice(
    caption: str,
    pairs: Sequence[tuple[str, Figure, Figure]],
    coverage: Figure,
    forests: Forests,
) -> Shown:
    rows = [Row([name], [answered, in_all]) for name, answered, in_all in pairs]
    told_so = [Row(["share of notes with an answer"], [coverage])]
    return Shown(forests.table(Forest(caption, ["measure"], TWICE, [*rows, *told_so])))


def _numbers(name: str, of: MeasuredNumbers, forests: Forests) -> Iterator[Block]:
    yield Legend(TWICE)
    pairs = [
        (f"within {of.tolerance:g}", of.answered.within, of.all.within),
        ("the very number", of.answered.exact, of.all.exact),
    ]
    yield _twice(f"{name}: agreement", pairs, of.coverage, forests)
    rows = [Row(["mean absolute error"], [of.absolute_error]), Row(["mean error"], [of.bias])]
    yield Shown(
        forests.table(
            Forest(
                f"{name}: how far off, answer less right value",
                ["measure"],
                ["notes where both are numbers"],
                rows,
                share=False,
                signed=True,
            )
        )
    )


def _items(name: str, of: MeasuredItems, forests: Forests) -> Iterator[Block]:
    yield Legend(TWICE)
    pairs = [
        ("precision of items", of.answered.precision, of.all.precision),
        ("recall of items", of.answered.recall, of.all.recall),
        ("F1 of items", of.answered.f1, of.all.f1),
        ("the very list", of.answered.exact, of.all.exact),
    ]
    yield _twice(f"{name}: figures", pairs, of.coverage, forests)


def _parts(name: str, parts: Sequence[PartMeasured], forests: Forests) -> Iterator[Block]:
    """The headline and what else it was counted over, by its main figure."""
    rows = [row for part in parts if (row := _part(part))]
    main = main_figures(parts[0])
    if len(rows) > 1:
        caption = f"{name}: {main[0] if main else 'accuracy'} by part and subgroup"
        yield Legend(TWICE)
        yield Shown(
            forests.table(Forest(caption, ["notes"], TWICE, rows, more=[Column("notes in it")]))
        )


def _part(part: PartMeasured) -> Row | None:
    main = main_figures(part)
    if part.part == "subgroup":
        name = f"{part.column.replace('_', ' ')}: {part.value or '(no value)'}"
    else:
        name = _PARTS.get(part.part, "headline")
    size: list[Cell] = [tables.counted(part.notes)]
    if main is not None:
        return Row([name], main[1:], size)
    nothing = undefined(part.withheld)
    return Row([name], [nothing, nothing], size)
