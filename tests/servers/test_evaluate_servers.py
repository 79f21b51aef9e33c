"""Gold and figures on each real server: ids of every kind, the table, rights that are missing."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from notemill.errors import NotemillError
from tests.servers.clinic import ServerClinic
from tests.servers.conftest import Servers
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.unit.evaluation.labelled import Labelled, csv_of, headline, of
from tests.unit.evaluation.test_table import as_row
from tests.unit.load.rows import statements

MARIADB: dict[str, list[tuple[Any, str]]] = {
    "BIGINT": [(7, "7"), (-(2**63), str(-(2**63)))],
    "VARCHAR(20) COLLATE utf8mb4_bin": [("007", "007"), ("a", "a"), ("A", "A"), ("é🩺", "é🩺")],
    "VARBINARY(8)": [(b"\x00\xff", "00ff"), (b"a", "61")],
    "DECIMAL(30,4)": [(Decimal("1.5000"), "1.5"), (Decimal("-0.0001"), "-0.0001")],
    "DATE": [(datetime.date(1999, 12, 31), "1999-12-31")],
    "DATETIME(6)": [(datetime.datetime(2024, 2, 29, 1, 2, 3, 4), "2024-02-29 01:02:03.000004")],
}
UUID = "0a0b0c0d-0000-4000-8000-000000000001"
POSTGRES: dict[str, list[tuple[Any, str]]] = {
    "BIGINT": MARIADB["BIGINT"],
    "VARCHAR(20)": [("007", "007"), ("a", "a"), ("A", "A"), ("é🩺", "é🩺")],
    "BYTEA": MARIADB["VARBINARY(8)"],
    "NUMERIC(30,4)": MARIADB["DECIMAL(30,4)"],
    "UUID": [(UUID, UUID), ("f" * 32, "ffffffff-ffff-ffff-ffff-ffffffffffff")],
    "DATE": MARIADB["DATE"],
    "TIMESTAMP": MARIADB["DATETIME(6)"],
    "TIMESTAMPTZ": [
        (datetime.datetime(2024, 2, 29, 1, 2, 3, 4, datetime.UTC), "2024-02-29 03:02:03.000004+02")
    ],
}

KINDS = [("MariaDB", kind) for kind in MARIADB] + [("PostgreSQL", kind) for kind in POSTGRES]


@pytest.fixture(scope="module", params=["MariaDB", "PostgreSQL"])
def database(servers: Servers, request: pytest.FixtureRequest) -> MariaDB | Postgres:
    return servers(request.param)


@pytest.mark.parametrize(("server", "kind"), KINDS)
def test_ids_of_each_kind_are_found_by_a_file_and_by_a_query(
    servers: Servers, tmp_path: Path, server: str, kind: str
) -> None:
    ids = (MARIADB if server == "MariaDB" else POSTGRES)[kind]
    clinic = ServerClinic(servers(server), tmp_path, kind)
    notes = {value: f"note {n}" for n, (value, _) in enumerate(ids)}
    labelled = Labelled(clinic, notes, {"note 0": {"response": "no"}})
    labelled.gold(csv_of("visit,response", [(text, "yes") for _, text in ids]))
    by_file = labelled.evaluate()
    by_query = labelled.evaluate(query="SELECT visit, 'yes' AS response FROM notes")
    for record in (by_file, by_query):
        choices = headline(of(record).fields[0]).choices
        assert choices and choices.table[0] == [len(ids) - 1, 1, 0, 0]


def test_the_table_keeps_every_figure_and_is_written_anew(clinic: ServerClinic) -> None:
    labelled = Labelled(clinic, {1: "one", 2: "two", 3: "three"}, {"two": {"response": "no"}})
    labelled.gold("visit,response,site\n1,yes,Zürich ' \\ 🩺\n2,yes,a\n3,null,A\n")
    for _ in range(2):
        record = labelled.evaluate(subgroups=["site"])
        rows = clinic.rows(
            "SELECT subgroup_value, value, low, high, n, why FROM notemill_evaluations WHERE "
            "class = '' AND measure = 'accuracy' AND counting = 'all' ORDER BY figure"
        )
        parts = of(record).fields[0].parts
        assert [(row[0], row[1:]) for row in rows] == [
            (part.value, as_row(part.choices.all.accuracy)) for part in parts if part.choices
        ]
    assert clinic.rows("SELECT DISTINCT evaluation, experiment FROM notemill_evaluations") == [
        ("gold", of(record).experiment)
    ]


def test_a_gold_query_may_only_read(clinic: ServerClinic) -> None:
    labelled = Labelled(clinic, {1: "one"})
    with pytest.raises(NotemillError, match="the query wants to write") as refused:
        labelled.evaluate(query="DELETE FROM notes RETURNING visit, note AS response")
    assert refused.value.where == "evaluations.gold.query"
    assert clinic.rows("SELECT count(*) FROM notes") == [(1,)]


def test_a_table_that_could_not_keep_the_figures_is_refused_with_the_sql_that_mends_it(
    database: MariaDB | Postgres, clinic: ServerClinic
) -> None:
    labelled = Labelled(clinic, {1: "one"})
    labelled.gold("visit,response\n1,yes\n")
    labelled.evaluate()
    clinic.run("DELETE FROM notemill_evaluations")
    change = (
        "ALTER value TYPE REAL, ALTER part TYPE VARCHAR(3)"
        if isinstance(database, Postgres)
        else "MODIFY value FLOAT, MODIFY part VARCHAR(3)"
    )
    clinic.run(f"ALTER TABLE notemill_evaluations {change}")
    with pytest.raises(NotemillError, match="notemill_evaluations exists, and") as refused:
        labelled.evaluate()
    for statement in statements(refused.value):
        clinic.run(statement)
    assert of(labelled.evaluate()).fields
    assert clinic.rows("SELECT DISTINCT part FROM notemill_evaluations")
