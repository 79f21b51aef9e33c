"""What a session asks: an experiment of the configuration, as it stands or changed for a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from notemill.answers.choices import check_settled_as
from notemill.answers.classing import WITHOUT_A_MEASURE
from notemill.answers.columns import AnswerColumn, columns_beside
from notemill.answers.experiment_record import identify, refuse_wrong_model
from notemill.answers.slots import measured_slots
from notemill.config import Config, read_config
from notemill.config.file import yaml_values
from notemill.endpoints.recording import recorded_model
from notemill.engines.gpu import gpu_here
from notemill.engines.record import ModelRecord, read_record
from notemill.errors import NotemillError
from notemill.paths import Layout
from notemill.plan.runs import task_of
from notemill.tasks.run import Run
from notemill.tasks.schema_check import check_schema
from notemill.tasks.task import with_prompts


@dataclass(frozen=True)
class Changes:
    """What is asked otherwise than the experiment's files say; None or empty: as they say."""

    system_prompt: str | None
    user_prompt: str | None
    options: Mapping[str, Any] | None

    def __post_init__(self) -> None:
        """Raises NotemillError for another type, such as the path of a prompt."""
        for name, kind in {"system_prompt": str, "user_prompt": str, "options": Mapping}.items():
            given = getattr(self, name)
            if not isinstance(given, kind | None):
                raise NotemillError(
                    f"{name} is a {type(given).__name__}",
                    where=f"Session({name}=...)",
                    remedy='options are given as {"temperature": 0.2}'
                    if name == "options"
                    else "give the prompt itself; of a file, Path(...).read_text()",
                )


@dataclass(frozen=True)
class Asked:
    """What is asked, and its answers' columns. run: as a job of the workflow would have it."""

    run: Run
    layout: Layout
    columns: list[AnswerColumn]

    @cached_property
    def slots(self) -> int:
        """As configured; for `auto` as measured of this experiment on this kind of GPU."""
        run = self.run
        if run.engine.slots != "auto":
            return run.engine.slots
        gpu = gpu_here(run.engine).name
        found = (
            measured_slots(
                self.layout, cohort, run.experiment_id, gpu, run.experiment.options.num_ctx
            )
            for cohort in run.cohorts
        )
        return next(filter(None, found), WITHOUT_A_MEASURE)

    def model(self, server_log: Path) -> ModelRecord:
        """The model as it is recorded, or as the rule `model` would record it.

        Raises NotemillError when it is not there, or not the one that it must be.
        """
        path = self.layout.model(self.run.model_id)
        if path.exists():
            record = read_record(path)
        else:
            record = recorded_model(self.run.engine, self.run.experiment.model, server_log)
        refuse_wrong_model(self.layout, self.run, record)
        return record


def read_asked(path: Path, directory: Path, name: str, changes: Changes) -> Asked:
    """What the experiment `name` of a configuration asks, with the changes.

    directory: absolute; where relative paths in the configuration begin. Raises NotemillError as
    the plan does, for this experiment alone.
    """
    values = yaml_values(path)
    config = read_config(values, where=str(path), directory=directory)
    if name not in config.experiments:
        raise _not_there(config, name, path)
    if changes.options:
        config = _with_options(values, name, changes.options, directory)
    experiment = config.experiments[name]
    engine = config.engines[experiment.engine]
    task = with_prompts(
        task_of(config, experiment),
        changes.system_prompt,
        changes.user_prompt,
        where="Session(user_prompt=...)",
    )
    check_schema(task)
    check_settled_as(task)
    columns = columns_beside(task, experiment.answer_prefix, [])
    layout = Layout(config.results)
    identity = identify(name, experiment, engine, task, layout)
    run = Run(name, experiment, engine, task, identity.fingerprint, config.cohorts_of(name))
    return Asked(run, layout, columns)


def _not_there(config: Config, name: str, path: Path) -> NotemillError:
    tasks = [one for one, asked in config.experiments.items() if asked.together == name]
    if tasks:
        return NotemillError(
            f"experiment '{name}' has several tasks, and a session asks one",
            where=f"experiments.{name}.tasks of {path}",
            remedy=f"name one of them, as {', '.join(tasks)}",
        )
    return NotemillError(
        f"there is no experiment '{name}'",
        where=f"experiments of {path}",
        remedy=f"name one that is there: {', '.join(config.experiments)}",
    )


def _with_options(
    values: dict[str, Any], name: str, options: Mapping[str, Any], directory: Path
) -> Config:
    """The configuration with these options in the place of the experiment's own of that name."""
    name = name.partition(".")[0]  # its tasks have the same options
    experiment = values["experiments"][name]
    changed = {**experiment, "options": {**experiment.get("options", {}), **options}}
    return read_config(
        {**values, "experiments": {**values["experiments"], name: changed}},
        where="Session(options=...)",
        directory=directory,
    )
