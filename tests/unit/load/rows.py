"""Notes to load, what a load has written of them, and the SQL that an error tells to run."""

from __future__ import annotations

from typing import Any

from notemill.errors import NotemillError
from tests.unit.conftest import Clinic

NOTES = [(1, "one"), (2, "two"), (3, "three"), (4, "one"), (5, " "), (6, None)]
RESULTS = "SELECT visit, llm_response, llm_reason, experiment FROM answers ORDER BY visit"
FAILURES = "SELECT visit, status, experiment FROM answers_failures ORDER BY visit"


def everything(clinic: Clinic, *, but: str = "") -> list[list[tuple[Any, ...]]]:
    """All rows of all tables, without the time of the load and the column `but`."""
    queries = ["SELECT experiment, cohort, notes, texts, answered, failed, blank FROM experiments"]
    for table in ("answers", "answers_failures"):
        names = ", ".join(name for name in clinic.columns(table) if name != but)
        queries.append(f"SELECT {names} FROM {table}")
    return [clinic.rows(f"{query} ORDER BY 1, 2") for query in queries]


def tables(clinic: Clinic) -> list[str]:
    return [name for (name,) in clinic.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]


def statements(refused: NotemillError) -> list[str]:
    """The SQL that an error tells to run."""
    sql = refused.remedy.partition(":\n")[2]
    return [each.strip() for each in sql.split(";") if each.strip()]
