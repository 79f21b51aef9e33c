"""The tables as they will be made: each column with its type in the database's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from notemill.answers.columns import columns_beside, evidence_columns, gate_columns
from notemill.check.finding import Findings
from notemill.config import Config
from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.evaluation.table import evaluations_table
from notemill.load.tables import Tables
from notemill.notes.manifest import read_frozen
from notemill.paths import Layout
from notemill.tasks.run import Run

Ids = Mapping[str, list[IdColumn]]
"""Id columns by cohort, of those whose types are known."""
_COMPARED = re.compile(r" (CHARACTER SET|COLLATE) \w+")


def frozen_ids(config: Config) -> dict[str, list[IdColumn]]:
    """Id columns of the cohorts that were read before."""
    layout = Layout(config.results)
    found = {}
    for name in config.cohorts:
        try:
            frozen = read_frozen(layout.frozen(name))
        except NotemillError:  # said of the cohort itself
            continue
        if frozen:
            found[name] = frozen.id_columns
    return found


def tables_of(config: Config, run: Run, ids: list[IdColumn], collation: str | None) -> Tables:
    """A run's tables over id columns; none where their types are not known yet."""
    experiment = run.experiment
    names = config.cohorts[run.cohorts[0]].id_columns
    return Tables(
        ids,
        columns_beside(run.task, experiment.answer_prefix, names),
        evidence_columns(run.task.evidence),
        gate_columns(run.task.gate),
        collation=collation,
        results=experiment.results,
        failures=experiment.failures,
        experiments=config.experiments_table,
    )


def planned_tables(config: Config, runs: list[Run], ids: Ids) -> Findings:
    """Each table once, with its columns and SQL types. Nothing is opened."""
    found = Findings("tables")
    if config.database is None:
        return found
    dialect = sa.make_url(config.database.url).get_dialect()()
    told: set[str] = set()
    for run in (run for run in runs if run.experiment.results_table):
        cohort = run.cohorts[0]
        try:
            tables = tables_of(config, run, ids.get(cohort, []), None)
        except NotemillError as error:
            found.refused(error)
            continue
        unknown = [] if cohort in ids else config.cohorts[cohort].id_columns
        for table in tables.lasting:
            if table.name not in told:
                told.add(table.name)
                of_notes = unknown if table is not tables.experiments else []
                found.ok(f"table {table.name}", _columns(table, of_notes, dialect))
    if config.evaluations:
        figures = evaluations_table(config.evaluations_table)
        found.ok(f"table {figures.name}", _columns(figures, [], dialect))
    return found


def _columns(table: sa.Table, unknown: list[str], dialect: Dialect) -> list[str]:
    columns = [f"{name} as in your table" for name in unknown] + [
        f"{column.name} {_COMPARED.sub('', column.type.compile(dialect=dialect))}"
        for column in table.columns
    ]
    key = [*unknown, *(column.name for column in table.primary_key.columns)]
    return [", ".join(columns), f"key: {', '.join(key)}"]
