"""Which of the two is right, where a gold label says what is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from notemill.answers.finished import Finished, finished
from notemill.answers.verdict import Status
from notemill.comparison.planned import PlannedComparison
from notemill.comparison.record import Correctness, Gold
from notemill.comparison.sides import Answered
from notemill.config import Config, Evaluation
from notemill.errors import NotemillError
from notemill.evaluation.cells import UNLABELLED, answer_of
from notemill.evaluation.fields import Shape, lacking_fields, shape_of
from notemill.evaluation.figures import clusters_of
from notemill.evaluation.found import found_answers, found_notes
from notemill.evaluation.gold import Gold as Labels
from notemill.evaluation.gold import read_gold
from notemill.evaluation.parts import headline_mask, headline_of
from notemill.evaluation.piloted import piloted
from notemill.evaluation.record import read_evaluation
from notemill.paths import Layout, cut_name
from notemill.statistics.figure import Figure
from notemill.statistics.numbers import near
from notemill.statistics.pairs import difference, mcnemar, mcnemar_clustered
from notemill.statistics.proportion import clustered_share, share
from notemill.statistics.resampling import resampled
from notemill.tasks.run import Run

Counting = Literal["answered", "all"]
_COUNTINGS: tuple[Counting, Counting] = ("answered", "all")
_BOTH, _ONLY_FIRST, _ONLY_SECOND, _NEITHER = range(4)


@dataclass(frozen=True)
class Judged:
    """What the gold says. by_field: of each compared field that the gold has labels of."""

    gold: Gold
    by_field: dict[str, list[Correctness]]


def judged(
    config: Config,
    planned: PlannedComparison,
    sides: tuple[Answered, Answered],
    runs: Mapping[str, Run],
    fields: Sequence[str],
    seed: int,
) -> Judged:
    """Hold both against the gold of the comparison's evaluation, on the notes of its headline.

    Raises NotemillError where the evaluation is of another cohort, has none of the fields, or was
    computed from other labels.
    """
    name = planned.settings.evaluation or ""
    evaluation = config.evaluations[name]
    wanted = [field for field in evaluation.fields if field in fields]
    if evaluation.cohort != planned.cohort or not wanted:
        raise NotemillError(
            f"evaluation '{name}' has labels of cohort '{evaluation.cohort}' and fields "
            f"{', '.join(evaluation.fields)}, of which this comparison has none",
            where=f"comparisons.{planned.name}.evaluation",
            remedy="name an evaluation of the same cohort and of a field that is compared, or none",
        )
    return _Judging(config, name, planned, sides, _evaluated(evaluation, runs)).judged(wanted, seed)


def _evaluated(evaluation: Evaluation, runs: Mapping[str, Run]) -> Run:
    """A run that the evaluation is of: the plan has refused one that has none."""
    return next(
        run
        for run in runs.values()
        if evaluation.cohort in run.cohorts
        and not lacking_fields(evaluation, run)
        and (evaluation.experiments is None or run.name in evaluation.experiments)
    )


class _Judging:
    def __init__(
        self,
        config: Config,
        name: str,
        planned: PlannedComparison,
        sides: tuple[Answered, Answered],
        run: Run,
    ) -> None:
        layout, cohort = Layout(config.results), planned.cohort
        cut = cut_name(config.cohorts[cohort].shards)
        self._name, self._evaluation = name, config.evaluations[name]
        self._sides, self._run = sides, run
        self._finished = finished(layout, cohort, run, cut)
        labels = read_gold(
            config.database, name, self._evaluation, self._finished.manifest.id_columns
        )
        if read_evaluation(layout.evaluation(name)).gold.sha256 != labels.sha256:
            raise NotemillError(
                f"the gold of evaluation '{name}' is not what its figures were computed from",
                where=labels.where,
                remedy=f"delete {layout.evaluation(name)} and run snakemake again: it is evaluated "
                "anew, and compared then",
            )
        notes = found_notes(self._finished, labels)
        labels = labels.among(notes.places)
        self.split = headline_of(labels.split, hold_back_test=self._evaluation.hold_back_test)
        first = np.flatnonzero(headline_mask(labels.split, self.split, len(labels.keys)))
        self._labels: Labels = labels.among(first)
        texts = [notes.texts[place] for place in first]
        whose = labels.patients
        of_clusters = texts if whose is None else [whose[place] for place in first]
        self._clusters = np.unique(np.array(of_clusters, object), return_inverse=True)[1]
        asked: set[str] = set()
        for side in sides:
            named, _, fingerprint = side.experiment.rpartition("-")
            asked |= piloted(
                layout, cohort, replace(run, name=named, fingerprint=fingerprint)
            ).texts
        self._piloted = sum(text in asked for text in texts)

    def judged(self, fields: Sequence[str], seed: int) -> Judged:
        """The figures of these fields."""
        by_side = [self._answers(side, fields) for side in self._sides]
        return Judged(
            Gold(
                evaluation=self._name,
                split="" if self.split == "all" else self.split,
                notes=len(self._labels.keys),
                clusters_of="patients" if self._labels.patients is not None else "texts",
                clusters=len(np.unique(self._clusters)),
                pilot_notes=self._piloted,
            ),
            {field: list(self._of_field(field, by_side, seed)) for field in fields},
        )

    def _answers(
        self, side: Answered, fields: Sequence[str]
    ) -> tuple[np.ndarray, dict[str, list[Any]]]:
        """Of each labelled note whether it is answered, and values by field."""
        columns = {name: (side.fields or {}).get(name) for name in fields}
        names = {
            name: field.column.column if field else self._finished.columns[name].column
            for name, field in columns.items()
        }
        # Of the same notes, whoever answered them.
        of: Finished = replace(self._finished, shards=side.shards)
        statuses, values = found_answers(of, self._labels, list(names.values()))
        told = {
            name: [self._finished.columns[name].answered(each) for each in values[column]]
            for name, column in names.items()
        }
        return np.array([each == Status.ANSWERED for each in statuses], bool), told

    def _of_field(
        self, field: str, by_side: list[tuple[np.ndarray, dict[str, list[Any]]]], seed: int
    ) -> list[Correctness]:
        shape = shape_of(self._run.task, field)
        labels = self._labels.labels(self._evaluation.fields[field], shape)
        tolerance = self._evaluation.tolerance.get(field, 0.0)
        labelled = np.array([label is not UNLABELLED for label in labels], bool)
        right = [
            np.array(
                [
                    bool(there)
                    and label is not UNLABELLED
                    and _right(label, value, shape, tolerance)
                    for there, label, value in zip(answered, labels, values[field], strict=True)
                ],
                bool,
            )
            for answered, values in by_side
        ]
        both = by_side[0][0] & by_side[1][0]
        return [
            _correctness(right[0][of], right[1][of], self._clusters[of], counting, seed)
            for counting, of in zip(_COUNTINGS, (labelled & both, labelled), strict=True)
        ]


def _right(label: Any, value: Any, shape: Shape, tolerance: float) -> bool:
    """Whether an answer's value is what the label says. A choice of another schema is not."""
    match shape.kind:
        case "choices":
            return repr(shape.choices[label]) == repr(value)
        case "number":
            if label is None or value is None:
                return label is None and value is None
            return bool(near(np.array(float(value) - label), tolerance))
    return bool(answer_of(value, shape) == label)


