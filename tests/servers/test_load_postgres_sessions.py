"""Loads and extracts whatever the defaults of a PostgreSQL, its database or the account are."""

from __future__ import annotations

import pytest

from notemill.database.connect import connect
from notemill.load.rehearsal import prepare_tables
from tests.servers.loads import TABLES, everything
from tests.servers.postgres import Postgres
from tests.unit.loads import Loads

SETTINGS = [
    "lock_timeout = '1ms'",
    "extra_float_digits = -15",
    "standard_conforming_strings = off",
    "backslash_quote = off",
    "bytea_output = 'escape'",
    "client_encoding = 'LATIN1'",
    "DateStyle = 'SQL, DMY'",
    "TimeZone = 'Asia/Kolkata'",
    "default_transaction_isolation = 'serializable'",
    "default_transaction_deferrable = on",
    "transform_null_equals = on",
    "row_security = off",
    "lc_numeric = 'C'",
    "cursor_tuple_fraction = 0.001",
    "enable_indexscan = off",
    "array_nulls = off",
]


@pytest.fixture(scope="module")
def database(running_postgres: Postgres) -> Postgres:
    return running_postgres


def test_are_the_same_whatever_the_accounts_default(loads: Loads, database: Postgres) -> None:
    """All defaults at once, because a session has them all."""
    loads.answer({"two": "schema"}, reason="a\\b'c\"\N{STETHOSCOPE}")
    expected = loads.load()
    rows = everything(loads)
    for table in TABLES:
        loads.clinic.run(f"DROP TABLE {table}")
    for setting in SETTINGS:
        database.execute(f"ALTER ROLE {database.user} SET {setting}")
    try:
        again = loads.clinic.extract("again")
        prepare_tables(loads.clinic.database, loads.work())
        report = loads.load()
        loads.load()
    finally:
        database.execute(f"ALTER ROLE {database.user} RESET ALL")
    assert everything(loads) == rows
    assert again.counts.notes == expected.notes == report.notes == 6


def test_nothing_that_takes_long_is_ended_by_the_accounts_default(
    loads: Loads, database: Postgres
) -> None:
    limits = ("statement_timeout", "idle_in_transaction_session_timeout")
    for limit in limits:
        database.execute(f"ALTER ROLE {database.user} SET {limit} = '90s'")
    try:
        with connect(loads.clinic.database).connect() as connection:
            found = [connection.exec_driver_sql(f"SHOW {limit}").scalar() for limit in limits]
    finally:
        database.execute(f"ALTER ROLE {database.user} RESET ALL")
    assert found == ["0", "0"]


def test_times_are_told_as_in_the_users_own_client(loads: Loads, database: Postgres) -> None:
    database.execute(f"ALTER ROLE {database.user} SET TimeZone = 'Asia/Kolkata'")
    try:
        query = "SELECT 1 AS visit, to_timestamp(86400)::timestamp::text AS note"
        loads.clinic.extract("times", query=query)
    finally:
        database.execute(f"ALTER ROLE {database.user} RESET ALL")
    assert [note.text for note in loads.notes("times")] == ["1970-01-02 05:30:00"]


def test_no_text_is_cut_that_the_query_puts_together(loads: Loads) -> None:
    query = (
        "SELECT 1 AS visit, string_agg(repeat('x', 999), ',') AS note FROM generate_series(1, 3000)"
    )
    manifest = loads.clinic.extract("long", query=query, shards=1)
    (note,) = loads.notes("long")
    assert manifest.counts.rows == 1
    assert len(note.text or "") == 3000 * 1000 - 1
