"""Loads and their proof on a real MariaDB: tables of before, other types, triggers, sessions."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notemill.errors import NotemillError
from notemill.load import loader
from notemill.load.rehearsal import prepare_tables
from tests.ids import MARIADB, go_through_and_back, lists_of
from tests.servers.clinic import ServerClinic
from tests.servers.mariadb import MariaDB
from tests.unit.conftest import write_task
from tests.unit.load.test_load import FAILURES, RESULTS, statements
from tests.unit.loads import ID, Loads

REPOSITORY = Path(__file__).parents[2]
NOTES = [(1, "one"), (2, "two"), (3, "three"), (4, "one"), (5, " "), (6, None)]
TABLES = ("answers", "answers_failures", "experiments")
SCHEMA = """
from typing import Literal

from pydantic import BaseModel, Field


class Side(BaseModel):
    name: str
    sizes: list[float | None]


class Answer(BaseModel):
    response: Literal["yes", "no"]
    reason: str
    size: float | None
    count: int | None
    seen: bool | None
    side: Side | None
"""
HARD = {
    "size": [-0.0, 1e308, 5e-324, 0.1, 1 / 3, None],
    "count": [2**63 - 1, -(2**63), 0, None],
    "seen": [True, False, None],
    "side": [
        None,
        {"name": 'z"\\é🩺', "sizes": [None, -0.0, 1e-7, 1e22]},
        {"name": "", "sizes": []},
    ],
    "reason": [
        "",
        " ",
        "a ",
        "A",
        "null",
        "é\u0301",
        "🩺" * 300,
        "x" * 70_000,
        "a\x00b\r\n\\'\"%s",
    ],
}
"""Values of an answer that a table may not keep."""


@pytest.fixture
def loads(database: MariaDB, tmp_path: Path) -> Loads:
    clinic = ServerClinic(database, tmp_path)
    clinic.fill(*NOTES)
    clinic.extract()
    loads = Loads(clinic, write_task(tmp_path / "tasks"))
    loads.answer({"two": "schema"})
    return loads


def everything(loads: Loads, *, but: str = "") -> list[list[tuple[Any, ...]]]:
    """All rows of all tables, without the time of the load and the column `but`."""
    counts = "SELECT experiment, cohort, notes, texts, answered, failed, blank FROM experiments"
    queries = [counts]
    for table in TABLES[:2]:
        names = [row[0] for row in loads.clinic.rows(f"SHOW COLUMNS FROM {table}")]
        queries.append(f"SELECT {', '.join(n for n in names if n != but)} FROM {table}")
    return [loads.clinic.rows(f"{query} ORDER BY 1, 2") for query in queries]


def test_hard_values_come_back_as_they_were_given(database: MariaDB, tmp_path: Path) -> None:
    clinic = ServerClinic(database, tmp_path)
    count = max(map(len, HARD.values()))
    clinic.fill(*((n, f"note {n}") for n in range(count)))
    clinic.extract()

    def answer(text: str, _: str) -> dict[str, Any]:
        n = int(text.split()[1])
        return {"response": "yes"} | {key: each[n % len(each)] for key, each in HARD.items()}

    loads = Loads(clinic, write_task(tmp_path / "tasks", SCHEMA), answer)
    loads.answer()
    assert prepare_tables(clinic.database, loads.work()).values_compared > 0
    report = loads.load()
    rows = clinic.rows(
        "SELECT visit, llm_reason, llm_size, llm_count, llm_seen, llm_side FROM answers ORDER BY 1"
    )
    assert report.values_compared == count * len(clinic.rows("SHOW COLUMNS FROM answers"))
    for n, *got in rows:
        given = answer(f"note {n}", "")
        wanted = [given[key] for key in ("reason", "size", "count", "seen")]
        assert got[:4] == wanted
        assert got[4] == (given["side"] and json.dumps(given["side"], ensure_ascii=False))


class TestATableOf010:
    """As version 0.1.0 made it: no control tokens, the cohort not in the key, without case."""

    @pytest.fixture
    def old(self, loads: Loads) -> Loads:
        loads.load()
        for table in TABLES[:2]:
            loads.clinic.run(
                f"ALTER TABLE {table} DROP PRIMARY KEY, ADD PRIMARY KEY (visit, experiment), "
                "MODIFY cohort VARCHAR(64) NOT NULL, MODIFY engine VARCHAR(255), "
                "DROP control_tokens"
            )
        loads.clinic.run(
            "ALTER TABLE experiments MODIFY cohort VARCHAR(64) NOT NULL, "
            "MODIFY engines VARCHAR(255) NOT NULL"
        )
        return loads

    def test_is_refused_and_the_printed_sql_mends_it(self, old: Loads) -> None:
        before = everything(old)
        with pytest.raises(NotemillError, match="no unique key is over visit, exp") as refused:
            old.load()
        assert refused.value.where == "answers, answers_failures, experiments"
        assert "column cohort is compared by utf8mb4_general_ci" in refused.value.what
        assert everything(old) == before
        alters = statements(refused.value)
        assert [alter.split("`")[1] for alter in alters] == list(TABLES)
        for alter in alters:
            old.clinic.run(alter)
        assert everything(old, but="control_tokens") == before
        old.load()
        assert everything(old, but="control_tokens") == before
        assert prepare_tables(old.clinic.database, old.work()).values_compared > 0

    def test_with_its_key_made_by_hand_is_refused_for_the_narrow_one(self, old: Loads) -> None:
        old.clinic.run("CREATE UNIQUE INDEX whole ON answers (visit, experiment, cohort)")
        with pytest.raises(NotemillError, match="by its unique key PRIMARY") as refused:
            old.load()
        for alter in statements(refused.value):
            old.clinic.run(alter)
        assert old.load().answered == 3


@pytest.mark.parametrize(
    ("table", "change", "told"),
    [
        ("answers", "MODIFY llm_reason INT", "llm_reason is int(11), not MEDIUMTEXT"),
        ("answers", "MODIFY llm_reason VARCHAR(255)", "llm_reason is varchar(255)"),
        ("answers", "MODIFY llm_response VARCHAR(20)", "llm_response is varchar(20)"),
        ("answers", "MODIFY llm_response CHAR(255)", "llm_response is char(255)"),
        ("answers", "MODIFY llm_response ENUM('yes')", "llm_response is enum"),
        (
            "answers",
            "MODIFY llm_reason MEDIUMTEXT CHARACTER SET latin1",
            "can't hold every character (latin1",
        ),
        ("answers", "MODIFY llm_reason MEDIUMTEXT NOT NULL", "llm_reason must be empty"),
        ("answers", "MODIFY seconds FLOAT", "seconds is float, not DOUBLE"),
        ("answers", "MODIFY seconds DOUBLE(10,2)", "seconds is double(10,2), not DOUBLE"),
        ("answers", "MODIFY attempts TINYINT", "attempts is tinyint(4), not INTEGER"),
        ("answers", "MODIFY attempts INT UNSIGNED", "attempts is int(10) unsigned"),
        ("answers", "MODIFY answered_at DATE", "answered_at is date, not DATETIME"),
        ("answers", "MODIFY answered_at TIMESTAMP NULL", "answered_at is timestamp"),
        ("answers", "MODIFY visit INT", "visit is int(11), not BIGINT"),
        ("answers", "ADD mine INT NOT NULL", "mine, which is not notemill's"),
        ("answers", "ADD UNIQUE one (visit)", "by its unique key one"),
        ("answers", "DROP attempts, ADD attempts INT AS (visit)", "attempts is computed"),
        ("answers", "DROP attempts", "the columns attempts are missing"),
        ("answers_failures", "MODIFY detail TEXT", "detail is text, not MEDIUMTEXT"),
        ("answers_failures", "ENGINE = Aria", "its engine Aria knows no transactions"),
        ("experiments", "MODIFY engines VARCHAR(255)", "engines is varchar(255)"),
        ("experiments", "MODIFY notes TINYINT", "notes is tinyint(4)"),
    ],
)
def test_a_table_that_could_not_keep_every_value_is_refused_and_mended(
    loads: Loads, table: str, change: str, told: str
) -> None:
    loads.load()
    loads.clinic.run("DELETE FROM answers")
    loads.clinic.run(f"ALTER TABLE {table} {change}")
    for attempt in (loads.load, lambda: prepare_tables(loads.clinic.database, loads.work())):
        with pytest.raises(NotemillError) as refused:
            attempt()
        assert told in refused.value.what
    for statement in statements(refused.value):
        loads.clinic.run(statement)
    assert loads.load().answered == 3


@pytest.mark.parametrize(
    "change",
    [
        "MODIFY llm_reason LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
        "MODIFY llm_response TEXT, MODIFY attempts BIGINT",
        "ADD mine INT",
        "ADD mine INT NOT NULL DEFAULT 1",
        "ADD mine INT NOT NULL AUTO_INCREMENT UNIQUE",
        "MODIFY answered_at DATETIME(6)",
        "DROP PRIMARY KEY, ADD UNIQUE KEY (cohort, experiment, visit)",
        "DROP PRIMARY KEY, ADD mine INT AUTO_INCREMENT PRIMARY KEY, "
        "ADD UNIQUE KEY (visit, cohort, experiment)",
        "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    ],
)
def test_a_wider_table_and_one_with_more_columns_is_used(loads: Loads, change: str) -> None:
    loads.load()
    loads.clinic.run(f"ALTER TABLE answers {change}")
    prepare_tables(loads.clinic.database, loads.work())
    loads.load()
    assert loads.clinic.rows("SELECT COUNT(*) FROM answers") == [(3,)]


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("BIGINT", "VARCHAR(20)", "visit is bigint(20), not VARCHAR(20)"),
        ("VARCHAR(10)", "VARCHAR(20)", "visit is varchar(10), not VARCHAR(20)"),
        ("VARBINARY(10)", "VARCHAR(10)", "visit is varbinary(10), not VARCHAR(10)"),
        ("DECIMAL(10,1)", "DECIMAL(10,2)", "visit is decimal(38,1), not NUMERIC(38, 2)"),
        ("DATE", "DATETIME(6)", "visit is date, not DATETIME(6)"),
        ("VARCHAR(20)", "BIGINT", "visit is varchar(20), not BIGINT"),
    ],
)
def test_ids_of_another_type_are_refused(
    database: MariaDB, tmp_path: Path, before: str, now: str, told: str
) -> None:
    ids = {"DATE": "2020-02-29", "DATETIME(6)": "2020-02-29 01:02:03.000004"}
    loads = Loads(ServerClinic(database, tmp_path, visit=before), write_task(tmp_path / "tasks"))
    loads.clinic.fill((ids.get(before, "7.5" if "DEC" in before else "7"), "one"))
    loads.clinic.extract()
    loads.answer()
    loads.load()
    kept = loads.clinic.rows("SELECT * FROM answers")
    loads.clinic.run("DROP TABLE notes")
    loads.clinic.run(f"CREATE TABLE notes (visit {now}, note TEXT)")
    loads.clinic.fill((ids.get(now, "7.25" if "DEC" in now else "007"), "two"))
    loads.clinic.extract("later")
    loads.answer(cohort="later")
    with pytest.raises(NotemillError) as refused:
        prepare_tables(loads.clinic.database, loads.work("later"))
    assert told in refused.value.what
    for statement in statements(refused.value):
        loads.clinic.run(statement)
    other = {} if statements(refused.value) else {"results_table": "others"}
    assert loads.load("later", **other).answered == 1
    assert loads.clinic.rows("SELECT * FROM answers WHERE cohort = 'chest'") == kept


def test_ids_compared_without_case_are_refused_and_mended(
    database: MariaDB, tmp_path: Path
) -> None:
    """Case, trailing blanks and accents: five notes, by MariaDB's own default two."""
    ids = ["a", "A", "a ", "á", "🩺"]
    loads = Loads(
        ServerClinic(database, tmp_path, visit="VARCHAR(20) COLLATE utf8mb4_bin"),
        write_task(tmp_path / "tasks"),
    )
    loads.clinic.fill(*((visit, f"of {visit!r}") for visit in ids))
    loads.clinic.extract()
    loads.answer()
    loads.load()
    loads.clinic.run("DELETE FROM answers")
    loads.clinic.run(
        "ALTER TABLE answers MODIFY visit VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL"
    )
    with pytest.raises(NotemillError, match="visit is compared by utf8mb4_general_ci") as refused:
        loads.load()
    for statement in statements(refused.value):
        loads.clinic.run(statement)
    assert loads.load().answered == len(ids)
    found = loads.clinic.rows("SELECT visit, llm_reason FROM answers")
    assert sorted(found) == sorted((visit, f"of of {visit!r}") for visit in ids)


