"""The runs that a configuration asks for: each experiment with its task, identity and cohorts."""

from __future__ import annotations

from dataclasses import dataclass

from notemill.config import Config, Engine, Experiment
from notemill.identity import fingerprint
from notemill.paths import model_id
from notemill.schema_check import check_schema
from notemill.tasks import Task, read_task


@dataclass(frozen=True)
class Run:
    """An experiment as it will be run. experiment_id: NAME-FINGERPRINT, its folder's name."""

    name: str
    experiment: Experiment
    engine: Engine
    task: Task
    fingerprint: str
    cohorts: list[str]

    @property
    def experiment_id(self) -> str:
        return f"{self.name}-{self.fingerprint}"

    @property
    def model_id(self) -> str:
        return model_id(self.experiment.engine, self.experiment.model)


def plan_runs(config: Config) -> list[Run]:
    """All runs of a configuration, from its files alone.

    Raises NotemillError for a task that is incomplete or whose schema no engine holds to.
    """
    runs = []
    for name, experiment in config.experiments.items():
        task = read_task(config.tasks, experiment.task)
        check_schema(task)
        engine = config.engines[experiment.engine]
        identity = fingerprint(experiment, engine, task)
        runs.append(Run(name, experiment, engine, task, identity, config.cohorts_of(name)))
    return runs
