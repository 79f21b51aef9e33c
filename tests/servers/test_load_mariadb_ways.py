"""How rows come into a real MariaDB: by LOAD DATA from a stream, or by INSERT statements."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notemill.database import packets
from notemill.database.connect import connect
from notemill.errors import NotemillError
from notemill.load import loader
from notemill.load.loader import load
from notemill.load.proof import Prover
from notemill.load.writing import Way
from tests.servers.clinic import ServerClinic
from tests.servers.intruder import Intruder
from tests.servers.loads import TABLES, everything
from tests.servers.mariadb import MariaDB
from tests.servers.test_load_mariadb import HARD, SCHEMA
from tests.unit.conftest import write_task
from tests.unit.loads import Loads, compared_by_value

MODES = ("sql_mode = DEFAULT", "sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'")
ALL_BYTES = bytes(range(256))


@pytest.fixture(params=[Way.STREAM, Way.STATEMENTS])
def way(
    database: MariaDB, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[Way]:
    database.execute(f"SET GLOBAL local_infile = {int(request.param is Way.STREAM)}")
    caplog.set_level(logging.INFO, logger="notemill")
    yield request.param
    database.execute("SET GLOBAL local_infile = 1")
    said = [record.getMessage() for record in caplog.get_records("call")]
    assert f"writing by {request.param.value}" in said


@pytest.mark.parametrize("mode", MODES)
def test_hard_values_are_kept_whichever_way_and_proven_by_their_bytes(
    database: MariaDB, tmp_path: Path, way: Way, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value of each column in each row; bytes as the id, among them all that mean something."""
    clinic = ServerClinic(database, tmp_path, visit="VARBINARY(20)")
    texts = [*HARD["reason"], "\\N", "\\", "N", "a\tb\nc\rd\0e\x1a\b", "\\'; --", "x" * 300, "%s"]
    ids = [ALL_BYTES[n : n + 17] for n in range(0, 240, 17)] + [b"\t\n\\N", b"'\0", b"\xf0\t"]
    clinic.fill(*((id, f"note {n}") for n, id in enumerate(ids)))
    clinic.extract()

    def answer(text: str, _: str) -> dict[str, Any]:
        n = int(text.split()[1])
        hard = HARD | {"reason": texts}
        return {"response": "no"} | {key: each[n % len(each)] for key, each in hard.items()}

    loads = Loads(clinic, write_task(tmp_path / "tasks", SCHEMA), answer)
    loads.answer({"note 1": "schema"})
    # Value by value is for what differs: here nothing does, or the bytes would never do.
    monkeypatch.setattr(Prover, "_compare_values", None)
    database.execute(f"SET GLOBAL {mode}")
    try:
        loads.load()
        rows = clinic.rows(
            "SELECT visit, llm_reason, llm_size, llm_count, llm_seen, llm_side FROM answers"
        )
        loads.load()
    finally:
        database.execute("SET GLOBAL sql_mode = DEFAULT")
    assert len(rows) == len(ids) - 1
    for id, *got in rows:
        given = answer(f"note {ids.index(id)}", "")
        assert got[:4] == [given[key] for key in ("reason", "size", "count", "seen")]
        assert got[4] == (given["side"] and json.dumps(given["side"], ensure_ascii=False))


def test_both_ways_leave_the_same_rows(loads: Loads, database: MariaDB, way: Way) -> None:
    loads.load()
    first = everything(loads, but="answered_at")
    loads.answer({"one": "timeout"}, reason="new")
    loads.load()
    moved = everything(loads, but="answered_at")
    database.execute("SET GLOBAL local_infile = 1")
    loads.answer({"two": "schema"})
    loads.load()
    assert everything(loads, but="answered_at") == first
    for table in TABLES:
        loads.clinic.run(f"DROP TABLE {table}")
    loads.answer({"one": "timeout"}, reason="new")
    loads.load()
    assert everything(loads, but="answered_at") == moved


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("ALTER TABLE answers ADD CHECK (llm_reason <> 'PRIVATE')", "a CHECK constraint"),
        (
            "CREATE TRIGGER judge BEFORE INSERT ON answers FOR EACH ROW IF NEW.visit = 3 THEN "
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'PRIVATE'; END IF",
            "a trigger",
        ),
        (
            "ALTER TABLE answers ADD mine INT DEFAULT 1 REFERENCES parents (id)",
            "a foreign key",
        ),
        ("ALTER TABLE answers ADD mine INT NOT NULL DEFAULT 1, ADD UNIQUE (mine)", "error 1062"),
    ],
)
def test_a_row_that_a_rule_of_the_users_refuses_ends_the_load(
    loads: Loads, way: Way, rule: str, told: str
) -> None:
    """LOAD DATA LOCAL leaves such rows out, with a warning."""
    loads.load()
    loads.clinic.run("DELETE FROM answers")
    loads.clinic.run("DELETE FROM answers_failures")
    before = everything(loads)
    loads.clinic.run("CREATE TABLE parents (id INT PRIMARY KEY)")
    loads.clinic.run(rule)
    loads.answer({"two": "schema"}, reason="PRIVATE")
    with pytest.raises(NotemillError) as refused:
        loads.load()
    assert told in refused.value.what
    assert "PRIVATE" not in str(refused.value)
    loads.clinic.run("DROP TRIGGER IF EXISTS judge")
    assert [rows for rows in everything(loads) if rows] == [rows for rows in before if rows]


