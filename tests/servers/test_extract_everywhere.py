"""Extracts that must end alike whatever the server is: counts, and one that goes away."""

from __future__ import annotations

import pytest

from notemill.errors import NotemillError
from tests.servers.clinic import ServerClinic
from tests.servers.conftest import Servers
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.unit.notes.test_extract_counts import (  # noqa: F401
    Spelled,
    test_a_count_that_takes_too_long_is_given_up_and_said,
    test_another_number_of_rows_than_the_count_is_refused,
    test_rows_that_are_as_many_as_the_database_counts_are_said_to_be,
)

Server = MariaDB | Postgres
_NOTES = "SELECT visit, note FROM notes WHERE visit"
_SPELLED = {
    MariaDB: Spelled(
        f"{_NOTES} > 1 OR (SELECT info FROM information_schema.processlist "
        "WHERE id = CONNECTION_ID()) LIKE CONCAT('%COU', 'NT(*)%')",
        f"{_NOTES} < 4 AND SLEEP(0.5) = 0",
        1,
        "sql_select_limit",
    ),
    Postgres: Spelled(
        f"{_NOTES} > 1 OR current_query() LIKE '%COU' || 'NT(*)%'",
        f"{_NOTES} < 4 AND pg_sleep(0.5)::text = ''",
        1,
    ),
}
LARGE = "SELECT visit, REPEAT('x', 100000) AS note FROM notes"
"""Of 400 notes the server holds most back while the first are read."""


@pytest.fixture(scope="module", params=["MariaDB", "PostgreSQL"])
def database(servers: Servers, request: pytest.FixtureRequest) -> Server:
    """Each server in its turn, which every test here goes to."""
    return servers(request.param)


@pytest.fixture
def spelled(database: Server) -> Spelled:
    return _SPELLED[type(database)]


def end_sessions(database: Server) -> None:
    """Let the server end every session of its user."""
    if isinstance(database, Postgres):
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE usename = '{database.user}'"
        )
    else:
        database.execute(f"KILL USER {database.user}")


@pytest.mark.parametrize("whole", [False, True], ids=["the session", "the server"])
def test_a_server_that_goes_away_between_two_rows_leaves_nothing_half_and_is_told(
    clinic: ServerClinic, database: Server, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """Rows come from the driver itself, whose errors are its own."""

    def ended(*_: object) -> str:
        monkeypatch.undo()
        if whole:
            database.kill()
        else:
            end_sessions(database)
        return "x"

    clinic.fill(*((number, "") for number in range(400)))
    monkeypatch.setattr("notemill.notes.rows.checked_text", ended)
    try:
        with pytest.raises(NotemillError, match="the database closed the connection"):
            clinic.extract(query=LARGE)
    finally:
        if whole:
            database.restart()
    assert clinic.left_behind() == []
    assert clinic.extract(query=LARGE).counts.notes == 400
