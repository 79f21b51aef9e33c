"""notemill.database.refusals: every refusal has a remedy, and none quotes a value."""

from __future__ import annotations

from typing import Any

import pymysql
import pytest
import sqlalchemy as sa
from pymysql.constants import CR, ER
from sqlalchemy.exc import DBAPIError

from notemill.config import Database
from notemill.database.connect import connect
from notemill.database.refusals import database_errors, error_code, explain
from notemill.errors import NotemillError
from tests.unit.conftest import Clinic

DATABASE = Database(url="mysql+pymysql://me@db.example.org/clinic")
SECRET = "Smith"
NUMBERS = {
    value
    for constants in (ER, CR)
    for name, value in vars(constants).items()
    if not name.startswith("_") and isinstance(value, int)
}


def refused(number: int, words: str) -> NotemillError:
    """How MySQL's error of this number is explained."""
    kind = pymysql.err.error_map.get(number, pymysql.err.OperationalError)
    error = DBAPIError(f"INSERT {SECRET}", {"x": SECRET}, kind(number, words))
    return explain(error, DATABASE, "loading 'cough'")


@pytest.mark.parametrize(
    ("number", "words", "what", "remedy"),
    [
        (1045, "Access denied for user 'me'@'h' (using password: YES)", "Access denied", "passwo"),
        (1142, "INSERT command denied to user 'me'@'h' for table 'r'", "'r'", "right named above"),
        (1044, "Access denied for user 'me'@'h' to database 'd'", "database 'd'", "right named"),
        (2003, "Can't connect to MySQL server on 'h' (timed out)", "can't be reached", "host and"),
        (2026, "SSL connection error", "can't be reached", "database.tls"),
        (
            2013,
            f"Lost connection during {SECRET}",
            r"closed the connection \(error 2013\)",
            "again",
        ),
        (2006, "MySQL server has gone away", r"closed the connection \(error 2006\)", "run again"),
        (1114, f"The table '{SECRET}' is full", "no space left", "space"),
        (1153, "Got a packet bigger than 'max_allowed_packet' bytes", "1153", "for a row"),
        (1290, "running with the --read-only option", "takes no changes", "replica"),
        (1792, "in a READ ONLY transaction", "takes no changes", "replica"),
        (1205, "Lock wait timeout exceeded", "another session holds", "SHOW PROCESSLIST"),
        (1452, f"a foreign key constraint fails ({SECRET})", "a foreign key .*1452", "made-up"),
        (4025, f"CONSTRAINT `k` failed for {SECRET}", "a CHECK constraint", "another table"),
        (1526, f"Table has no partition for value {SECRET}", "the partitions", "another table"),
        (1644, f"{SECRET}", "a trigger of a table refuses a row", "another table"),
        (1049, "Unknown database 'd'", "does not know .*: Unknown database 'd'", "correct"),
        (1146, "Table 'd.nots' doesn't exist", "'d.nots'", "correct the query"),
        (1054, "Unknown column 'vist' in 'SELECT'", "'vist'", "correct the query"),
        (
            1406,
            "Data too long for column 'llm_a' at row 1",
            "error 1406 in column 'llm_a'",
            "widen",
        ),
        (1062, f"Duplicate entry '{SECRET}-cough' for key 'PRIMARY'", "error 1062", "manual"),
        (
            1366,
            f"Incorrect string value: '{SECRET}' for column 'llm_a' at row 1",
            "1366 in column 'llm_a'",
            "manual",
        ),
    ],
)
def test_a_servers_refusal_names_the_place_and_the_remedy(
    number: int, words: str, what: str, remedy: str
) -> None:
    error = refused(number, words)
    with pytest.raises(NotemillError, match=what):
        raise error
    assert remedy in error.remedy
    assert error.where == "mysql+pymysql://me@db.example.org/clinic"
    assert "loading 'cough'" in error.what
    assert SECRET not in str(error)


ABOUT_NAMES_AND_RIGHTS = {1044, 1045, 1142, 1143, 1227, 1698, 2002, 2003, 2005, 2026} | {
    *(1049, 1051, 1054, 1064, 1103, 1109, 1146, 1305)
}