class TestATrigger:
    @pytest.mark.parametrize(
        ("table", "change", "told"),
        [
            ("answers", "llm_reason = UPPER(NEW.llm_reason)", "answers.llm_reason differs in 1"),
            ("answers", "llm_reason = CONCAT(NEW.llm_reason, ' ')", "answers.llm_reason differs"),
            ("answers", "seconds = NEW.seconds + 1e-15", "answers.seconds differs in 1"),
            ("answers", "text_sha256 = UPPER(NEW.text_sha256)", "answers.text_sha256 differs"),
            ("answers_failures", "detail = ''", "answers_failures.detail differs in 1"),
        ],
    )
    def test_that_changes_one_value_is_caught(
        self, loads: Loads, table: str, change: str, told: str
    ) -> None:
        loads.load()
        before = everything(loads)
        loads.answer({"two": "schema", "three": "timeout"}, reason="new")
        for event in ("INSERT", "UPDATE"):
            loads.clinic.run(
                f"CREATE TRIGGER liar_{event} BEFORE {event} ON {table} FOR EACH ROW "
                f"IF NEW.visit IN (1, 3) THEN SET NEW.{change}; END IF"
            )
        with pytest.raises(NotemillError, match="gives back other values") as refused:
            loads.load()
        assert told in refused.value.what
        assert everything(loads) == before

    def test_that_changes_every_row_is_caught_before_any_gpu(
        self, loads: Loads, caplog: pytest.LogCaptureFixture
    ) -> None:
        prepare_tables(loads.clinic.database, loads.work())
        loads.clinic.run(
            "CREATE TRIGGER liar BEFORE INSERT ON answers FOR EACH ROW "
            "SET NEW.llm_response = LOWER(NEW.llm_response)"
        )
        caplog.set_level(logging.WARNING, logger="notemill")
        with pytest.raises(NotemillError, match=r"answers\.llm_response differs in 2 rows"):
            prepare_tables(loads.clinic.database, loads.work())
        assert "liar" in caplog.text


