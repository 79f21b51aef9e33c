"""The configuration, read once: what the YAML holds, as typed and checked objects.

Imports nothing heavier than Pydantic, because every Slurm job reads it twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from notemill.config.base import (
    NAME_PATTERN,
    SQL_NAME_PATTERN,
    Name,
    Section,
    SqlName,
    UserPath,
    alike_but_for_case,
)
from notemill.config.cohort import Cohort
from notemill.config.comparison import EXPERIMENT_ID, Comparison
from notemill.config.database import Database
from notemill.config.engine import (
    ENGINES,
    Engine,
    LlamaCppEngine,
    OllamaEngine,
    OpenAiEngine,
    RunnerOptions,
    engine_kinds,
)
from notemill.config.evaluation import Evaluation
from notemill.config.experiment import (
    DIGEST_PATTERN,
    MODEL_PATTERN,
    PREFIX_PATTERN,
    Experiment,
    Options,
    Pilot,
    Repeat,
)
from notemill.config.report import ReportSection
from notemill.config.tasks import RUN_NAME_PATTERN, Experiments, ExperimentSection
from notemill.errors import NotemillError

__all__ = [
    "Cohort",
    "Comparison",
    "Config",
    "Database",
    "Engine",
    "Evaluation",
    "Experiment",
    "LlamaCppEngine",
    "OllamaEngine",
    "OpenAiEngine",
    "Options",
    "Pilot",
    "Repeat",
    "ReportSection",
    "read_config",
]

_NO_DATABASE = "there is no `database`; name one"


class Config(Section):
    """The whole configuration file."""

    results: UserPath = Field(
        Path("results"),
        validate_default=True,
        description="Folder for everything that the workflow writes.",
    )
    tasks: UserPath = Field(
        Path("config/tasks"),
        validate_default=True,
        description="Folder that holds a folder for each task.",
    )
    experiments_table: SqlName = Field(
        "notemill_experiments", description="Table that says how each row was made."
    )
    evaluations_table: SqlName = Field(
        "notemill_evaluations", description="Table with the figures of all evaluations."
    )
    database: Database | None = Field(
        None,
        description="Where notes come from and answers go to; left out where both are files.",
    )
    cohorts: dict[Name, Cohort] = Field(min_length=1)
    engines: dict[Name, Engine] = Field(min_length=1)
    experiments: Experiments
    evaluations: dict[Name, Evaluation] = Field(
        {}, description="Gold labels that answers are held against."
    )
    comparisons: dict[Name, Comparison] = Field(
        {}, description="Two experiments held against each other."
    )
    report: ReportSection = Field(ReportSection(), description="What the report may tell.")

    @field_validator("results")
    @classmethod
    def _no_wildcard(cls, results: Path) -> Path:
        if set("{}") & set(str(results)):
            raise ValueError("a path with { or }, which Snakemake takes for a wildcard")
        return results

    @model_validator(mode="after")
    def _names_exist(self) -> Config:
        alike_but_for_case("cohorts", self.cohorts)
        for name, experiment in self.experiments.items():
            _known(experiment.engine, self.engines, f"experiments.{name}.engine", "engines")
            engine = self.engines[experiment.engine]
            if experiment.options.openai_fields_only and not engine.speaks_openai:
                raise ValueError(f"experiments.{name}.options.openai_fields_only: not for Ollama")
            for cohort in experiment.cohorts or []:
                _known(cohort, self.cohorts, f"experiments.{name}.cohorts", "cohorts")
        alike_but_for_case("evaluations", self.evaluations)
        for name, evaluation in self.evaluations.items():
            key = f"evaluations.{name}"
            _known(evaluation.cohort, self.cohorts, f"{key}.cohort", "cohorts")
            for experiment_name in evaluation.experiments or []:
                _known(experiment_name, self.experiments, f"{key}.experiments", "experiments")
        return self

    @model_validator(mode="after")
    def _a_database_where_one_is_used(self) -> Config:
        if self.database is not None:
            return self
        for name, cohort in self.cohorts.items():
            if cohort.query:
                raise ValueError(f"cohorts.{name}.query: {_NO_DATABASE}, or read `files`")
        for name, experiment in self.experiments.items():
            if experiment.results_table is not None:
                raise ValueError(
                    f"experiments.{name}.results_table: {_NO_DATABASE}, or write files alone "
                    "(`outputs`)"
                )
        for name, evaluation in self.evaluations.items():
            if evaluation.query is not None:
                raise ValueError(f"evaluations.{name}.query: {_NO_DATABASE}, or a `file`")
        return self

    @property
    def the_database(self) -> Database:
        """The database, where something is read from it or written to it."""
        assert self.database is not None
        return self.database

    @model_validator(mode="after")
    def _comparisons_name_what_is_there(self) -> Config:
        alike_but_for_case("comparisons", self.comparisons)
        for name, comparison in self.comparisons.items():
            key = f"comparisons.{name}"
            for named in comparison.experiments:
                if not EXPERIMENT_ID.fullmatch(named):
                    _known(named, self.experiments, f"{key}.experiments", "experiments")
            if comparison.cohort:
                _known(comparison.cohort, self.cohorts, f"{key}.cohort", "cohorts")
            if comparison.evaluation:
                _known(comparison.evaluation, self.evaluations, f"{key}.evaluation", "evaluations")
        return self

    def cohorts_of(self, experiment: str) -> list[str]:
        """Names of the cohorts that an experiment asks."""
        return self.experiments[experiment].cohorts or list(self.cohorts)


def read_config(
    values: Mapping[str, Any],
    *,
    where: str = "config/config.yaml",
    directory: Path | None = None,
) -> Config:
    """Check raw YAML values and return them typed.

    directory: where relative paths begin; without it they stay relative, to the current folder.
    Raises NotemillError that lists every wrong key with what to write instead.
    """
    try:
        return Config.model_validate(
            values, context={"directory": directory} if directory else None
        )
    except ValidationError as error:
        raise NotemillError(
            "the configuration does not fit:\n" + "\n".join(_explain(error)),
            where=where,
            remedy="correct these keys; config/config.yaml explains each one",
        ) from None


def _known(name: str, known: Mapping[str, Any], key: str, section: str) -> None:
    if name not in known:
        raise ValueError(f"{key}: '{name}' is not one of `{section}` ({', '.join(known)})")


_KINDS = " or ".join(engine_kinds())
_IN_WORDS = {
    NAME_PATTERN: "letters, digits and underscores, a letter first, 40 at most",
    RUN_NAME_PATTERN: "an experiment's name; of one that asks several tasks EXPERIMENT.TASK",
    SQL_NAME_PATTERN: "letters, digits and underscores, no digit first, 64 at most",
    MODEL_PATTERN: "a model's name and tag without spaces, such as llama3.1:8b",
    DIGEST_PATTERN: "the whole sha256: 64 digits of 0-9 and a-f",
    PREFIX_PATTERN: "letters, digits and underscores, no digit first, 21 at most",
}


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        path = [str(part) for part in problem["loc"] if part != "[key]"]
        if path[:1] == ["engines"]:
            del path[2:3]  # Pydantic names the engine's kind here, which is no key
        key = ".".join(path)
        if problem["type"] == "extra_forbidden":
            near = get_close_matches(path[-1], sorted(_all_keys()), n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            if near == path[-1:]:
                hint = " here; it belongs into another section"
            lines.append(f"    {key}: unknown key{hint}")
        elif problem["type"] == "missing":
            lines.append(f"    {key}: missing")
        elif problem["type"].startswith("union_tag"):
            lines.append(f"    {key}.kind: missing or unknown; write {_KINDS}")
        elif problem["type"] == "string_pattern_mismatch":
            pattern = problem["ctx"]["pattern"]
            lines.append(f"    {key}: use {_IN_WORDS.get(pattern, f'what fits {pattern}')}")
        elif problem["type"] == "list_type":
            lines.append(f"    {key}: write a list: [one, another]")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"    {key}: {message}" if key else f"    {message}")
    return lines


def _all_keys() -> set[str]:
    sections: list[type[Section]] = [Config, Database, Cohort, ExperimentSection, Options, Pilot]
    sections += [Repeat, Evaluation, Comparison, ReportSection]
    sections += [*ENGINES, RunnerOptions]
    return {key for section in sections for key in section.model_fields}
