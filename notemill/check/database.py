"""Everything about the database: server, queries, tables and rights. Changes nothing."""

from __future__ import annotations

import sqlalchemy as sa

from notemill.check.finding import Findings
from notemill.check.queries import try_gold, try_query
from notemill.check.rights import (
    OF_EXPERIMENTS,
    OF_RESULTS,
    account_of,
    is_there,
    prove_rights,
)
from notemill.check.tables import tables_of
from notemill.config import Config, Database
from notemill.database.connect import address, connect, server_name, thrown_away
from notemill.database.keys import POSTGRESQL, IdColumn
from notemill.database.refusals import database_errors
from notemill.errors import NotemillError
from notemill.evaluation.source import wanted_columns
from notemill.evaluation.table import evaluations_table
from notemill.load.check import check_tables
from notemill.load.tables import exact_collation
from notemill.tasks.run import Run

_HERE = ("localhost", "127.0.0.1", "::1")


def database(config: Config, runs: list[Run], ids: dict[str, list[IdColumn]]) -> Findings:
    """What the database says. ids: id columns by cohort, to which those of its queries come."""
    found = Findings("database")
    if config.database is None:
        found.ok("the configuration has no database, so there is none to look at")
        return found
    try:
        engine = connect(config.database)
    except NotemillError:  # said of the configuration
        return found
    try:
        if not _connected(engine, config.database, found):
            return found
        for name, cohort in config.cohorts.items():
            if not cohort.query:
                continue
            try:
                with (
                    database_errors(
                        config.database, f"trying cohort '{name}'", query_of=f"cohorts.{name}.query"
                    ),
                    thrown_away(engine) as connection,
                ):
                    columns = try_query(connection, name, cohort, found)
            except NotemillError as error:
                found.refused(error)
            else:
                if columns:
                    ids[name] = columns
        _golds(engine, config, found)
        with (
            database_errors(config.database, "looking at tables"),
            engine.connect() as connection,
        ):
            with_tables = [run for run in runs if run.experiment.results_table]
            _tables(connection, config, with_tables, ids, found)
            _rights(connection, config, with_tables, found)
    except NotemillError as error:
        found.refused(error, "nothing else of the database was looked at")
    finally:
        engine.dispose()
    return found


def _golds(engine: sa.Engine, config: Config, found: Findings) -> None:
    """Labels that come by a query."""
    for name, evaluation in config.evaluations.items():
        if evaluation.query is None:
            continue
        wanted = wanted_columns(evaluation, config.cohorts[evaluation.cohort].id_columns)
        doing, where = f"trying evaluation '{name}'", f"evaluations.{name}.query"
        try:
            with (
                database_errors(config.the_database, doing, query_of=where),
                thrown_away(engine) as connection,
            ):
                try_gold(connection, name, evaluation.query, wanted, found)
        except NotemillError as error:
            found.refused(error)


def _connected(engine: sa.Engine, database: Database, found: Findings) -> bool:
    try:
        with database_errors(database, "connecting"), engine.connect() as connection:
            _server(connection, database, found)
    except NotemillError as error:
        if database.reached_from == "login" or "can't be reached" not in error.what:
            raise
        found.warn(
            f"nothing is known of the database from here: {error.what}",
            where=error.where or "",
            remedy="with reached_from: compute that may be as it should be. Ask from such a node: "
            "srun python -m notemill check --database; --cluster tries its port from there",
        )
        return False
    return True


def _server(connection: sa.Connection, database: Database, found: Findings) -> None:
    name = server_name(connection)
    if connection.dialect.name == "sqlite":
        found.ok(f"connected to {name}")
        return
    account = account_of(connection)
    cipher = _cipher(connection)
    connection.rollback()
    host, port = address(database)
    if cipher:
        trusted = "checked" if database.tls else "not checked (database.tls: {} would)"
        found.ok(f"connected to {name} as {account}, by TLS ({cipher}), certificate {trusted}")
    elif host in _HERE or not port:
        found.ok(f"connected to {name} as {account}, without TLS on this machine")
    else:
        found.ok(f"connected to {name} as {account}")
        found.warn(
            "notes travel from the database without TLS",
            where=f"database.url: {database.url}",
            remedy="ask its administrators for TLS, and set database.tls: {}",
        )


def _cipher(connection: sa.Connection) -> str | None:
    """What TLS uses; None without it."""
    if connection.dialect.name == POSTGRESQL:
        query = "SELECT cipher FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()"
        return connection.exec_driver_sql(query).scalar()
    row = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Ssl_cipher'").one_or_none()
    return str(row[1]) if row else None


def _tables(
    connection: sa.Connection,
    config: Config,
    runs: list[Run],
    ids: dict[str, list[IdColumn]],
    found: Findings,
) -> None:
    """Tables that exist, beside what a load would write into them."""
    collation = exact_collation(connection)
    looked: set[tuple[str, ...]] = set()
    for run in runs:
        known = next((name for name in run.cohorts if name in ids), None)
        if known is None:
            found.ok(f"experiment {run.name}: tables not compared, its ids' types are not known")
            continue
        try:
            tables = tables_of(config, run, ids[known], collation)
            there = [table for table in tables.lasting if is_there(connection, table.name)]
            check_tables(connection, there)
        except NotemillError as error:
            found.refused(error)
            continue
        names = tuple(table.name for table in tables.lasting)
        fit = [table.name for table in there]
        if names not in looked:
            looked.add(names)
            found.ok(
                f"experiment {run.name}: "
                + (f"{', '.join(fit)} exist and keep every value" if fit else "no table exists yet")
                + ("" if len(fit) in (0, len(names)) else "; the others will be made")
            )
    figures = evaluations_table(config.evaluations_table)
    if config.evaluations and is_there(connection, figures.name):
        try:
            check_tables(connection, [figures])
        except NotemillError as error:
            found.refused(error)
        else:
            found.ok(f"evaluations: {figures.name} exists and keeps every figure")


def _rights(connection: sa.Connection, config: Config, runs: list[Run], found: Findings) -> None:
    rights: dict[str, tuple[str, ...]] = {}
    if runs:
        rights[config.experiments_table] = OF_EXPERIMENTS
    for run in runs:
        names = (run.experiment.results, run.experiment.failures)
        rights |= dict.fromkeys(names, OF_RESULTS)
    if config.evaluations:
        rights[config.evaluations_table] = OF_EXPERIMENTS
    if rights:
        prove_rights(connection, config.the_database, rights, found)
