"""Tables that a real PostgreSQL holds already: of other types, keys and collations."""

from __future__ import annotations

from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.load.rehearsal import prepare_tables
from tests.servers.clinic import ServerClinic
from tests.servers.loads import TABLES, everything, load_other_ids
from tests.servers.postgres import Postgres
from tests.unit.conftest import write_task
from tests.unit.load.rows import statements
from tests.unit.loads import Loads


@pytest.fixture(scope="module")
def database(running_postgres: Postgres) -> Postgres:
    return running_postgres


WRONG = [
    ("answers", "ALTER llm_reason TYPE INT USING 1", "llm_reason is integer, not TEXT"),
    ("answers", "ALTER llm_reason TYPE VARCHAR(99)", "llm_reason is character varying(99)"),
    ("answers", "ALTER llm_response TYPE CHAR(255)", "llm_response is character(255)"),
    ("answers", "ALTER llm_reason SET NOT NULL", "llm_reason must be empty"),
    ("answers", "ALTER seconds TYPE REAL", "seconds is real, not DOUBLE PRECISION"),
    ("answers", "ALTER attempts TYPE SMALLINT", "attempts is smallint, not INTEGER"),
    ("answers", "ALTER answered_at TYPE TIMESTAMPTZ", "answered_at is timestamp with time zone"),
    ("answers", "ALTER visit TYPE INT", "visit is integer, not BIGINT"),
    ("answers", "ADD mine INT NOT NULL", "mine, which is not notemill's"),
    ("answers", "ADD UNIQUE (visit)", "by its unique key"),
    ("answers", "DROP attempts", "the columns attempts are missing"),
    (
        "answers",
        "DROP attempts, ADD attempts INT GENERATED ALWAYS AS (1) STORED",
        "attempts is computed",
    ),
    (
        "answers",
        "DROP CONSTRAINT answers_pkey, ADD PRIMARY KEY (visit, experiment)",
        "no unique key is over visit",
    ),
    (
        "answers",
        "DROP CONSTRAINT answers_pkey, ADD UNIQUE (visit, experiment, cohort) DEFERRABLE",
        "no unique key is over visit",
    ),
    ("answers_failures", "SET UNLOGGED", "it is UNLOGGED"),
    ("answers_failures", "ALTER detail TYPE VARCHAR(20)", "detail is character varying(20)"),
    ("experiments", "ALTER notes TYPE INT", "notes is integer, not BIGINT"),
]


def test_a_table_that_could_not_keep_every_value_is_refused_and_mended(loads: Loads) -> None:
    """All in one database, because a refusal names each table by itself."""
    loads.load()
    rows = everything(loads)
    for table, change, told in WRONG:
        loads.clinic.run("DELETE FROM answers")
        loads.clinic.run(f"ALTER TABLE {table} {change}")
        with pytest.raises(NotemillError) as refused:
            prepare_tables(loads.clinic.database, loads.work())
        assert told in refused.value.what, (change, refused.value.what)
        for statement in statements(refused.value):
            loads.clinic.run(statement)
        assert loads.load().answered == 3, change
    mended = [[sorted(map(str, row)) for row in table] for table in everything(loads, but="mine")]
    assert [len(table) for table in mended] == [len(table) for table in rows]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER llm_reason TYPE VARCHAR, ALTER llm_response TYPE TEXT, ALTER attempts TYPE BIGINT",
        "ADD mine INT NOT NULL DEFAULT 1, ADD other INT GENERATED ALWAYS AS IDENTITY UNIQUE",
        "DROP CONSTRAINT answers_pkey, ADD UNIQUE (cohort, experiment, visit)",
    ],
)
def test_a_wider_table_and_one_with_more_columns_is_used(loads: Loads, change: str) -> None:
    loads.load()
    loads.clinic.run(f"ALTER TABLE answers {change}")
    prepare_tables(loads.clinic.database, loads.work())
    loads.answer(reason="new")
    assert loads.load().answered == 4


def test_what_is_no_table_of_its_own_is_refused(loads: Loads) -> None:
    loads.clinic.run("CREATE VIEW answers AS SELECT * FROM notes")
    with pytest.raises(NotemillError, match="answers exists, and it is a view"):
        prepare_tables(loads.clinic.database, loads.work())
    with pytest.raises(NotemillError, match="notes exists, and the columns") as refused:
        prepare_tables(loads.clinic.database, loads.work(results_table="notes"))
    assert "choose another name" in refused.value.remedy
    with pytest.raises(NotemillError, match="PostgreSQL cuts names of over 63"):
        prepare_tables(loads.clinic.database, loads.work(results_table="r" * 55))


def test_prepared_tables_hold_nothing_of_the_rehearsal(loads: Loads) -> None:
    report = prepare_tables(loads.clinic.database, loads.work())
    assert report.server.startswith("PostgreSQL 1")
    assert everything(loads) == [[], [], []]
    assert {name for name in TABLES if not loads.clinic.rows(f"SELECT * FROM {name}")} == {*TABLES}


