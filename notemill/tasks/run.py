"""A run: an experiment as it is planned, which every stage is handed whole."""

from __future__ import annotations

from dataclasses import dataclass

from notemill.config import Engine, Experiment
from notemill.paths import model_id
from notemill.tasks.task import Task


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
