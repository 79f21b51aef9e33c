"""Refuses, before any job, experiments whose answers no database could take as they are planned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from notemill.answers.columns import (
    OWN_COLUMNS,
    AnswerColumn,
    columns_beside,
    evidence_columns,
    gate_columns,
)
from notemill.config import Config, Experiment
from notemill.errors import NotemillError
from notemill.tasks.task import Task

_STAGING = "notemill_staging"


@dataclass(frozen=True)
class Use:
    """A table as an experiment uses it. ids: names of the id columns by cohort, lower case."""

    table: str
    key: str
    role: str
    columns: dict[str, str]
    ids: dict[str, frozenset[str]]


def check_tables(config: Config, tasks: dict[str, Task]) -> None:
    """Raise NotemillError that names all tables that two uses would fight over.

    tasks: by experiment's name.
    """
    uses = [Use(config.experiments_table, "experiments_table", "of experiments", {}, {})]
    if config.evaluations:
        table = config.evaluations_table
        uses.append(Use(table, "evaluations_table", "of evaluations", {}, {}))
    for name, experiment in config.experiments.items():
        uses += _uses(config, name, experiment, tasks[name])
    problems = [problem for use in uses for problem in _alone(use)]
    for number, use in enumerate(uses):
        for earlier in uses[:number]:
            if earlier.table.lower() == use.table.lower():
                problems += _together(earlier, use)
    if problems:
        raise NotemillError(
            "the tables do not fit together:\n" + "\n".join(f"    {line}" for line in problems),
            where="experiments",
            remedy="give each its own results_table (and failures_table); experiments whose "
            "schemas and id columns are alike may share them",
        )


def check_ids(config: Config) -> None:
    """Raise NotemillError for id columns whose names notemill's own columns have."""
    for name, cohort in config.cohorts.items():
        if taken := OWN_COLUMNS.intersection(map(str.lower, cohort.id_columns)):
            raise NotemillError(
                f"id_columns uses {', '.join(sorted(taken))}, which notemill's files and tables "
                "use themselves",
                where=f"cohorts.{name}.id_columns",
                remedy="give the column another name in the query: SELECT "
                f"{min(taken)} AS note_{min(taken)}, ...",
            )


def query_hints(config: Config, name: str) -> Iterator[str]:
    """What looks wrong and can't be known: a query that reads the tables that load writes."""
    experiment = config.experiments[name]
    if experiment.results_table is None:
        return
    tables = (experiment.results_table, experiment.failures, config.experiments_table)
    for cohort, table in product(config.cohorts_of(name), tables):
        if re.search(rf"\b{table}\b", config.cohorts[cohort].query, re.IGNORECASE):
            yield (
                f"the query of cohort '{cohort}' names {table}, which experiment '{name}' writes; "
                "choose another results_table if that is the table of the notes"
            )


def _uses(config: Config, name: str, experiment: Experiment, task: Task) -> Iterator[Use]:
    key = f"experiments.{name}"
    ids = {cohort: config.cohorts[cohort].id_columns for cohort in config.cohorts_of(name)}
    columns: list[AnswerColumn] = []
    for names in ids.values():
        columns = columns_beside(task, experiment.answer_prefix, names)
    of_gate = gate_columns(task.gate)
    columns = [*columns, *evidence_columns(task.evidence), *of_gate]
    kinds = {column.column.lower(): _kind(column) for column in columns}
    failed = {column.column: _kind(column) for column in of_gate}
    lower = {cohort: frozenset(map(str.lower, names)) for cohort, names in ids.items()}
    if experiment.results_table is None:
        return
    yield Use(experiment.results_table, f"{key}.results_table", "of results", kinds, lower)
    yield Use(experiment.failures, f"{key}.failures_table", "of failures", failed, lower)


def _kind(column: AnswerColumn) -> str:
    if column.kind == "text":
        return "text up to 255" if column.in_row else "text"
    return column.kind


def _alone(use: Use) -> Iterator[str]:
    if use.table.lower() == _STAGING:
        yield f"{use.key}: {use.table} is the name of notemill's own temporary table"
    first, *others = use.ids.items() or [("", frozenset())]
    for cohort, ids in others:
        if ids != first[1]:
            yield (
                f"{use.key}: cohorts {first[0]} and {cohort} have other id columns, so "
                f"{use.table} can't hold both; ask them in two experiments (`cohorts`)"
            )


def _together(earlier: Use, use: Use) -> Iterator[str]:
    """What is wrong with two uses of one table."""
    if earlier.table != use.table:
        yield (
            f"{use.key}: {use.table} is, but for upper and lower case, {earlier.table} of "
            f"{earlier.key}; write them alike or choose another name"
        )
    elif earlier.role != use.role:
        yield f"{use.key}: {use.table} is the table {earlier.role} already ({earlier.key})"
    elif earlier.columns != use.columns:
        names = [
            f"{name} ({earlier.columns.get(name, 'none')} there, {use.columns.get(name, 'none')} "
            "here)"
            for name in earlier.columns | use.columns
            if earlier.columns.get(name) != use.columns.get(name)
        ]
        yield (
            f"{use.key}: {use.table} has other columns by {earlier.key}: {', '.join(names[:5])}"
            + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        )
    elif set(use.ids.values()) - set(earlier.ids.values()):
        yield (
            f"{use.key}: {use.table} has other id columns by {earlier.key}; "
            "choose another name for one of them"
        )
