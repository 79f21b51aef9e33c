"""`notemill check --database` on real servers: everything looked at, nothing changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from notemill.check import queries
from notemill.config import Database
from notemill.errors import NotemillError
from notemill.load.rehearsal import prepare_tables
from tests.servers.checked import Site
from tests.servers.clinic import ServerClinic
from tests.servers.conftest import Servers
from tests.servers.loads import TABLES, everything
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.unit.check.conftest import one
from tests.unit.conftest import write_task
from tests.unit.loads import Loads

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")


@pytest.fixture(scope="module", params=["MariaDB", "PostgreSQL"])
def database(servers: Servers, request: pytest.FixtureRequest) -> MariaDB | Postgres:
    """Each server in its turn, which every test here goes to."""
    return servers(request.param)


@pytest.fixture
def site(
    database: MariaDB | Postgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Site]:
    site = Site(database, tmp_path, capsys)
    yield site
    if not site.postgres:
        site.only_reads(False)
    site.forget_account()


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
    assert one(found, f"connected to {'PostgreSQL 1' if site.postgres else 'MariaDB 10.'}")
    text, note, price = (
        ("character varying(20)", "text", "numeric")
        if site.postgres
        else ("VARCHAR(20)", "TEXT or BLOB", "DECIMAL")
    )
    assert one(found, "cohort chest: the query gives rows")["details"] == [
        f"visit {text}: id, text of up to 20",
        f"note {note}: the note's text",
        f"price {price}: not used",
    ]
    # Ids that differ by case or a blank at the end are three.
    assert one(found, "cohort chest: 4 rows")["what"] == "cohort chest: 4 rows"
    assert not [each for each in found if each["level"] == "warning"]
    assert one(found, "table r")["details"][0].startswith("visit VARCHAR(20), llm_response")
    assert "PRIVATE" not in site.told


def test_a_query_that_writes_or_sleeps_changes_and_holds_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.clinic.fill(("p1", "x"), ("p2", "x"))
    before = site.state()
    ways = ["DELETE FROM notes RETURNING visit, note",
            "INSERT INTO notes VALUES ('p3', 'x') RETURNING visit, note"]  # fmt: skip
    if site.postgres:
        ways.append("WITH d AS (DELETE FROM notes RETURNING *) SELECT visit, note FROM d")
    else:
        ways.append("SELECT visit, note FROM notes INTO OUTFILE '/tmp/notemill-never'")
    for query in ways:
        site.cohort["query"] = query
        assert len(site.refusals()) == 1, query
        assert site.state() == before
    monkeypatch.setattr(queries, "LOOK_S", 1)
    sleeps = "pg_sleep(30)::text = ''" if site.postgres else "SLEEP(30) = 0"
    site.cohort["query"] = f"SELECT visit, note FROM notes WHERE {sleeps}"
    assert one(site.found(), "the query gave no row within 1 s")["level"] == "warning"


def test_what_the_check_says_of_rights_is_what_a_rehearsal_meets(
    site: Site, database: MariaDB | Postgres, tmp_path: Path
) -> None:
    """On tables that are there: the load's own rehearsal, which writes, is the judge."""
    (tmp_path / "loads").mkdir()
    loads = Loads(ServerClinic(database, tmp_path / "loads"), write_task(tmp_path / "loads/t"))
    loads.clinic.fill((1, "one"), (2, "two"))
    loads.clinic.extract()
    loads.answer({})
    loads.load()
    site.experiment["results_table"] = "answers"
    site.values["experiments_table"] = "experiments"
    before = everything(loads)
    answers, failures, experiments = TABLES
    temporary = "TEMPORARY" if site.postgres else "CREATE TEMPORARY TABLES"
    for missing, on in (
        ("nothing", ""),
        ("INSERT", answers),
        ("UPDATE", failures),
        ("DELETE", experiments),
        ("SELECT", answers),
        ("UPDATE", experiments),  # which no load uses
        (temporary, "temporary tables"),
        ("anything", "the database, which takes no changes"),
    ):
        site.account(
            {name: [verb for verb in VERBS if (verb, name) != (missing, on)] for name in TABLES},
            temporary=missing != temporary,
        )
        site.only_reads(missing == "anything")
        needed = missing != "nothing" and (missing, on) != ("UPDATE", experiments)
        try:
            prepare_tables(Database.model_validate(site.values["database"]), loads.work())
            assert not needed, (missing, on)
        except NotemillError as refused:
            assert needed, (missing, on)
            assert "narrow-secret" not in str(refused)
        (said,) = site.refusals() or [""]
        if missing == "anything":
            assert "takes no changes" in said
        else:
            assert said.partition("may not: ")[2] == (f"{missing} on {on}" if needed else "")
        assert everything(loads) == before


def test_a_table_that_does_not_fit_is_refused_and_stays(site: Site) -> None:
    site.clinic.fill(("p1", "x"))
    site.clinic.run("CREATE TABLE r (visit VARCHAR(10) PRIMARY KEY, llm_response VARCHAR(255))")
    before = site.state()
    (what,) = site.refusals()
    assert what.startswith("table r exists, and")
    of_ten = "character varying(10)" if site.postgres else "varchar(10)"
    assert f"visit is {of_ten}, not VARCHAR(20)" in what
    assert site.state() == before


def test_a_database_that_only_compute_nodes_reach_is_no_refusal_here(site: Site) -> None:
    url = site.values["database"]["url"]
    site.values["database"]["url"] = url.replace(f":{site.server.port}/", ":9/")
    assert "the database can't be reached" in site.refusals()[0]
    assert site.status == 1
    site.values["database"]["reached_from"] = "compute"
    found = site.found()
    assert site.status == 0
    assert "srun" in one(found, "nothing is known of the database from here")["remedy"]


def test_a_wrong_password_is_said_once_and_not_shown(site: Site) -> None:
    site.log_in(site.server.user, "wrong-secret")
    (refusal,) = [each for each in site.found() if each["level"] == "refusal"]
    told = "password authentication failed" if site.postgres else "Access denied"
    assert told in refusal["what"]
    assert "wrong-secret" not in json.dumps(refusal) + site.told
