"""A database that goes away, at every moment of an extract and a load: real servers, cut off."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from notemill.config import Database
from notemill.config.database import PASSWORD_VARIABLE
from notemill.database import waiting
from notemill.database.away import DatabaseAway
from notemill.errors import NotemillError
from notemill.load.rehearsal import prepare_tables
from tests.servers.clinic import ServerClinic
from tests.servers.conftest import Servers
from tests.servers.loads import everything
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.servers.switch import Switch
from tests.unit.loads import Loads

Server = MariaDB | Postgres


@pytest.fixture(params=["MariaDB", "PostgreSQL"], scope="module")
def database(request: pytest.FixtureRequest, servers: Servers) -> Server:
    return servers(request.param)


@pytest.fixture
def switch(database: Server) -> Iterator[Switch]:
    with Switch(database.port) as switch:
        yield switch


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens while the database is waited for, in turns; a further wait is a failure."""
    turns: list[Callable[[], None]] = []

    def sleep(_: float) -> None:
        assert turns, "waited in vain"
        turns.pop(0)()

    monkeypatch.setattr(waiting.time, "sleep", sleep)
    return turns


@pytest.fixture
def loads(loads: Loads, database: Server, switch: Switch, monkeypatch: pytest.MonkeyPatch) -> Loads:
    """By way of the switch, waiting for the database."""
    assert isinstance(loads.clinic, ServerClinic)
    monkeypatch.setenv(PASSWORD_VARIABLE, database.password)
    loads.clinic.database = through(switch, loads.clinic.database, database)
    return loads


def through(switch: Switch, settings: Database, server: Server, **changes: Any) -> Database:
    """The same database by way of the switch, which sees what is said."""
    url = settings.url.replace(f":{server.port}/", f":{switch.port}/")
    if isinstance(server, Postgres):
        url = f"{url.partition('?')[0]}?sslmode=disable"
    return settings.model_copy(update={"url": url, "wait": "15m", **changes})


def test_it_is_waited_for_when_a_load_begins(
    loads: Loads, switch: Switch, waited: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="notemill")
    switch.off()
    waited += [lambda: None, lambda: switch.on(dead=True), switch.on]
    assert loads.load().answered == 3
    assert waited == []
    assert "can't be reached" in caplog.text
    assert "check host and port" in caplog.text
    assert "waiting for the database until" in caplog.text
    assert "(database.wait: 15m)" in caplog.text
    assert "loading 'cough' starts over" in caplog.text


@pytest.mark.parametrize("stage", ["extract", "tables"])
def test_it_is_waited_for_by_extract_and_tables_too(
    loads: Loads, switch: Switch, waited: list[Any], stage: str
) -> None:
    switch.off()
    waited += [lambda: None, switch.on]
    if stage == "extract":
        assert loads.clinic.extract("again").counts.notes == 6
    else:
        assert prepare_tables(loads.clinic.database, loads.work()).values_compared
    assert waited == []


@pytest.mark.parametrize("over", [True, False], ids=["over rows", "into no rows"])
@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_a_connection_cut_before_and_after_the_server_took_the_commit_ends_in_one_row_a_note(
    loads: Loads, switch: Switch, waited: list[Any], answered: bool, over: bool
) -> None:
    if over:
        loads.load()
        loads.answer({"one": "timeout"}, reason="new")
        loads.clinic.run("UPDATE answers SET visit = 77 WHERE visit = 1")
    undisturbed = switch.connections
    switch.cut_at(b"COMMIT", after=b"INSERT INTO experiments", answered=answered)
    waited += [lambda: None]
    report = loads.load()
    assert waited == []
    assert switch.connections - undisturbed > 1
    counts = (report.answered, report.failed, report.blank, report.removed)
    assert counts == ((2, 2, 2, 1) if over else (3, 1, 2, 0))
    assert report.values_compared > 0
    _, answers, failures = everything(loads)
    assert len(answers) + len(failures) == 6
    told = everything(loads)
    loads.load()
    assert everything(loads) == told


