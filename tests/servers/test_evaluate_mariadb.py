"""Gold and figures on a real MariaDB: ids of every kind, the table, rights that are missing."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from notemill.errors import NotemillError
from tests.servers.clinic import ServerClinic
from tests.servers.mariadb import MariaDB
from tests.unit.evaluation.labelled import Labelled, csv_of, headline, of
from tests.unit.evaluation.test_table import as_row

IDS: dict[str, list[tuple[Any, str]]] = {
    "BIGINT": [(7, "7"), (-(2**63), str(-(2**63)))],
    "VARCHAR(20) COLLATE utf8mb4_bin": [("007", "007"), ("a", "a"), ("A", "A"), ("é🩺", "é🩺")],
    "VARBINARY(8)": [(b"\x00\xff", "00ff"), (b"a", "61")],
    "DECIMAL(30,4)": [(Decimal("1.5000"), "1.5"), (Decimal("-0.0001"), "-0.0001")],
    "DATE": [(datetime.date(1999, 12, 31), "1999-12-31")],
    "DATETIME(6)": [(datetime.datetime(2024, 2, 29, 1, 2, 3, 4), "2024-02-29 01:02:03.000004")],
}


@pytest.mark.parametrize("kind", IDS)
def test_ids_of_each_kind_are_found_by_a_file_and_by_a_query(
    database: MariaDB, tmp_path: Path, kind: str
) -> None:
    ids = IDS[kind]
    clinic = ServerClinic(database, tmp_path, kind)
    notes = {value: f"note {n}" for n, (value, _) in enumerate(ids)}
    labelled = Labelled(clinic, notes, {"note 0": {"response": "no"}})
    labelled.gold(csv_of("visit,response", [(text, "yes") for _, text in ids]))
    by_file = labelled.evaluate()
    by_query = labelled.evaluate(query="SELECT visit, 'yes' AS response FROM notes")
    for record in (by_file, by_query):
        choices = headline(of(record).fields[0]).choices
        assert choices and choices.table[0] == [len(ids) - 1, 1, 0, 0]


def test_the_table_keeps_every_figure_and_is_written_anew(
    database: MariaDB, tmp_path: Path
) -> None:
    clinic = ServerClinic(database, tmp_path)
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


def test_a_gold_query_may_only_read(database: MariaDB, tmp_path: Path) -> None:
    clinic = ServerClinic(database, tmp_path)
    labelled = Labelled(clinic, {1: "one"})
    with pytest.raises(NotemillError, match="the query wants to write") as refused:
        labelled.evaluate(query="DELETE FROM notes RETURNING visit, note AS response")
    assert refused.value.where == "evaluations.gold.query"
    assert clinic.rows("SELECT count(*) FROM notes") == [(1,)]


def test_a_table_that_could_not_keep_the_figures_is_refused_with_the_sql_that_mends_it(
    database: MariaDB, tmp_path: Path
) -> None:
    clinic = ServerClinic(database, tmp_path)
    labelled = Labelled(clinic, {1: "one"})
    labelled.gold("visit,response\n1,yes\n")
    labelled.evaluate()
    clinic.run("DELETE FROM notemill_evaluations")
    clinic.run("ALTER TABLE notemill_evaluations MODIFY value FLOAT, MODIFY part VARCHAR(3)")
    with pytest.raises(NotemillError, match="notemill_evaluations exists, and") as refused:
        labelled.evaluate()
    assert "MODIFY COLUMN part VARCHAR(32)" in refused.value.remedy