def _correctness(
    first: np.ndarray,
    second: np.ndarray,
    clusters: np.ndarray,
    counting: Counting,
    seed: int,
) -> Correctness:
    """first, second: whether each note's answer is right."""
    cells = np.select([first & second, first, second], [_BOTH, _ONLY_FIRST, _ONLY_SECOND], _NEITHER)
    counts = np.bincount(cells, minlength=4)
    which, table = clusters_of(clusters), None
    if which is not None:
        table = np.zeros((int(which.max()) + 1, 4))
        np.add.at(table, (which, cells), 1)
    none = "no note has a label" if counting == "all" else "no labelled note is answered by both"
    return Correctness(
        counting=counting,
        notes=len(cells),
        both=int(counts[_BOTH]),
        only_first=int(counts[_ONLY_FIRST]),
        only_second=int(counts[_ONLY_SECOND]),
        neither=int(counts[_NEITHER]),
        first=_share(counts, table, _ONLY_FIRST, seed, none),
        second=_share(counts, table, _ONLY_SECOND, seed, none),
        difference=difference(*counts.tolist(), clusters=table, seed=seed),
        p=mcnemar(int(counts[_ONLY_FIRST]), int(counts[_ONLY_SECOND]))
        if table is None
        else mcnemar_clustered(table[:, _ONLY_FIRST], table[:, _ONLY_SECOND]),
    )


def _share(
    counts: np.ndarray, table: np.ndarray | None, alone: int, seed: int, none: str
) -> Figure:
    """The share of notes that both, or one alone, have right."""
    if table is None:
        return share(int(counts[_BOTH] + counts[alone]), int(counts.sum()), why=none)
    draws = resampled(table, seed)
    return clustered_share(
        table[:, _BOTH] + table[:, alone],
        table.sum(-1),
        (draws[:, _BOTH] + draws[:, alone]) / draws.sum(-1),
        why=none,
    )
