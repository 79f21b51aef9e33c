"""The runs that a configuration asks for: each experiment with its task, identity and cohorts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from notemill.answers.choices import check_settled_as
from notemill.answers.experiment_record import identify
from notemill.answers.grades import graded_by
from notemill.config import Config, Experiment
from notemill.errors import NotemillError
from notemill.files import check_folder
from notemill.notes.frozen import check_cohorts
from notemill.notes.manifest import read_frozen
from notemill.notes.purged import refuse_purged
from notemill.paths import Layout
from notemill.plan.outputs import check_outputs
from notemill.plan.tables import check_ids, check_tables, query_hints
from notemill.tasks.others import refuse_everyone
from notemill.tasks.run import Run
from notemill.tasks.schema_check import check_schema
from notemill.tasks.task import Task, read_task


def checked_plan(config: Config) -> list[Run]:
    """All runs of a configuration whose results can be written and whose cohorts are the same."""
    check_folder(config.results)
    refuse_everyone(config.results)
    check_cohorts(config)
    return plan_runs(config)


def check_purged(config: Config, runs: Iterable[Run]) -> None:
    """Raise NotemillError where these runs need texts of a cohort that was purged."""
    layout, runs = Layout(config.results), list(runs)
    for name, cohort in config.cohorts.items():
        if frozen := read_frozen(layout.frozen(name)):
            asking = {run.experiment_id: graded_by(run.task) for run in runs if name in run.cohorts}
            refuse_purged(layout, name, cohort.shards, asking, frozen.cut)


def plan_runs(config: Config) -> list[Run]:
    """All runs of a configuration, from files alone: its own, its tasks' and earlier runs'.

    Raises NotemillError for a task that is incomplete, whose schema no engine holds to or no
    table holds, and for an experiment whose answers come from another model.
    """
    check_ids(config)
    tasks = {name: task_of(config, experiment) for name, experiment in config.experiments.items()}
    for task in tasks.values():
        check_schema(task)
        check_settled_as(task)
    check_tables(config, tasks)
    layout = Layout(config.results)
    runs = []
    for name, experiment in config.experiments.items():
        engine = config.engines[experiment.engine]
        identity = identify(name, experiment, engine, tasks[name], layout)
        remarks = (*filter(None, [identity.remark]), *query_hints(config, name))
        cohorts = config.cohorts_of(name)
        runs.append(
            Run(name, experiment, engine, tasks[name], identity.fingerprint, cohorts, remarks)
        )
    check_outputs(config, runs)
    return runs


def task_of(config: Config, experiment: Experiment) -> Task:
    """The task of an experiment, its prompts where they stand when it is asked."""
    task = read_task(config.tasks, experiment.task)
    return replace(task, note_first=True) if experiment.together else task


def run_of(config: Config, experiment_id: str) -> Run:
    """The run of a job that was planned. Raises NotemillError when its experiment has changed."""
    (run,) = runs_of(config, [experiment_id])
    return run


def runs_of(config: Config, experiment_ids: Iterable[str]) -> list[Run]:
    """The runs of a job that was planned, as they stand there. Raises as `run_of` does."""
    runs = plan_runs(config)
    return [
        _found((run for run in runs if run.experiment_id == each), each) for each in experiment_ids
    ]


def run_with_model(config: Config, model_id: str) -> Run:
    """A run that asks the model of a job that was planned. Raises as `run_of` does."""
    return _found((run for run in plan_runs(config) if run.model_id == model_id), model_id)


def _found(runs: Iterator[Run], planned: str) -> Run:
    if (run := next(runs, None)) is not None:
        return run
    raise NotemillError(
        f"{planned} was planned, and its task, model or options are others by now",
        where="experiments and tasks of the configuration",
        remedy="run snakemake again, which asks what they are now; or set the change back and run "
        "again: the answers of what was planned are kept",
    )