class TestPreparedTables:
    def test_hold_nothing_of_the_rehearsal(self, loads: Loads) -> None:
        report = prepare_tables(loads.clinic.database, loads.work())
        assert report.server.startswith("MariaDB 1")
        assert everything(loads) == [[], [], []]
        loads.load()
        before = everything(loads)
        prepare_tables(loads.clinic.database, loads.work())
        assert everything(loads) == before

    def test_a_view_is_refused(self, loads: Loads) -> None:
        loads.clinic.run("CREATE VIEW answers AS SELECT * FROM notes")
        try:
            with pytest.raises(NotemillError, match="answers exists, and it is a view"):
                prepare_tables(loads.clinic.database, loads.work())
        finally:
            loads.clinic.run("DROP VIEW answers")

    def test_the_notes_table_is_refused_and_left_as_it_is(self, loads: Loads) -> None:
        for name in ("results_table", "failures_table"):
            with pytest.raises(NotemillError, match="notes exists, and the columns") as refused:
                prepare_tables(loads.clinic.database, loads.work(**{name: "notes"}))
            assert "choose another name" in refused.value.remedy
        assert len(loads.clinic.rows("SHOW COLUMNS FROM notes")) == 2

    @pytest.mark.parametrize(
        "right", ["INSERT", "UPDATE", "DELETE", "CREATE TEMPORARY TABLES", "CREATE"]
    )
    def test_a_missing_right_shows_before_any_gpu(
        self, loads: Loads, database: MariaDB, right: str
    ) -> None:
        database.execute(f"REVOKE {right} ON clinical.* FROM notemill")
        try:
            with pytest.raises(NotemillError, match=r"denied (to|for) user") as refused:
                prepare_tables(loads.clinic.database, loads.work())
            assert "the right named above" in refused.value.remedy
        finally:
            database.execute("GRANT ALL ON clinical.* TO notemill")

    def test_sixty_wide_fields_fit_and_far_too_many_are_refused(
        self, database: MariaDB, tmp_path: Path
    ) -> None:
        clinic = ServerClinic(database, tmp_path, visit="VARCHAR(700)")
        clinic.fill(("v" * 700, "one"))
        clinic.extract()
        for number in (50, 60, 150, 151):
            fields = "\n".join(f"    f{n}: str = Field(max_length=200)" for n in range(number))
            schema = f"from pydantic import BaseModel, Field\nclass Answer(BaseModel):\n{fields}\n"
            task = write_task(tmp_path / "tasks", schema, name=f"t{number}")
            loads = Loads(
                clinic, task, lambda *_, n=number: {f"f{i}": "🩺" * 200 for i in range(n)}
            )
            work = {"results_table": f"r{number}"}
            if number > 150:
                with pytest.raises(NotemillError, match="151 fields"):
                    prepare_tables(clinic.database, loads.work(**work))
                continue
            prepare_tables(clinic.database, loads.work(**work))
            loads.answer()
            assert loads.load(**work).answered == 1


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


