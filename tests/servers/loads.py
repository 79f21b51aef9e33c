"""What loads have written into a real server."""

from __future__ import annotations

from typing import Any

import pytest

from notemill.errors import NotemillError
from notemill.load.rehearsal import prepare_tables
from tests.unit.load.rows import everything as _everything
from tests.unit.load.rows import statements
from tests.unit.loads import Loads

TABLES = ("answers", "answers_failures", "experiments")


def everything(loads: Loads, *, but: str = "") -> list[list[tuple[Any, ...]]]:
    """All rows of all tables, without the time of the load and the column `but`."""
    return _everything(loads.clinic, but=but)


def load_other_ids(
    loads: Loads, ids: tuple[str, str], now: str, told: str, kept: str
) -> list[tuple[Any, ...]]:
    """A load of one id, and one of an id of the type `now`, which is refused until the printed SQL
    is run, or goes into another table where none is printed. What the query `kept` gave between."""
    loads.clinic.fill((ids[0], "one"))
    loads.clinic.extract()
    loads.answer()
    loads.load()
    before = loads.clinic.rows(kept)
    loads.clinic.run("DROP TABLE notes")
    loads.clinic.run(f"CREATE TABLE notes (visit {now}, note TEXT)")
    loads.clinic.fill((ids[1], "two"))
    loads.clinic.extract("later")
    loads.answer(cohort="later")
    with pytest.raises(NotemillError) as refused:
        prepare_tables(loads.clinic.database, loads.work("later"))
    assert told in refused.value.what
    for statement in statements(refused.value):
        loads.clinic.run(statement)
    other = {} if statements(refused.value) else {"results_table": "others"}
    assert loads.load("later", **other).answered == 1
    return before