def test_ids_that_another_collation_takes_as_one_are_refused(loads: Loads) -> None:
    loads.clinic.run("DROP TABLE notes")
    loads.clinic.run("CREATE TABLE notes (visit VARCHAR(20), note TEXT)")
    loads.clinic.fill(("a", "one"), ("A", "two"))
    loads.clinic.extract("words")
    loads.answer(cohort="words")
    loads.load("words")
    loads.clinic.run(
        "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', "
        "deterministic = false)"
    )
    loads.clinic.run("DELETE FROM answers")
    loads.clinic.run("ALTER TABLE answers ALTER visit TYPE VARCHAR(20) COLLATE nocase")
    with pytest.raises(NotemillError, match="visit is compared by nocase") as refused:
        loads.load("words")
    for statement in statements(refused.value):
        loads.clinic.run(statement)
    assert loads.load("words").answered == 2


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("BIGINT", "VARCHAR(20)", "visit is bigint, not VARCHAR(20)"),
        ("VARCHAR(10)", "VARCHAR(20)", "visit is character varying(10), not VARCHAR(20)"),
        ("BYTEA", "VARCHAR(10)", "visit is bytea, not VARCHAR(10)"),
        ("NUMERIC(10,1)", "NUMERIC(10,2)", "visit is numeric(38,1), not NUMERIC(38, 2)"),
        ("DATE", "TIMESTAMP", "visit is date, not TIMESTAMP"),
        ("TIMESTAMP", "TIMESTAMPTZ", "visit is timestamp without time zone, not"),
        ("UUID", "TEXT", "visit is uuid, not TEXT"),
        ("VARCHAR(20)", "BIGINT", "visit is character varying(20), not BIGINT"),
    ],
)
def test_ids_of_another_type_are_refused(
    database: Postgres, tmp_path: Path, before: str, now: str, told: str
) -> None:
    """And where the column can be made wider the printed SQL does it, which changes no row."""
    ids = {"DATE": "2020-02-29", "UUID": "0a0b0c0d-0000-4000-8000-000000000001"}
    ids |= dict.fromkeys(["TIMESTAMP", "TIMESTAMPTZ"], "2020-02-29 01:02:03.000004")
    loads = Loads(ServerClinic(database, tmp_path, visit=before), write_task(tmp_path / "tasks"))
    first = ids.get(before, "7.5" if "NUM" in before else "7")
    second = ids.get(now, "7.25" if "NUM" in now else "007")
    kept = load_other_ids(
        loads, (first, second), now, told, "SELECT visit::text, llm_reason FROM answers"
    )
    of_before = "SELECT visit::numeric::text, llm_reason FROM answers WHERE cohort = 'chest'"
    if "NUM" not in before:
        of_before = of_before.replace("::numeric", "")
    ((visit, reason),) = loads.clinic.rows(of_before)
    assert (visit.rstrip("0") if "NUM" in before else visit, reason) == kept[0]


def test_fields_that_fit_into_no_row_of_mysql_are_kept(database: Postgres, tmp_path: Path) -> None:
    clinic = ServerClinic(database, tmp_path, visit="VARCHAR(500)")
    clinic.fill(("v" * 500, "one"))
    clinic.extract()
    fields = "\n".join(f"    f{n}: str = Field(max_length=200)" for n in range(150))
    schema = f"from pydantic import BaseModel, Field\nclass Answer(BaseModel):\n{fields}\n"
    answer = {f"f{n}": "🩺" * 200 for n in range(150)}
    loads = Loads(clinic, write_task(tmp_path / "tasks", schema), lambda *_: answer)
    prepare_tables(clinic.database, loads.work())
    loads.answer()
    assert loads.load().answered == 1
    assert clinic.rows("SELECT llm_f0, llm_f149 FROM answers") == [("🩺" * 200,) * 2]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("ALTER TABLE answers ADD CHECK (llm_reason <> 'PRIVATE')", "a CHECK constraint"),
        (
            "ALTER TABLE answers ADD mine INT DEFAULT 1 REFERENCES parents (id)",
            "a foreign key",
        ),
        ("ALTER TABLE answers ADD mine INT NOT NULL DEFAULT 1, ADD UNIQUE (mine)", "unique"),
    ],
)
def test_a_row_that_a_rule_of_the_users_refuses_ends_the_load(
    loads: Loads, rule: str, told: str
) -> None:
    loads.load()
    loads.clinic.run("DELETE FROM answers")
    loads.clinic.run("DELETE FROM answers_failures")
    before = everything(loads)
    loads.clinic.run("CREATE TABLE parents (id INT PRIMARY KEY)")
    loads.clinic.run(rule)
    loads.answer({"two": "schema"}, reason="PRIVATE")
    with pytest.raises(NotemillError) as refused:
        loads.load()
    assert told in refused.value.what
    assert "PRIVATE" not in str(refused.value)
    assert [rows for rows in everything(loads) if rows] == [rows for rows in before if rows]
