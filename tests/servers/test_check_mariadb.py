"""`notemill check --database` on a real MariaDB: everything looked at, nothing changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from notemill.__main__ import main
from notemill.check import queries
from notemill.errors import NotemillError
from notemill.load.rehearsal import prepare_tables
from tests.servers.clinic import ServerClinic
from tests.servers.loads import everything
from tests.servers.mariadb import MariaDB
from tests.servers.standin import store
from tests.unit.check.conftest import one
from tests.unit.conftest import config_values, write_task
from tests.unit.loads import Loads

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")
TABLES = ("notemill_experiments", "r", "r_failures")


class Site:
    """A clinic on the server, and what `check --database` finds there as one of its accounts."""

    def __init__(self, server: MariaDB, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.server = server
        self.folder = folder
        self.clinic = ServerClinic(server, folder, "VARCHAR(20)")
        self.capsys = capsys
        self.status = 0
        write_task(folder / "tasks")
        store.make_model(folder / "store", "m:1")
        self.values = config_values(
            results=str(folder / "results"),
            tasks=str(folder / "tasks"),
            database=self.clinic.database.model_dump(mode="json", exclude_none=True),
            engines={"local": {"kind": "ollama", "models": str(folder / "store")}},
        )
        self.cohort: dict[str, Any] = self.values["cohorts"]["chest"]
        self.cohort["shards"] = 1

    def found(self) -> list[dict[str, Any]]:
        path = self.folder / "my.yaml"
        path.write_text(yaml.safe_dump(self.values))
        self.status = main(["check", "--json", "--database", "--configfile", str(path)])
        printed = self.capsys.readouterr()
        assert self.server.password not in printed.out + printed.err
        findings: list[dict[str, Any]] = json.loads(printed.out)
        return findings

    def refusals(self) -> list[str]:
        return [each["what"] for each in self.found() if each["level"] == "refusal"]

    def state(self) -> dict[str, Any]:
        """Every table with its definition and rows, and how often the server changed any."""
        tables = [name for (name,) in self.server.execute("SHOW TABLES IN clinical")]
        changed = self.server.execute(
            "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE "
            "VARIABLE_NAME IN ('HANDLER_DELETE', 'HANDLER_UPDATE', 'INNODB_ROWS_INSERTED', "
            "'INNODB_ROWS_UPDATED', 'INNODB_ROWS_DELETED') ORDER BY 1"
        )
        state: dict[str, Any] = {"changes": changed}
        for table in tables:
            rows = self.server.execute(f"SELECT * FROM clinical.{table}")
            made = self.server.execute(f"SHOW CREATE TABLE clinical.{table}")
            state[table] = (made, sorted(rows, key=repr))
        return state

    def account(self, *grants: str) -> None:
        """Be another account, which has these rights alone."""
        self.server.execute("CREATE OR REPLACE USER narrow IDENTIFIED BY 'narrow-secret'")
        for grant in ("SELECT ON clinical.notes", *grants):
            self.server.execute(f"GRANT {grant} TO narrow")
        path = self.folder / "narrow.cnf"
        path.touch(mode=0o600)
        path.write_text("[client]\nuser = narrow\npassword = narrow-secret\n")
        self.values["database"]["option_file"] = str(path)


@pytest.fixture
def site(database: MariaDB, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    yield Site(database, tmp_path, capsys)
    database.execute("DROP USER IF EXISTS narrow")
    database.execute("SET GLOBAL read_only = 0")


def test_queries_are_tried_and_nothing_is_changed(site: Site) -> None:
    site.clinic.fill(("p1", "PRIVATE"), ("P1", "other"), ("p1 ", None), ("x", "x"))
    site.cohort["query"] = (
        "WITH n AS (SELECT visit, note, 1.50 AS price FROM notes) "
        "SELECT * FROM n WHERE visit LIKE '%' ORDER BY visit;"
    )
    before = site.state()
    found = site.found()
    assert site.status == 0
    assert site.state() == before
    assert one(found, "connected to MariaDB 10.")
    assert one(found, "cohort chest: the query gives rows")["details"] == [
        "visit VARCHAR(20): id, text of up to 20",
        "note TEXT or BLOB: the note's text",
        "price DECIMAL: not used",
    ]
    # Ids that differ by case or a blank at the end are three.
    assert one(found, "cohort chest: 4 rows")["what"] == "cohort chest: 4 rows"
    assert not [each for each in found if each["level"] == "warning"]
    assert one(found, "table r")["details"][0].startswith("visit VARCHAR(20), llm_response")
    assert "PRIVATE" not in json.dumps(found)


def test_a_column_name_given_twice_is_no_hindrance_unless_it_is_needed(site: Site) -> None:
    site.clinic.fill(*((f"p{n}", "x" * 100_000) for n in range(50)))
    site.cohort["query"] = "SELECT visit, note, 1 AS a, 2 AS a FROM notes"
    found = site.found()
    assert site.status == 0
    assert one(found, "its rows can't be counted")
    assert one(found, "the query gives rows")["details"][2:] == ["a INT: not used"] * 2
    site.cohort["query"] += " LIMIT 40"
    assert one(site.found(), "it has a LIMIT of its own")["level"] == "warning"
    site.cohort["query"] = "SELECT visit, note, visit FROM notes"
    assert "column 'visit' is twice" in site.refusals()[0]


def test_a_query_that_writes_or_sleeps_changes_and_holds_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.clinic.fill(("p1", "x"), ("p2", "x"))
    before = site.state()
    for query in (
        "DELETE FROM notes RETURNING visit, note",
        "INSERT INTO notes VALUES ('p3', 'x') RETURNING visit, note",
        "SELECT visit, note FROM notes INTO OUTFILE '/tmp/notemill-never'",
    ):
        site.cohort["query"] = query
        assert len(site.refusals()) == 1, query
        assert site.state() == before
    monkeypatch.setattr(queries, "LOOK_S", 1)
    site.cohort["query"] = "SELECT visit, note FROM notes WHERE SLEEP(30) = 0"
    assert one(site.found(), "the query gave no row within 1 s")["level"] == "warning"


def test_each_right_that_a_load_needs_is_missed_by_name_and_none_is_used(site: Site) -> None:
    site.clinic.fill(("p1", "x"))

    def denied() -> list[str]:
        before = site.state()
        (what,) = site.refusals()
        assert site.state() == before
        assert "may not" in what, what
        return what.partition("may not: ")[2].split("; ")

    site.account()
    every = "CREATE, SELECT, INSERT, UPDATE, DELETE"
    of_experiments = every.replace("UPDATE, ", "")
    temporary = "CREATE TEMPORARY TABLES on temporary tables"
    assert denied() == [
        temporary,
        f"{of_experiments} on notemill_experiments",
        f"{every} on r",
        f"{every} on r_failures",
    ]
    of_all = [f"{every} ON clinical.{name}" for name in TABLES]
    site.account(*of_all)
    assert denied() == [temporary]
    site.account("CREATE TEMPORARY TABLES ON clinical.*", *of_all)
    assert not site.refusals()
    for right in VERBS:
        rest = every.replace(f", {right}", "")
        site.account("CREATE TEMPORARY TABLES ON clinical.*", f"{rest} ON clinical.r", *of_all[::2])
        assert denied() == [f"{right} on r"]
    site.account(f"{', '.join(VERBS)}, CREATE TEMPORARY TABLES ON clinical.*")
    assert denied() == [f"CREATE on {name}" for name in TABLES]
    site.clinic.run("CREATE TABLE r_failures (x INT)")
    assert site.refusals()[-1].endswith(": " + "; ".join(f"CREATE on {n}" for n in TABLES[:2]))


def test_what_the_check_says_of_rights_is_what_a_rehearsal_meets(
    site: Site, database: MariaDB, tmp_path: Path
) -> None:
    """On tables that are there: the load's own rehearsal, which writes, is the judge."""
    (tmp_path / "loads").mkdir()
    loads = Loads(ServerClinic(database, tmp_path / "loads"), write_task(tmp_path / "loads/t"))
    loads.clinic.fill((1, "one"), (2, "two"))
    loads.clinic.extract()
    loads.answer({})
    loads.load()
    site.values["experiments"]["cough"]["results_table"] = "answers"
    site.values["experiments_table"] = "experiments"
    before = everything(loads)
    *results, experiments = ("answers", "answers_failures", "experiments")
    for missing, on in (
        ("nothing", []),
        ("INSERT", results[:1]),
        ("UPDATE", results[1:]),
        ("DELETE", [experiments]),
        ("SELECT", results[:1]),
        ("UPDATE", [experiments]),  # which no load uses
    ):
        grants = [
            ", ".join(verb for verb in VERBS if verb != missing or name not in on)
            + f" ON clinical.{name}"
            for name in (*results, experiments)
        ]
        site.account("CREATE TEMPORARY TABLES ON clinical.*", *grants)
        narrow = loads.clinic.database.model_copy(
            update={"option_file": Path(site.values["database"]["option_file"])}
        )
        try:
            prepare_tables(narrow, loads.work())
            fine = True
        except NotemillError:
            fine = False
        assert fine is not any("may not" in what for what in site.refusals()), (missing, on)
        assert everything(loads) == before


