"""Which runs each evaluation is of, and what of it can be refused before any job."""

from __future__ import annotations

from collections.abc import Sequence

from notemill.config import Config, Evaluation
from notemill.errors import NotemillError
from notemill.evaluation.fields import lacking_fields, shape_of
from notemill.evaluation.source import check_file, wanted_columns
from notemill.tasks.run import Run


def evaluated_runs(config: Config, runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each evaluation, by its name.

    Raises NotemillError for one that no run fits, or whose fields no label can be held against.
    """
    found = {}
    for name, evaluation in config.evaluations.items():
        over = [run for run in runs if evaluation.cohort in run.cohorts]
        found[name] = _chosen(name, evaluation, over)
        for run in found[name]:
            _check_fields(name, evaluation, run)
    return found


def check_gold(config: Config) -> None:
    """Raise NotemillError for a gold file that is missing or lacks a column.

    For whoever plans: a job of another stage has no need of the file.
    """
    for name, evaluation in config.evaluations.items():
        ids = config.cohorts[evaluation.cohort].id_columns
        check_file(name, evaluation, wanted_columns(evaluation, ids))


def _chosen(name: str, evaluation: Evaluation, over: Sequence[Run]) -> list[Run]:
    lacking = {run.name: lacking_fields(evaluation, run) for run in over}
    if evaluation.experiments is None:
        chosen = [run for run in over if not lacking[run.name]]
        if chosen:
            return chosen
        told = "; ".join(f"{each} lacks {fields}" for each, fields in lacking.items())
        raise NotemillError(
            f"no experiment over cohort '{evaluation.cohort}' has all fields of evaluation "
            f"'{name}': {told or 'none is over it'}",
            where=f"evaluations.{name}.fields",
            remedy="name fields of the answer, each with its column of the gold; fields that no "
            "one experiment has go into two evaluations",
        )
    for wanted in evaluation.experiments:
        if wanted not in lacking:
            raise NotemillError(
                f"experiment '{wanted}' does not ask cohort '{evaluation.cohort}'",
                where=f"evaluations.{name}.experiments",
                remedy="name experiments over the cohort that the gold is of",
            )
        if fields := lacking[wanted]:
            raise NotemillError(
                f"the answers of experiment '{wanted}' have no field {fields}",
                where=f"evaluations.{name}.fields",
                remedy="correct the fields, or take the experiment out",
            )
    return [run for run in over if run.name in evaluation.experiments]


def _check_fields(name: str, evaluation: Evaluation, run: Run) -> None:
    for field in evaluation.fields:
        kind = shape_of(run.task, field).kind
        if field in evaluation.tolerance and kind != "number":
            raise NotemillError(
                f"field {field} of experiment '{run.name}' is no number, which could be near "
                "another",
                where=f"evaluations.{name}.tolerance",
                remedy="take it out; tolerance is for numbers alone",
            )
