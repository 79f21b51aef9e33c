"""Loads and their proof on a real PostgreSQL: what MariaDB must do too, and what is its own."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console

from notemill.cli import summary
from notemill.config import read_config
from notemill.database import postgres as postgres_session
from notemill.errors import NotemillError
from notemill.load import loader
from notemill.load.proof import Prover
from notemill.load.rehearsal import prepare_tables
from notemill.report.count import exactly
from notemill.report.gather import gather as gather_report
from notemill.status.gather import gather as gather_status
from tests.ids import POSTGRES, go_through_and_back, lists_of
from tests.servers.clinic import ServerClinic
from tests.servers.loads import everything
from tests.servers.postgres import Postgres
from tests.servers.test_load_mariadb import (
    HARD,
    SCHEMA,
)
from tests.servers.test_load_mariadb_ways import (
    test_a_server_that_ends_in_the_middle_of_a_load_leaves_what_was_there,  # noqa: F401
)
from tests.unit.conftest import config_values, write_task
from tests.unit.load.rows import FAILURES, RESULTS
from tests.unit.load.test_load_failed import (  # noqa: F401
    TestACountThatDoesNotComeOut,
    TestAValueThatComesBackAsAnother,
)
from tests.unit.loads import ID, Loads, compared_by_value

ALL_BYTES = bytes(range(256))
KINDS = {
    "CITEXT": "CREATE EXTENSION citext",
    "ward": "CREATE DOMAIN ward AS VARCHAR(20) CHECK (value <> '')",
    "side": "CREATE TYPE side AS ENUM ('a', 'A ', '🩺')",
}
"""Types of ids that someone makes first."""
CAST_TO_JOIN = ("side", 'VARCHAR(20) COLLATE "und-x-icu"')
"""Those that PostgreSQL compares with no text, or asks how."""
CHEST = {
    "query": "SELECT visit, note FROM notes",
    "id_columns": ["visit"],
    "text_column": "note",
    "shards": 3,
}


@pytest.fixture(scope="module")
def database(running_postgres: Postgres) -> Postgres:
    """What every test here means by the server, those of MariaDB's too."""
    return running_postgres