def test_columns_made_wider_are_proven_by_their_bytes_as_before(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Types that a JSON column of MySQL has not: tests/servers/site."""
    loads.load()
    loads.clinic.run("ALTER TABLE answers MODIFY llm_response TEXT, MODIFY attempts BIGINT")
    loads.answer(reason="new")
    monkeypatch.setattr(Prover, "_compare_values", None)
    assert loads.load().answered == 4


@pytest.mark.parametrize("over", [True, False], ids=["over rows", "into no rows"])
@pytest.mark.parametrize("stage", ["rows are sent", "rows are read back", "all is written"])
def test_a_server_that_ends_in_the_middle_of_a_load_leaves_what_was_there(
    loads: Loads, database: MariaDB, monkeypatch: pytest.MonkeyPatch, stage: str, over: bool
) -> None:
    loads.load()
    if not over:
        loads.clinic.run("DELETE FROM answers")
        loads.clinic.run("DELETE FROM answers_failures")
    before = everything(loads)
    loads.answer({"two": "timeout"}, reason="new")
    place, name = {
        "rows are sent": (loader, "_counted"),
        "rows are read back": (Prover, "_columns"),
        "all is written": (loader, "write_experiment"),
    }[stage]
    whole = getattr(place, name)

    def killed(*arguments: Any) -> Any:
        monkeypatch.setattr(place, name, whole)
        database.kill()
        return whole(*arguments)

    monkeypatch.setattr(place, name, killed)
    try:
        with pytest.raises(NotemillError, match="the database closed the connection") as refused:
            loads.load()
    finally:
        database.restart()
    assert "nothing half done" in refused.value.remedy
    assert everything(loads) == before
    assert loads.load().failed_by_status == {"timeout": 1}


def test_where_no_statement_can_be_prepared_values_are_compared_one_by_one(
    loads: Loads, database: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = compared_by_value(monkeypatch)
    loads.load()
    assert compared == []
    before = everything(loads)
    database.execute("SET GLOBAL max_prepared_stmt_count = 0")
    try:
        loads.load()
    finally:
        database.execute("SET GLOBAL max_prepared_stmt_count = DEFAULT")
    assert compared == ["answers", "answers_failures"]
    assert everything(loads) == before


def test_a_name_that_pymysql_no_longer_has_costs_speed_and_nothing_else(
    loads: Loads, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(packets, "PRIVATE", (*packets.PRIVATE, "_of_another_release"))
    caplog.set_level("INFO", logger="notemill")
    compared = compared_by_value(monkeypatch)
    assert loads.load().answered == 3
    assert "writing by INSERT statements" in caplog.text
    assert compared == ["answers", "answers_failures"]


class TestAServerThatAsksForAFile:
    @pytest.fixture
    def secret(self, tmp_path: Path) -> Path:
        path = tmp_path / "secret"
        path.write_text("SECRET")
        return path

    @pytest.mark.parametrize("instead_of", ["LOAD DATA", "SELECT 1", "GET_LOCK", "INSERT"])
    def test_gets_nothing_and_is_named(
        self, loads: Loads, database: MariaDB, secret: Path, instead_of: str
    ) -> None:
        loads.load()
        before = everything(loads)
        loads.answer(reason="new")
        clinic = loads.clinic
        with Intruder(database.port, instead_of.encode(), str(secret)) as bad:
            at = clinic.database.url.replace(f":{database.port}/", f":{bad.port}/")
            with pytest.raises(NotemillError, match="asked for a file of this machine") as refused:
                load(clinic.database.model_copy(update={"url": at}), loads.work())
        assert "tell its administrators" in refused.value.remedy
        assert b"SECRET" not in bad.got
        assert everything(loads) == before

    def test_gets_no_file_from_a_session_that_sends_no_rows(
        self, loads: Loads, database: MariaDB
    ) -> None:
        """What the session never said it could do, the server itself refuses."""
        with connect(loads.clinic.database).connect() as connection:
            with pytest.raises(Exception, match=r"4166|1148"):
                connection.exec_driver_sql(
                    f"LOAD DATA LOCAL INFILE '{os.devnull}' INTO TABLE notes"
                )