def test_the_words_of_other_errors_are_not_shown() -> None:
    others = sorted(NUMBERS - ABOUT_NAMES_AND_RIGHTS)
    assert len(others) > 400
    for number in others:
        error = refused(number, f"The value '{SECRET}' is {SECRET}")
        assert SECRET not in str(error)
        assert str(number) in error.what


def test_the_password_of_an_address_is_not_shown() -> None:
    database = Database.model_construct(url="mysql+pymysql://me:hunter2@h/d")
    error = explain(DBAPIError("", {}, pymysql.err.OperationalError(1045, "no")), database, "x")
    assert "hunter2" not in str(error)


def test_the_number_of_an_error_is_found() -> None:
    assert error_code(DBAPIError("", {}, pymysql.err.OperationalError(1213, "deadlock"))) == 1213
    assert error_code(DBAPIError("", {}, Exception())) == 0
    assert error_code(DBAPIError("", {}, Exception("words"))) == 0


def said_by_sqlite(clinic: Clinic, statement: str, **values: Any) -> NotemillError:
    """How a real SQLite's refusal of the statement is explained."""
    with pytest.raises(NotemillError) as found:
        with database_errors(clinic.database, "loading 'cough'"):
            with connect(clinic.database).begin() as connection:
                connection.execute(sa.text(statement), values)
    return found.value


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("INSERT INTO typed VALUES (:value, 1)", "its words may quote data"),
        ("INSERT INTO typed VALUES (1, :value)", "SQLITE_CONSTRAINT_CHECK"),
        ("INSERT INTO typed VALUES (NULL, 1), (NULL, :value)", "SQLITE_CONSTRAINT_"),
        ("SELECT json_extract('{}', :value)", "its words may quote data"),
        ("SELECT abs(-9223372036854775807 - 1), :value", "its words may quote data"),
    ],
)
def test_values_that_sqlite_refuses_are_not_shown(
    clinic: Clinic, statement: str, what: str
) -> None:
    clinic.run("CREATE TABLE typed (n INTEGER NOT NULL, m ANY CHECK (m < 5)) STRICT")
    error = said_by_sqlite(clinic, statement, value=SECRET)
    assert what in error.what
    assert SECRET not in str(error)
    assert error.remedy


def test_names_that_sqlite_does_not_know_are_told(clinic: Clinic) -> None:
    for statement, name in [
        ("SELECT * FROM nots", "nots"),
        ("SELECT vist FROM notes", "vist"),
    ]:
        error = said_by_sqlite(clinic, statement, value=SECRET)
        assert name in error.what
        assert "correct the query" in error.remedy
        assert SECRET not in str(error)


def test_a_file_that_cannot_be_opened_is_told(clinic: Clinic) -> None:
    with pytest.raises(NotemillError, match="unable to open") as refused:
        with database_errors(clinic.database, "x"):
            engine = connect(clinic.database)
            clinic.file.unlink()
            engine.connect()
    assert str(clinic.file) in str(refused.value.where)


@pytest.mark.parametrize("verb", ["DELETE FROM", "UPDATE", "INSERT INTO", "DROP TABLE"])
def test_a_query_that_writes_is_told_as_one(clinic: Clinic, verb: str) -> None:
    clinic.fill((1, "one"))
    rest = {"UPDATE": " SET note = 'x'", "INSERT INTO": " VALUES (2, 'x')"}.get(verb, "")
    with pytest.raises(NotemillError, match="the query wants to write") as refused:
        clinic.extract(query=f"{verb} notes{rest}")
    assert refused.value.where == "cohorts.chest.query"
    assert "one SELECT" in refused.value.remedy
    assert clinic.rows("SELECT * FROM notes") == [(1, "one")]


def test_a_query_that_may_not_write_is_told_as_one_that_wants_to() -> None:
    words = "DELETE command denied to user 'me'@'h' for table 'notes'"
    error = DBAPIError("DELETE FROM notes", {}, pymysql.err.OperationalError(1142, words))
    told = explain(error, DATABASE, "reading cohort 'chest'", query_of="cohorts.chest.query")
    assert "wants to write" in told.what
    assert told.where == "cohorts.chest.query"


def test_errors_of_other_kinds_pass_unchanged(clinic: Clinic) -> None:
    with pytest.raises(KeyError), database_errors(clinic.database, "x"):
        raise KeyError