def test_hard_values_come_back_as_they_were_given_proven_by_their_bytes(
    database: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = ServerClinic(database, tmp_path, visit="BYTEA")
    kept = [text for text in HARD["reason"] if "\0" not in text]
    texts = [*kept, "\\N", "\\", "\\.", "a\tb\nc\rd\x1a\b\v", "\\'; --", "x" * 300, "%s", "\r\n"]
    ids = [ALL_BYTES[n : n + 17] for n in range(0, 240, 17)] + [b"\t\n\\N", b"'\0", b""]
    clinic.fill(*((id, f"note {n}") for n, id in enumerate(ids)))
    clinic.extract()

    def answer(text: str, _: str) -> dict[str, Any]:
        n = int(text.split()[1])
        hard = HARD | {"reason": texts}
        return {"response": "no"} | {key: each[n % len(each)] for key, each in hard.items()}

    loads = Loads(clinic, write_task(tmp_path / "tasks", SCHEMA), answer)
    loads.answer({"note 1": "schema"})
    # Value by value is for what differs: here nothing does, or the bytes would never do.
    compared = compared_by_value(monkeypatch)
    loads.load()
    loads.load()
    assert compared == []
    rows = clinic.rows("SELECT visit, llm_reason, llm_size, llm_count, llm_seen FROM answers")
    assert len(rows) == len(ids) - 1
    for id, *got in rows:
        given = answer(f"note {ids.index(id)}", "")
        assert got == [given[key] for key in ("reason", "size", "count", "seen")]


def test_a_nul_in_an_answer_leaves_its_note_one_row_that_says_so(
    loads: Loads, caplog: pytest.LogCaptureFixture
) -> None:
    loads.answer_to = lambda text, _: {
        "response": "yes",
        "reason": f"of {text}" + "\0" * (text == "one"),
    }
    loads.answer({"two": "schema"})
    with caplog.at_level("WARNING", "notemill"):
        report = loads.load()
    assert "2 answers hold a NUL character" in caplog.text
    assert (report.answered, report.failed, report.blank) == (1, 3, 2)
    assert [row[0] for row in loads.clinic.rows(RESULTS)] == [3]
    assert [row[:2] for row in loads.clinic.rows(FAILURES)] == [
        *((n, "schema") for n in (1, 2, 4)),
        *((n, "blank") for n in (5, 6)),
    ]
    told = loads.clinic.rows("SELECT detail FROM answers_failures WHERE visit IN (1, 4)")
    assert told == [("llm_reason: nul_character",)] * 2
    # And report, summary and status say the same.
    report.write(loads.clinic.layout.load("chest", ID))
    config = read_config(
        config_values(
            results=str(loads.clinic.layout.results),
            tasks=str(loads.clinic.folder / "tasks"),
            database=loads.clinic.database.model_dump(mode="json", exclude_none=True),
            cohorts={"chest": CHEST},
        )
    )
    (answers,) = gather_report(config, [loads.work().run]).answers
    assert (answers.answered, answers.failed) == (exactly(1), exactly(3))
    (status,) = gather_status(config, [loads.work().run]).experiments
    assert status.loaded
    assert status.remarks[0].startswith("2 notes whose answers hold a NUL character are in answers")
    console = Console(record=True)
    console.print(summary._table(report))
    rows = [line.split("│") for line in console.export_text().splitlines() if "│" in line]
    shown = {row[1].strip(): row[2].strip() for row in rows}
    assert (shown["answered"], shown["failed: schema"]) == ("1", "3")
    assert shown["of them, answers with a NUL character"] == "2"


class TestATrigger:
    @pytest.mark.parametrize(
        ("table", "change", "told"),
        [
            ("answers", "llm_reason := upper(NEW.llm_reason)", "answers.llm_reason differs in 1"),
            ("answers", "seconds := NEW.seconds + 1e-15", "answers.seconds differs in 1"),
            ("answers_failures", "detail := ''", "answers_failures.detail differs in 1"),
        ],
    )
    def test_that_changes_one_value_is_caught(
        self, loads: Loads, table: str, change: str, told: str
    ) -> None:
        loads.load()
        before = everything(loads)
        loads.answer({"two": "schema", "three": "timeout"}, reason="new")
        trigger(loads, table, f"IF NEW.visit IN (1, 3) THEN NEW.{change}; END IF; RETURN NEW;")
        with pytest.raises(NotemillError, match="gives back other values") as refused:
            loads.load()
        assert told in refused.value.what
        assert everything(loads) == before

    def test_that_leaves_a_row_out_is_caught_before_any_gpu(
        self, loads: Loads, caplog: pytest.LogCaptureFixture
    ) -> None:
        prepare_tables(loads.clinic.database, loads.work())
        trigger(loads, "answers", "RETURN NULL;")
        caplog.set_level(logging.WARNING, logger="notemill")
        with pytest.raises(NotemillError, match="the count does not come out"):
            prepare_tables(loads.clinic.database, loads.work())
        assert "liar" in caplog.text

    def test_that_refuses_a_row_is_named_and_its_words_are_not(self, loads: Loads) -> None:
        loads.load()
        before = everything(loads)
        trigger(loads, "answers", "RAISE EXCEPTION 'PRIVATE %', NEW.llm_reason;")
        loads.answer(reason="PRIVATE")
        with pytest.raises(NotemillError, match="a trigger of a table refuses") as refused:
            loads.load()
        assert "PRIVATE" not in str(refused.value)
        assert everything(loads) == before


def trigger(loads: Loads, table: str, body: str) -> None:
    loads.clinic.run(
        f"CREATE OR REPLACE FUNCTION lie() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {body} END $$"
    )
    loads.clinic.run(
        f"CREATE TRIGGER liar BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW "
        "EXECUTE FUNCTION lie()"
    )


def test_a_row_that_is_the_same_already_is_not_written_again(loads: Loads) -> None:
    loads.load()
    # On the fly, because a transaction's number is on each row that it wrote.
    versions = dict(loads.clinic.rows("SELECT visit, xmin::text FROM answers"))
    loads.clinic.run("UPDATE answers SET llm_reason = 'other' WHERE visit = 3")
    loads.load()
    now = dict(loads.clinic.rows("SELECT visit, xmin::text FROM answers"))
    assert {visit for visit in now if now[visit] != versions[visit]} == {3}
    assert loads.clinic.rows(RESULTS)[1][2] == "of three"


def test_a_value_that_differs_by_its_bits_alone_is_written_and_proven(loads: Loads) -> None:
    loads.load()
    before = everything(loads)
    loads.clinic.run("UPDATE answers SET seconds = '-0.0' WHERE visit = 3")
    loads.load()
    assert everything(loads) == before


def test_a_table_that_another_session_holds_ends_the_load_with_one_message(
    loads: Loads, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads.load()
    before = everything(loads)
    loads.answer(reason="new")
    monkeypatch.setitem(postgres_session._SETTINGS, "lock_timeout", "100ms")
    with database.connect() as other:
        other.execute("LOCK TABLE answers IN EXCLUSIVE MODE")
        with pytest.raises(NotemillError, match="another session holds") as refused:
            loads.load()
    assert "pg_stat_activity" in refused.value.remedy
    assert everything(loads) == before


def test_loads_into_one_table_wait_for_each_other(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads.load()
    monkeypatch.setattr(loader, "_LOCK_WAIT_S", 1)
    engine = loader.connect(loads.clinic.database)
    with engine.connect() as connection, loader.one_load_at_a_time(connection, "answers"):
        with pytest.raises(NotemillError, match="another load has been writing answers"):
            loads.load()
    engine.dispose()
    assert loads.load().answered == 3


def test_a_serialization_failure_is_tried_again_whole(
    loads: Loads, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server's own error: a row was changed behind the load's back."""
    loads.load()
    loads.answer({"one": "timeout"}, reason="new")
    tries = []
    whole = loader._stage

    def changed_meanwhile(*given: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            change = "UPDATE answers SET llm_reason = 'theirs' WHERE visit = 3"
            other = threading.Thread(target=loads.clinic.run, args=(change,))
            other.start()
            other.join()
        whole(*given)

    monkeypatch.setattr(loader, "_stage", changed_meanwhile)
    caplog.set_level(logging.WARNING, logger="notemill")
    report = loads.load()
    assert len(tries) == 2
    assert "deadlock" in caplog.text
    assert (report.answered, report.failed, report.blank) == (2, 2, 2)


def test_rows_in_the_order_of_another_collation_are_proven_by_their_bytes(
    database: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = ServerClinic(database, tmp_path, visit='TEXT COLLATE "und-x-icu"')
    ids = ["a", "A", "b", "B", "a ", "á", "🩺", "_", "Z"]
    clinic.fill(*((visit, f"of {visit!r}") for visit in ids))
    clinic.extract()
    loads = Loads(clinic, write_task(tmp_path / "tasks"))
    loads.answer()
    loads.load()
    clinic.run('ALTER TABLE answers ALTER visit TYPE TEXT COLLATE "und-x-icu"')
    monkeypatch.setattr(Prover, "_compare_values", None)
    assert loads.load().answered == len(ids)
    joined = clinic.rows("SELECT visit, llm_reason FROM notes JOIN answers USING (visit)")
    assert sorted(joined) == sorted((visit, f"of of {visit!r}") for visit in ids)


@pytest.mark.parametrize("kind", POSTGRES)
@given(data=st.data())
@settings(max_examples=1, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_ids_go_through_and_back(
    database: Postgres,
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    data: st.DataObject,
) -> None:
    def loads() -> Loads:
        clinic = ServerClinic(database, tmp_path_factory.mktemp("clinic"))
        if kind in KINDS:
            clinic.run(KINDS[kind])
        return Loads(clinic, write_task(clinic.folder / "tasks"))

    # PostgreSQL gives CHAR with the blanks that mean nothing to it.
    read = "visit::text" if kind == "CHAR(8)" else "visit"
    go_through_and_back(loads, kind, data.draw(lists_of(POSTGRES[kind])), read)
    theirs = 'n.visit::text COLLATE "C"' if kind in CAST_TO_JOIN else "n.visit"
    same = f"SELECT FROM ids n WHERE r.visit = {theirs}"
    alone = f"SELECT visit FROM answers r WHERE NOT EXISTS ({same})"
    with database.connect() as connection:
        assert connection.execute(alone.encode()).fetchall() == []
