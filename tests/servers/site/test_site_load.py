"""Loads into MySQL itself, where LOAD DATA LOCAL is off unless the server is told otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notemill.errors import NotemillError
from notemill.load.proof import Prover
from notemill.load.rehearsal import prepare_tables
from tests.servers.clinic import ServerClinic
from tests.servers.loads import everything
from tests.servers.mariadb import MariaDB
from tests.servers.site.site import Site

# What holds for MariaDB is asked of MySQL in the same words.
from tests.servers.test_load_mariadb import (
    HARD,
    SCHEMA,
    TestATrigger,  # noqa: F401
    test_a_deadlock_after_half_of_the_writing_is_tried_again_whole,  # noqa: F401
    test_hard_values_come_back_as_they_were_given,  # noqa: F401
)
from tests.servers.test_load_mariadb_ways import (
    test_a_row_that_a_rule_of_the_users_refuses_ends_the_load,  # noqa: F401
    test_a_server_that_ends_in_the_middle_of_a_load_leaves_what_was_there,  # noqa: F401
    test_both_ways_leave_the_same_rows,  # noqa: F401
    test_hard_values_are_kept_whichever_way_and_proven_by_their_bytes,  # noqa: F401
    test_where_no_statement_can_be_prepared_values_are_compared_one_by_one,  # noqa: F401
    way,  # noqa: F401
)
from tests.unit.conftest import write_task
from tests.unit.load.test_load_failed import (
    test_a_load_killed_in_the_middle_changes_nothing,  # noqa: F401
)
from tests.unit.loads import Loads, compared_by_value

pytestmark = pytest.mark.site


@pytest.fixture
def database(site: Site) -> Iterator[MariaDB]:
    """MySQL with its own defaults, but that its user may make triggers."""
    site.mysql.execute("SET GLOBAL log_bin_trust_function_creators = 1")
    yield site.mysql
    site.mysql.execute("SET GLOBAL log_bin_trust_function_creators = DEFAULT")
    site.mysql.execute("SET GLOBAL local_infile = DEFAULT")


def test_a_server_of_defaults_takes_statements_and_is_proven_by_bytes(
    loads: Loads,
    database: MariaDB,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database.execute("SET GLOBAL local_infile = DEFAULT")
    monkeypatch.setattr(Prover, "_compare_values", None)
    caplog.set_level("INFO", logger="notemill")
    assert prepare_tables(loads.clinic.database, loads.work()).server.startswith("MySQL 9")
    assert loads.load().answered == 3
    assert "writing by INSERT statements of many rows" in caplog.text


IDS = {
    "DATETIME(6)": ["2000-02-29 23:59:59.000001", "2000-02-29 23:59:59", "1999-01-01"],
    "DATE": ["1000-01-01", "9999-12-31", "2000-02-29"],
    "DECIMAL(30,4)": ["-0.0001", "99999999999999999999999999.9999", "10.5"],
    "VARCHAR(20)": ["a", "A", "a ", "\N{STETHOSCOPE}"],
}


@pytest.mark.parametrize("kind", IDS)
def test_ids_of_a_kind_are_kept_whichever_way_and_proven_by_their_bytes(
    database: MariaDB,
    tmp_path: Path,
    way: object,  # noqa: F811
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clinic = ServerClinic(
        database, tmp_path, visit=f"{kind} COLLATE utf8mb4_bin" if "CHAR" in kind else kind
    )
    clinic.fill(*((id, f"note {n}") for n, id in enumerate(IDS[kind])))
    clinic.extract()
    loads = Loads(clinic, write_task(tmp_path / "tasks"))
    loads.answer({"note 1": "schema"})
    monkeypatch.setattr(Prover, "_compare_values", None)
    loads.load()
    both = "SELECT visit FROM {} UNION ALL SELECT visit FROM {} ORDER BY 1"
    there = clinic.rows(both.format("answers", "answers_failures"))
    assert there == clinic.rows("SELECT visit FROM notes ORDER BY 1")


def test_a_json_type_that_orders_keys_is_proven_value_by_value(
    database: MariaDB,
    tmp_path: Path,
    way: object,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clinic = ServerClinic(database, tmp_path)
    sides = [side for side in HARD["side"] if side]
    clinic.fill(*((n, f"note {n}") for n in range(len(sides))))
    clinic.extract()

    def answer(text: str, _: str) -> dict[str, Any]:
        side = sides[int(text.split()[1])]
        others = {"response": "yes", "reason": "x", "size": 1.0, "count": 1, "seen": True}
        return others | {"side": side}

    loads = Loads(clinic, write_task(tmp_path / "tasks", SCHEMA), answer)
    loads.answer()
    prepare_tables(clinic.database, loads.work())
    clinic.run("ALTER TABLE answers MODIFY llm_side JSON")
    compared = compared_by_value(monkeypatch)
    loads.load()
    loads.load()
    assert compared == ["answers", "answers"]
    got = clinic.rows("SELECT llm_side FROM answers ORDER BY visit")
    assert [json.loads(side) for (side,) in got] == sides
    clinic.run("UPDATE answers SET llm_side = JSON_SET(llm_side, '$.name', 'other')")
    before = everything(loads)
    loads.load()
    assert everything(loads) != before
    got = clinic.rows("SELECT llm_side FROM answers ORDER BY visit")
    assert [json.loads(side) for (side,) in got] == sides


def test_a_trigger_on_a_json_type_is_caught(loads: Loads, database: MariaDB) -> None:
    prepare_tables(loads.clinic.database, loads.work())
    loads.clinic.run(
        "CREATE TRIGGER liar BEFORE INSERT ON answers FOR EACH ROW SET NEW.llm_reason = 'other'"
    )
    with pytest.raises(NotemillError, match=r"answers\.llm_reason differs in 3 rows"):
        loads.load()