def test_tables_that_do_not_fit_and_a_server_that_only_reads_are_refused(site: Site) -> None:
    site.clinic.fill(("p1", "x"))
    site.clinic.run("CREATE TABLE r (visit VARCHAR(10) PRIMARY KEY, llm_response VARCHAR(255))")
    before = site.state()
    (what,) = site.refusals()
    assert what.startswith("table r exists, and")
    assert "visit is varchar(10), not VARCHAR(20)" in what
    assert site.state() == before
    site.clinic.run("DROP TABLE r")
    site.server.execute("SET GLOBAL read_only = 1")
    assert "the database takes no changes" in site.refusals()[0]


def test_a_database_that_only_compute_nodes_reach_is_no_refusal_here(site: Site) -> None:
    site.values["database"]["url"] = "mysql+pymysql://127.0.0.1:9/clinical"
    assert "the database can't be reached" in site.refusals()[0]
    assert site.status == 1
    site.values["database"]["reached_from"] = "compute"
    found = site.found()
    assert site.status == 0
    assert "srun" in one(found, "nothing is known of the database from here")["remedy"]


def test_a_wrong_password_is_said_once_and_not_shown(site: Site) -> None:
    path = site.folder / "wrong.cnf"
    path.touch(mode=0o600)
    path.write_text("[client]\nuser = notemill\npassword = wrong-secret\n")
    site.values["database"]["option_file"] = str(path)
    found = site.found()
    (refusal,) = [each for each in found if each["level"] == "refusal"]
    assert "Access denied" in refusal["what"]
    assert "wrong-secret" not in json.dumps(found)