def test_a_load_killed_in_the_middle_changes_nothing(loads: Loads) -> None:
    loads.load()
    before = everything(loads)
    loads.answer({"one": "timeout"}, reason="new")
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from notemill.config import Database\n"
        "from notemill.load import proof\n"
        "from notemill.load.loader import load\n"
        "from notemill.tasks.task import read_task\n"
        "from tests.unit.conftest import Clinic\n"
        "from tests.unit.loads import Loads\n"
        "proof.Prover._refuse_differences = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "folder = Path(sys.argv[1])\n"
        "loads = Loads(Clinic(folder), read_task(folder / 'tasks', 'cough'))\n"
        "load(Database.model_validate_json(sys.argv[2]), loads.work())\n"
    )
    address = loads.clinic.database.model_dump_json()
    killed = subprocess.run(
        [sys.executable, "-c", script, str(loads.clinic.folder), address],
        check=False,
        cwd=REPOSITORY,
    )
    assert killed.returncode == -signal.SIGKILL
    assert everything(loads) == before
    assert loads.load().failed_by_status == {"timeout": 2}
    assert [row[0] for row in loads.clinic.rows(RESULTS)] == [2, 3]
    assert [row[0] for row in loads.clinic.rows(FAILURES)] == [1, 4, 5, 6]


