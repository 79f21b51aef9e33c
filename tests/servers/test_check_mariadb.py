"""`notemill check --database` on a real MariaDB: what only its queries and rights can be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.checked import Site
from tests.servers.mariadb import MariaDB
from tests.unit.check.conftest import one

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")
TABLES = ("notemill_experiments", "r", "r_failures")


@pytest.fixture
def site(database: MariaDB, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    site = Site(database, tmp_path, capsys)
    yield site
    site.forget_account()


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


def test_each_right_of_tables_to_be_made_is_missed_by_name_and_none_is_used(site: Site) -> None:
    """An account may have rights on tables that are not there yet."""
    site.clinic.fill(("p1", "x"))

    def denied() -> list[str]:
        before = site.state()
        (what,) = site.refusals()
        assert site.state() == before
        assert "may not" in what, what
        return what.partition("may not: ")[2].split("; ")

    site.account({}, temporary=False)
    every = ("CREATE", *VERBS)
    assert denied() == [
        "CREATE TEMPORARY TABLES on temporary tables",
        "CREATE, SELECT, INSERT, DELETE on notemill_experiments",
        "CREATE, SELECT, INSERT, UPDATE, DELETE on r",
        "CREATE, SELECT, INSERT, UPDATE, DELETE on r_failures",
    ]
    of_all = dict.fromkeys(TABLES, every)
    site.account(of_all, temporary=False)
    assert denied() == ["CREATE TEMPORARY TABLES on temporary tables"]
    site.account(of_all)
    assert not site.refusals()
    site.account(of_all | {"r": [verb for verb in every if verb != "DELETE"]})
    assert denied() == ["DELETE on r"]
    site.account(dict.fromkeys(["*"], VERBS))
    assert denied() == [f"CREATE on {name}" for name in TABLES]
    site.clinic.run("CREATE TABLE r_failures (x INT)")
    assert site.refusals()[-1].endswith(": " + "; ".join(f"CREATE on {n}" for n in TABLES[:2]))
