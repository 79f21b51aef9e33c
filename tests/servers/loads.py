"""What loads have written into a real server."""

from __future__ import annotations

from typing import Any

from tests.servers.clinic import ServerClinic
from tests.unit.loads import Loads

TABLES = ("answers", "answers_failures", "experiments")


def everything(loads: Loads, *, but: str = "") -> list[list[tuple[Any, ...]]]:
    """All rows of all tables, without the time of the load and the column `but`."""
    counts = "SELECT experiment, cohort, notes, texts, answered, failed, blank FROM experiments"
    queries = [counts]
    for table in TABLES[:2]:
        assert isinstance(loads.clinic, ServerClinic)
        names = loads.clinic.columns(table)
        queries.append(f"SELECT {', '.join(n for n in names if n != but)} FROM {table}")
    return [loads.clinic.rows(f"{query} ORDER BY 1, 2") for query in queries]