CUTS = {
    "the tables are made": b"CREATE TABLE",
    "the lock is asked for": b"_LOCK(",
    "the staging table is made": b"CREATE TEMPORARY TABLE",
    "rows are sent": b"INTO TABLE",
    "rows are read back": b"ORDER BY",
    "the row of the experiment": b"INSERT INTO experiments",
}


@pytest.mark.parametrize("moment", CUTS)
def test_a_load_whose_connection_is_cut_starts_over(
    loads: Loads, database: Server, switch: Switch, waited: list[Any], moment: str
) -> None:
    copied = isinstance(database, Postgres) and moment == "rows are sent"
    switch.cut_at(b"FROM STDIN" if copied else CUTS[moment])
    waited += [lambda: None]
    assert loads.load().answered == 3
    assert waited == []
    _, answers, failures = everything(loads)
    assert (len(answers), len(failures)) == (3, 3)


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_an_extract_cut_off_between_two_rows_starts_over_and_takes_nothing_twice(
    loads: Loads,
    switch: Switch,
    waited: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def cut_at_the_second(value: Any, *_: Any) -> Any:
        seen.append(value)
        if len(seen) == 2:  # with more to come than sockets hold
            switch.cut()
        return value

    monkeypatch.setattr("notemill.notes.rows.ROWS_AT_ONCE", 1)
    monkeypatch.setattr("notemill.notes.rows.checked_text", cut_at_the_second)
    repeated = "SELECT visit, CONCAT(note, REPEAT('x', 6000000)) AS note FROM notes"
    waited += [lambda: None]
    again = loads.clinic.extract("again", query=repeated)
    assert waited == []
    assert again.counts.rows == again.counts.notes == 6
    gc.collect()  # nothing is said by what is thrown away
    assert not list(loads.clinic.folder.rglob(".aside"))


def test_the_wait_ends_with_one_message(
    loads: Loads, database: Server, switch: Switch, caplog: pytest.LogCaptureFixture
) -> None:
    switch.off()
    settings = through(switch, loads.clinic.database, database, wait="1s")
    loads.clinic.database = settings
    with pytest.raises(DatabaseAway, match="can't be reached") as refused:
        loads.load()
    assert "it was waited for 1 s (database.wait: 1s)" in refused.value.what
    assert "run again: nothing half done" in refused.value.remedy
    assert refused.value.__cause__ is None


def test_the_wait_ends_before_the_slurm_job_does(
    loads: Loads, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch.off()
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 61))
    with pytest.raises(DatabaseAway, match="the time limit of this Slurm job"):
        loads.load()


def test_a_server_that_is_there_and_ends_the_load_each_time_is_told(
    loads: Loads, switch: Switch, waited: list[Any]
) -> None:
    def again() -> None:
        switch.cut_at(b"INSERT INTO experiments")

    again()
    waited += [again, again]
    with pytest.raises(DatabaseAway, match="the database closed the connection"):
        loads.load()
    assert waited == []
    assert loads.clinic.rows("SELECT * FROM answers") == []


def test_what_is_wrong_is_told_at_once(
    loads: Loads, database: Server, waited: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = loads.clinic
    with pytest.raises(NotemillError, match="nots"):
        clinic.extract("missing", query="SELECT visit, note FROM nots")
    right = clinic.database
    for wrong in (
        right.url.replace("/clinical", "/clinicl"),
        right.url.replace("127.0.0.1", "no-such-host.invalid"),
    ):
        clinic.database = right.model_copy(update={"url": wrong})
        with pytest.raises(NotemillError) as refused:
            loads.load()
        if "Temporary failure" not in str(refused.value):  # where no name has an address
            assert not isinstance(refused.value, DatabaseAway)
    clinic.database = right
    monkeypatch.setenv(PASSWORD_VARIABLE, "wrong")
    with pytest.raises(NotemillError, match="password"):
        loads.load()


def test_a_wait_of_nothing_ends_at_the_first_loss(
    loads: Loads, database: Server, switch: Switch, waited: list[Any]
) -> None:
    loads.clinic.database = through(switch, loads.clinic.database, database, wait="0s")
    switch.cut_at(b"INSERT INTO experiments")
    with pytest.raises(DatabaseAway, match="the database closed the connection"):
        loads.load()
