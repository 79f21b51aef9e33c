"""Names and values that would be SQL or another path, over every kind of database."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from notemill.config import Config, Database, read_config
from notemill.errors import NotemillError
from notemill.load.loader import load
from notemill.load.rehearsal import prepare_tables
from tests.servers.clinic import ServerClinic
from tests.unit.conftest import Clinic, config_values, write_task
from tests.unit.loads import Loads

SCHEMA = """
from typing import Literal
from pydantic import BaseModel
class Answer(BaseModel):
    response: Literal["yes", "no"]
    select: str
"""
SQL = [
    "'); DROP TABLE notes; --",
    "\\'; DELETE FROM notes; #",
    "` OR 1=1; /*",
    '"; UPDATE notes SET note = 1; --',
    "%s %(a)s :a ? {0}",
    "\u202e\u2066 RTL \u0000 NUL 🩺",
    "\\",
]
"""Ids, as notes have them, and what an answer says."""
EVIL = """evil`"';-- {name} größe"""
NAMES = [
    "..",
    ".",
    "a/b",
    "../../etc",
    "/etc/passwd",
    "a\nb",
    "a\n",
    "",
    "a b",
    "a;b",
    "a--b",
    "a`b",
    'a"b',
    "a'b",
    "größe",
    "{cohort}",
    "$(id)",
    "-rf",
    "a\0b",
    "a" * 80,
]


def quoted(dialect: str, name: str) -> str:
    sign = "`" if dialect == "mysql" else '"'
    return sign + name.replace(sign, 2 * sign) + sign


@pytest.fixture(params=["sqlite", "mysql", "postgresql"])
def clinic(request: pytest.FixtureRequest, tmp_path: Path) -> Clinic:
    """One clinic of each kind, its ids text."""
    if request.param == "sqlite":
        return Clinic(tmp_path)
    server = "database" if request.param == "mysql" else "running_postgres"
    visit = "VARCHAR(80)" + (" COLLATE utf8mb4_bin" if request.param == "mysql" else "")
    return ServerClinic(request.getfixturevalue(server), tmp_path, visit=visit)


def test_reserved_words_and_sql_in_values_go_through_every_table_unchanged(clinic: Clinic) -> None:
    dialect = clinic.database.dialect
    values = [value.replace("\0", "") for value in SQL]  # PostgreSQL's texts hold no NUL
    clinic.fill(*((value, f"note {value}") for value in values))
    order, group = quoted(dialect, "order"), quoted(dialect, "group")
    query = f"SELECT visit AS {order}, note AS {group} FROM notes"
    clinic.extract(query=query, id_columns=["order"], text_column="group")
    loads = Loads(
        clinic,
        write_task(clinic.folder / "tasks", SCHEMA),
        lambda text, reason: {"response": "yes", "select": text.removeprefix("note ")},
    )
    loads.answer({f"note {values[0]}": "schema"})
    tables = {"results_table": "select", "failures_table": "table"}
    if dialect == "postgresql":  # as a name without quotes it would be another
        tables["failures_table"] = "Table"
    for _ in range(2):
        work = loads.work(**tables)
        prepare_tables(clinic.database, work)
        assert load(clinic.database, work).answered == len(values) - 1
    select, table = (quoted(dialect, name) for name in tables.values())
    said = quoted(dialect, "llm_select")
    assert sorted(clinic.rows(f"SELECT {order}, {said} FROM {select}")) == sorted(
        (value, value) for value in values[1:]
    )
    assert clinic.rows(f"SELECT {order} FROM {table}") == [(values[0],)]
    assert len(clinic.rows("SELECT visit FROM notes")) == len(values)


def test_a_databases_name_is_never_sql(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    for dialect, fixture in (("mysql", "database"), ("postgresql", "running_postgres")):
        server = request.getfixturevalue(fixture)
        name = EVIL.replace("{name}", dialect)
        server.execute(f"CREATE DATABASE {quoted(dialect, name)}")
        try:
            if dialect == "mysql":
                grantee = f"'{server.user}'@'%'"
                pattern = name.replace("_", "\\_").replace("%", "\\%")
                server.execute(f"GRANT ALL ON {quoted(dialect, pattern)}.* TO {grantee}")
            else:
                owner = quoted(dialect, server.user)
                server.execute(f"ALTER DATABASE {quoted(dialect, name)} OWNER TO {owner}")
            folder = tmp_path / dialect
            folder.mkdir()
            there = server.access(folder)
            named = f"{server.port}/{name}"  # SQLAlchemy takes it as it stands
            url = there["url"].replace(f"{server.port}/{server.database}", named)
            clinic = Clinic(folder)
            clinic.fill((1, "one"), (2, "two"))
            clinic.extract()  # from SQLite; its load goes into the database
            loads = Loads(clinic, write_task(folder / "tasks"))
            loads.answer()
            database = Database.model_validate({**there, "url": url})
            assert load(database, loads.work()).answered == 2
            with (
                server.connect(database=name)
                if dialect == "mysql"
                else server.connect(dbname=name) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute("SELECT count(*) FROM answers")
                assert cursor.fetchall() in [[(2,)], ((2,),)]
        finally:
            server.execute(f"DROP DATABASE {quoted(dialect, name)}")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("section", ["cohorts", "experiments", "engines"])
def test_no_name_is_a_path_or_needs_quoting(section: str, name: str) -> None:
    """Cohorts, experiments and engines name folders, jobs and rows."""
    values = config_values()
    values[section][name] = next(iter(values[section].values()))
    with pytest.raises(NotemillError) as refused:
        read_config(values)
    assert section in refused.value.where + refused.value.what


@pytest.mark.parametrize("name", [name for name in NAMES if name])  # a prefix may be empty
@pytest.mark.parametrize("key", ["task", "results_table", "failures_table", "answer_prefix"])
def test_no_table_prefix_or_task_of_an_experiment_is_either(key: str, name: str) -> None:
    values = config_values()
    next(iter(values["experiments"].values()))[key] = name
    with pytest.raises((NotemillError, ValidationError)):
        _: Config = read_config(values)
