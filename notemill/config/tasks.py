"""An experiment as it is written: with one task, or with several that are asked together.

Each task of several becomes an experiment of its own, EXPERIMENT.TASK, so that all that comes later
knows experiments of one question alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from notemill.config.base import NAME_PATTERN, Name, alike_but_for_case
from notemill.config.experiment import Experiment, Settings
from notemill.config.outputs import Outputs

TASK_PLACE = "{task}"
LONGEST_RUN_NAME = 51
"""With the fingerprint 64, which the tables' columns hold."""

_TABLE = r"^[A-Za-z_{][A-Za-z0-9_{}]*$"
_TABLES: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "pattern": _TABLE},
        {"type": "object", "additionalProperties": {"type": "string"}},
    ]
}
Tables = Annotated[str | dict[str, str], WithJsonSchema(_TABLES)]
"""A table's name, with {task} in it for several; or one for each task."""


class ExperimentSection(Settings):
    """One question put to one model about every note of its cohorts; or several, asked together."""

    task: Name | None = Field(
        None, description="Folder below config/tasks with the prompts and schema.py."
    )
    tasks: list[Name] | None = Field(
        None,
        min_length=1,
        description="In the place of `task`: several, asked one after the other about each note, "
        "which comes first, so that the engine reads it once. Each is an experiment of its own, "
        "EXPERIMENT.TASK.",
    )
    results_table: Tables | None = Field(
        None,
        description="Table for validated answers. For several tasks with {task} in it, or "
        "a table for each: {a: A_Results, b: B_Results}. May be left out beside `outputs`.",
    )
    failures_table: Tables | None = Field(
        None, description="Table for notes without one; by default results_table + '_failures'."
    )
    outputs: Outputs = Field(
        [],
        description="Files with a row for each note, in the source's order: .parquet, .csv or "
        ".jsonl, the latter two also .gz or .zst. {cohort}, {task} and {experiment} (its id) in a "
        "name stand for what differs.",
    )
    _experiments: dict[str, Experiment] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _one_or_several(self) -> ExperimentSection:
        if (self.task is None) == (self.tasks is None):
            raise ValueError("name one task (`task: NAME`) or several (`tasks: [ONE, OTHER]`)")
        tasks = self.tasks or [self.task or ""]
        alike_but_for_case("tasks", tasks)
        common = {name: getattr(self, name) for name in Settings.model_fields}
        for task in tasks:
            own: dict[str, Any] = {
                key: self._table(key, task)
                for key in ("results_table", "failures_table")
                if getattr(self, key) is not None
            }
            own["outputs"] = [Path(str(path).replace(TASK_PLACE, task)) for path in self.outputs]
            self._experiments[task] = Experiment.model_validate({**common, "task": task, **own})
        return self

    def _table(self, key: str, task: str) -> str:
        named = getattr(self, key)
        if self.tasks is None or isinstance(named, str):
            return named if self.tasks is None else named.replace(TASK_PLACE, task)  # type: ignore[no-any-return]
        if named.keys() != set(self.tasks):
            raise ValueError(
                f"{key} has a table for {', '.join(named) or 'none'}; write one for each of "
                f"`tasks` ({', '.join(self.tasks)}), or one name with {TASK_PLACE} in it"
            )
        return str(named[task])

    def experiments(self, name: str) -> Iterator[tuple[str, Experiment]]:
        """Its experiments of one question each, by their names. name: its own."""
        for task, experiment in self._experiments.items():
            if self.tasks is None:
                yield name, experiment
                continue
            whole = f"{name}.{task}"
            if len(whole) > LONGEST_RUN_NAME:
                raise ValueError(
                    f"experiments.{name}.tasks: {whole} is longer than an experiment's name may be "
                    f"({LONGEST_RUN_NAME}); choose a shorter name for one of both"
                )
            yield whole, experiment.model_copy(update={"together": name})


DUMPED = "dumped"
"""In the validation's context: the configuration is one that was read before, and written again."""

_Sections = Annotated[dict[Name, ExperimentSection], Field(min_length=1)]
_SECTIONS: TypeAdapter[dict[str, ExperimentSection]] = TypeAdapter(_Sections)


def _of_one_question(values: Any, info: ValidationInfo) -> dict[str, Experiment]:
    if (info.context or {}).get(DUMPED):  # a job's own, of one question each already
        return {name: Experiment.model_validate(each) for name, each in values.items()}
    sections = _SECTIONS.validate_python(values, context=info.context)
    alike_but_for_case("experiments", sections)
    return dict(each for name, section in sections.items() for each in section.experiments(name))


Experiments = Annotated[
    dict[str, Experiment], BeforeValidator(_of_one_question, json_schema_input_type=_Sections)
]
"""All experiments of a configuration, each of one question."""

RUN_NAME_PATTERN = rf"{NAME_PATTERN[:-1]}(\.{NAME_PATTERN[1:-1]})?$"
RunName = Annotated[str, Field(pattern=RUN_NAME_PATTERN)]
"""An experiment of one question: EXPERIMENT, or EXPERIMENT.TASK of one that asks several."""
