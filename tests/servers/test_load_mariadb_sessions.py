"""Loads and extracts whatever a real MariaDB's defaults are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.servers.loads import TABLES, everything
from tests.servers.mariadb import MariaDB
from tests.unit.loads import Loads


class TestASession:
    @pytest.fixture
    def account(self, database: MariaDB) -> Callable[[str], None]:
        def default(setting: str) -> None:
            database.execute(f"SET GLOBAL {setting}")

        return default

    @pytest.mark.parametrize(
        ("setting", "back"),
        [
            ("sql_select_limit = 3", "sql_select_limit = 18446744073709551615"),
            ("sql_mode = ''", "sql_mode = DEFAULT"),
            (
                "sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,EMPTY_STRING_IS_NULL"
                ",PAD_CHAR_TO_FULL_LENGTH'",
                "sql_mode = DEFAULT",
            ),
            ("max_join_size = 2", "max_join_size = DEFAULT"),
            ("sql_safe_updates = 1", "sql_safe_updates = 0"),
            ("time_zone = '+05:30'", "time_zone = 'SYSTEM'"),
            ("init_connect = 'SET sql_select_limit = 2'", "init_connect = ''"),
        ],
    )
    def test_is_the_same_whatever_the_servers_default(
        self, loads: Loads, account: Callable[[str], None], setting: str, back: str
    ) -> None:
        loads.answer({"two": "schema"}, reason="a\\b'c\"")
        expected = loads.load()
        rows = everything(loads)
        for table in TABLES:
            loads.clinic.run(f"DROP TABLE {table}")
        account(setting)
        try:
            again = loads.clinic.extract("again")
            loads.load()
        finally:
            account(back)
        assert everything(loads) == rows
        assert again.counts.notes == expected.notes == 6

    def test_cuts_no_text_that_the_query_puts_together(self, loads: Loads) -> None:
        query = (
            "WITH RECURSIVE many AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM many "
            "WHERE n < 3000) SELECT 1 AS visit, GROUP_CONCAT(REPEAT('x', 999)) AS note FROM many"
        )
        manifest = loads.clinic.extract("long", query=query, shards=1)
        (note,) = loads.notes("long")
        assert manifest.counts.rows == 1
        assert len(note.text or "") == 3000 * 1000 - 1

    def test_tells_times_as_the_users_own_client(
        self, loads: Loads, account: Callable[[str], None]
    ) -> None:
        account("time_zone = '+05:30'")
        try:
            query = "SELECT 1 AS visit, CAST(FROM_UNIXTIME(86400) AS CHAR) AS note"
            loads.clinic.extract("times", query=query)
        finally:
            account("time_zone = 'SYSTEM'")
        assert [note.text for note in loads.notes("times")] == ["1970-01-02 05:30:00"]

    def test_keeps_how_the_server_reads_a_query(
        self, loads: Loads, account: Callable[[str], None]
    ) -> None:
        account("sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'")
        try:
            query = 'SELECT "visit", \'of \' || note AS note FROM "notes" WHERE visit = 1'
            loads.clinic.extract("ansi", query=query)
        finally:
            account("sql_mode = DEFAULT")
        assert [note.text for note in loads.notes("ansi")] == ["of one"]
