"""An evaluation's figures as rows of a table, one a figure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from notemill.evaluation.record import (
    EvaluationRecord,
    ExperimentEvaluated,
    FieldEvaluated,
    PartEvaluated,
)
from notemill.statistics.figure import Figure
from notemill.statistics.measures import Measured

_COUNTINGS = ("answered", "all")
_OF_TABLE = ("accuracy", "kappa", "ac1", "macro_f1")
_OF_CLASS = ("sensitivity", "specificity", "ppv", "npv", "f1")
_OF_NUMBERS = ("within", "exact")
_OF_ITEMS = ("precision", "recall", "f1", "exact")

Told = tuple[str, str, str, Figure]
"""A class, a measure, how notes without an answer are counted, and the figure."""


def rows_of(record: EvaluationRecord) -> list[dict[str, Any]]:
    """Rows of the evaluations table, numbered in the record's order."""
    at = datetime.fromisoformat(record.evaluated_at).astimezone(UTC).replace(tzinfo=None)
    whole: dict[str, Any] = {
        "evaluation": record.name,
        "cohort": record.cohort,
        "headline": record.headline,
        "gold_sha256": record.gold.sha256,
        "clustered_by": record.clustered_by,
        "seed": record.seed,
        "draws": record.draws,
        "evaluated_at": at,
        "notemill": record.notemill,
    }
    rows = [
        whole
        | _of_experiment(experiment)
        | _of_part(field, part)
        | {"class": label, "measure": measure, "counting": counting}
        | _of_figure(figure)
        for experiment in record.experiments
        for field in experiment.fields
        for part in field.parts
        for label, measure, counting, figure in _told(part)
    ]
    return [{"figure": number} | row for number, row in enumerate(rows, start=1)]


def _of_experiment(experiment: ExperimentEvaluated) -> dict[str, Any]:
    return {
        "experiment": experiment.experiment,
        "query_meta": experiment.name,
        "earlier": len(experiment.earlier),
        "piloted": experiment.pilot.notes,
    }


def _of_part(field: FieldEvaluated, part: PartEvaluated) -> dict[str, Any]:
    measured = part.choices or part.numbers or part.items
    return {
        "field": field.field,
        "kind": field.kind,
        "part": part.part,
        "subgroup": part.column,
        "subgroup_value": part.value,
        "notes": part.notes,
        "clusters": measured.clusters if measured else 0,
        "tolerance": part.numbers.tolerance if part.numbers else None,
    }


def _of_figure(figure: Figure) -> dict[str, Any]:
    return {
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "n": float(figure.n),
        "why": figure.why,
    }


def _told(part: PartEvaluated) -> Iterator[Told]:
    if part.choices:
        yield from _of_choices(part.choices)
    for measured, names in ((part.numbers, _OF_NUMBERS), (part.items, _OF_ITEMS)):
        if measured:
            yield "", "coverage", "all", measured.coverage
            for counting in _COUNTINGS:
                for name in names:
                    yield "", name, counting, getattr(getattr(measured, counting), name)
    if part.numbers:
        yield "", "absolute_error", "answered", part.numbers.absolute_error
        yield "", "bias", "answered", part.numbers.bias


def _of_choices(measured: Measured) -> Iterator[Told]:
    yield "", "coverage", "all", measured.coverage
    for counting in _COUNTINGS:
        counted = getattr(measured, counting)
        for name in _OF_TABLE:
            yield "", name, counting, getattr(counted, name)
        for of_class in counted.classes:
            for name in _OF_CLASS:
                yield of_class.label, name, counting, getattr(of_class, name)