def test_a_deadlock_after_half_of_the_writing_is_tried_again_whole(
    loads: Loads, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server's own error, after both tables were written."""
    loads.load()
    loads.answer({"one": "timeout"}, reason="new")
    tries = []
    whole = loader.write_experiment

    def once_a_victim(connection: Any, *rest: Any) -> None:
        tries.append(connection.exec_driver_sql("SELECT COUNT(*) FROM answers").scalar())
        if len(tries) == 1:
            connection.exec_driver_sql("SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213")
        whole(connection, *rest)

    monkeypatch.setattr(loader, "write_experiment", once_a_victim)
    caplog.set_level(logging.WARNING, logger="notemill")
    report = loads.load()
    assert tries == [2, 2]
    assert "deadlock" in caplog.text
    assert (report.answered, report.failed, report.blank) == (2, 2, 2)
    assert loads.clinic.rows("SELECT answered FROM experiments") == [(2,)]
    assert [row[3] for row in loads.clinic.rows(RESULTS)] == [ID, ID]


@pytest.mark.parametrize("kind", MARIADB)
@given(data=st.data())
@settings(max_examples=2)
def test_ids_go_through_and_back(
    database: MariaDB,
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    data: st.DataObject,
) -> None:
    def loads() -> Loads:
        clinic = ServerClinic(database, tmp_path_factory.mktemp("clinic"))
        return Loads(clinic, write_task(clinic.folder / "tasks"))

    go_through_and_back(loads, kind, data.draw(lists_of(MARIADB[kind])))
