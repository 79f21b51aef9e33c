"""The rows that a round has left in the database."""

from __future__ import annotations

from typing import Any

from psycopg.errors import UndefinedTable
from pymysql.constants import ER
from pymysql.err import ProgrammingError

from tests.chaos.invariants import Row
from tests.chaos.project import RESULTS
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres

_COMMON = "patientvisitid, accession, query_meta, experiment, cohort, text_sha256"
_COUNTS = ("notes", "answered", "failed", "blank")


def read_rows(database: MariaDB | Postgres) -> list[Row]:
    """Of the results and the failures; none where there are no tables."""
    queries = (
        f"SELECT {_COMMON}, 'answered', llm_response, llm_explanation FROM {RESULTS}",
        f"SELECT {_COMMON}, status, NULL, NULL FROM {RESULTS}_failures",
    )
    return [
        Row((visit, accession), name, run, cohort, text, status, response, explanation)
        for query in queries
        for visit, accession, name, run, cohort, text, status, response, explanation in _read(
            database, query
        )
    ]


def read_counts(database: MariaDB | Postgres) -> dict[str, dict[str, int]]:
    """What the experiments table says, by run."""
    query = f"SELECT experiment, {', '.join(_COUNTS)} FROM notemill_experiments"
    return {run: dict(zip(_COUNTS, counts, strict=True)) for run, *counts in _read(database, query)}


def _read(database: MariaDB | Postgres, query: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection, connection.cursor() as cursor:
        try:
            cursor.execute(query)  # type: ignore[arg-type, unused-ignore]
        except UndefinedTable:
            return []
        except ProgrammingError as error:
            if error.args[0] != ER.NO_SUCH_TABLE:
                raise
            return []
        return list(cursor.fetchall())
