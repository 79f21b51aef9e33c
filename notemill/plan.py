"""The runs that a configuration asks for: each experiment with its task, identity and cohorts."""

from __future__ import annotations

from dataclasses import dataclass

from notemill.config import Config, Engine, Experiment
from notemill.errors import NotemillError
from notemill.experiment_record import identify
from notemill.files import check_folder
from notemill.notes.frozen import check_cohorts
from notemill.paths import Layout, model_id
from notemill.plan_check import check_tables, query_hints
from notemill.schema_check import check_schema
from notemill.tasks import Task, read_task


@dataclass(frozen=True)
class Run:
    """An experiment as it will be run. experiment_id: NAME-FINGERPRINT, its folder's name.

    remarks: what a user wants to know before it runs.
    """

    name: str
    experiment: Experiment
    engine: Engine
    task: Task
    fingerprint: str
    cohorts: list[str]
    remarks: tuple[str, ...] = ()

    @property
    def experiment_id(self) -> str:
        return f"{self.name}-{self.fingerprint}"

    @property
    def model_id(self) -> str:
        return model_id(self.experiment.engine, self.experiment.model)


def checked_plan(config: Config) -> list[Run]:
    """All runs of a configuration whose results can be written and whose cohorts are the same."""
    check_folder(config.results)
    check_cohorts(config)
    return plan_runs(config)


def plan_runs(config: Config) -> list[Run]:
    """All runs of a configuration, from files alone: its own, its tasks' and earlier runs'.

    Raises NotemillError for a task that is incomplete, whose schema no engine holds to or no
    table holds, and for an experiment whose answers come from another model.
    """
    tasks = {
        name: read_task(config.tasks, experiment.task)
        for name, experiment in config.experiments.items()
    }
    for task in tasks.values():
        check_schema(task)
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
    return runs


def run_of(config: Config, experiment_id: str) -> Run:
    """The run of a job that was planned. Raises NotemillError when its experiment has changed."""
    for run in plan_runs(config):
        if run.experiment_id == experiment_id:
            return run
    raise NotemillError(
        f"{experiment_id} was planned, and its task, model or options are others by now",
        where="experiments and tasks of the configuration",
        remedy="run snakemake again, which asks what they are now; or set the change back and run "
        "again: the answers of what was planned are kept",
    )
