"""What a database does to a load besides going away: real servers, each fault a real one."""

from __future__ import annotations

import logging
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from notemill.database import postgres as postgres_session
from notemill.database import waiting
from notemill.database.away import DatabaseAway
from notemill.errors import NotemillError
from notemill.load import loader
from notemill.logs import Terminated
from tests.servers.conftest import Servers
from tests.servers.loads import everything
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.unit.loads import Loads

Server = MariaDB | Postgres


@pytest.fixture(params=["MariaDB", "PostgreSQL"], scope="module")
def database(request: pytest.FixtureRequest, servers: Servers) -> Server:
    return servers(request.param)


@pytest.fixture
def again(loads: Loads) -> list[list[tuple[Any, ...]]]:
    """What a load has written that is to be written over now."""
    loads.load()
    before = everything(loads)
    loads.answer({"one": "timeout"}, reason="new")
    return before


@contextmanager
def defaults(server: Server, mariadb: dict[str, Any], postgres: dict[str, Any]) -> Iterator[None]:
    """What new sessions begin with."""
    if isinstance(server, MariaDB):
        before = {name: server.execute(f"SELECT @@GLOBAL.{name}")[0][0] for name in mariadb}
        change = "SET GLOBAL {} = {}"
        given: dict[str, Any] = mariadb
    else:
        before, given = dict.fromkeys(postgres, "DEFAULT"), postgres
        change = "ALTER ROLE notemill SET {} = {}"
    for name, value in given.items():
        server.execute(change.format(name, value))
    try:
        yield
    finally:
        for name, value in before.items():
            server.execute(change.format(name, value))


def at(monkeypatch: pytest.MonkeyPatch, place: Any, name: str, do: Any) -> None:
    """Do something the first time that this function is called."""
    whole = getattr(place, name)

    def once(*given: Any) -> Any:
        monkeypatch.setattr(place, name, whole)
        do()
        return whole(*given)

    monkeypatch.setattr(place, name, once)


def end(server: Server, what: str) -> None:
    """End what our user's sessions do: their connection, or the statement alone."""
    if isinstance(server, MariaDB):
        listed = "SELECT id FROM information_schema.processlist WHERE user = 'notemill'"
        for (session,) in server.execute(listed):
            server.execute(f"KILL {what} {session}")
    else:
        function = "pg_terminate_backend" if what == "CONNECTION" else "pg_cancel_backend"
        server.execute(f"SELECT {function}(pid) FROM pg_stat_activity WHERE usename = 'notemill'")


@pytest.mark.parametrize("error", [Terminated, OSError])
@pytest.mark.parametrize("place", ["rows are sent", "rows are read back"])
def test_what_ends_a_load_in_the_midst_of_rows_is_told_and_nothing_hangs(
    loads: Loads,
    again: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    error: type[BaseException],
) -> None:
    def ended() -> None:
        raise error

    def sent(batches: Iterator[Any], _: Any) -> Iterator[Any]:
        yield from batches
        ended()

    if place == "rows are sent":
        monkeypatch.setattr(loader, "_counted", sent)
    else:
        monkeypatch.setattr("notemill.load.proof.Progress.add", lambda *_: ended())
    with pytest.raises(error):
        loads.load()
    monkeypatch.undo()
    assert everything(loads) == again
    assert loads.load().failed == 2


@pytest.mark.parametrize("stage", ["_counted", "make_alike", "write_experiment"])
def test_a_load_whose_session_is_killed_starts_over_and_ends_in_one_row_a_note(
    loads: Loads, database: Server, again: list[Any], monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    settings = loads.clinic.database
    loads.clinic.database = settings.model_copy(update={"wait": "15m"})
    monkeypatch.setattr(waiting, "_PAUSES_S", (0,))
    at(monkeypatch, loader, stage, lambda: end(database, "CONNECTION"))
    report = loads.load()
    assert (report.answered, report.failed, report.blank) == (2, 2, 2)
    _, answers, failures = everything(loads)
    assert (len(answers), len(failures)) == (2, 4)
    if isinstance(database, Postgres):
        left = "SELECT relname FROM pg_class WHERE relname = 'notemill_staging'"
        assert database.execute(left, "clinical") == []


def test_a_statement_that_is_ended_is_told_and_nothing_was_changed(
    loads: Loads, database: Server, again: list[Any]
) -> None:
    with database.connect() as other, other.cursor() as cursor:
        cursor.execute("SELECT * FROM answers FOR UPDATE")
        ending = threading.Thread(target=end_the_blocked, args=(database,))
        ending.start()
        with pytest.raises(NotemillError, match="the statement was ended by the server or its"):
            loads.load()
        ending.join()
        other.rollback()
    assert everything(loads) == again
    assert loads.load().failed == 2


def end_the_blocked(server: Server) -> None:
    """KILL QUERY, or pg_cancel_backend, once a session of ours waits for a row."""
    while True:
        time.sleep(0.05)
        if isinstance(server, MariaDB):
            found = server.execute(
                "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx "
                "WHERE trx_state = 'LOCK WAIT'"
            )
            for (session,) in found:
                server.execute(f"KILL QUERY {session}")
        else:
            found = server.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            )
        if found:
            return


def test_a_row_that_is_locked_for_long_costs_a_try_and_no_more(
    loads: Loads, database: Server, again: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock wait timeout; then the other session lets go."""
    other = database.connect()

    class LetsGo(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "trying again" in record.getMessage():
                other.rollback()

    handler = LetsGo()
    logging.getLogger("notemill").addHandler(handler)
    monkeypatch.setitem(postgres_session._SETTINGS, "lock_timeout", "300ms")
    try:
        with other.cursor() as cursor, defaults(database, {"innodb_lock_wait_timeout": 1}, {}):
            cursor.execute("SELECT * FROM answers FOR UPDATE")
            assert loads.load().failed == 2
    finally:
        logging.getLogger("notemill").removeHandler(handler)
        other.close()


def test_a_server_that_only_reads_is_named_and_nothing_was_changed(
    loads: Loads, database: Server, again: list[Any]
) -> None:
    with defaults(database, {"read_only": 1}, {"default_transaction_read_only": "on"}):
        with pytest.raises(NotemillError, match="the database takes no changes"):
            loads.load()
    assert everything(loads) == again
    assert loads.load().failed == 2


def test_no_default_of_the_server_ends_a_load_that_pauses(
    loads: Loads, database: Server, again: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    mariadb = {"wait_timeout": 1, "idle_transaction_timeout": 1, "max_statement_time": 0.2}
    postgres = {
        "idle_in_transaction_session_timeout": "'100ms'",
        "idle_session_timeout": "'100ms'",
        "statement_timeout": "'200ms'",
    }
    at(monkeypatch, loader, "read_rows", lambda: time.sleep(1.3))
    at(monkeypatch, loader, "write_experiment", lambda: time.sleep(1.3))
    with defaults(database, mariadb, postgres):
        assert loads.load().failed == 2


def test_two_loads_at_once_without_the_lock_double_nothing(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where one load's connection, and with it the lock, is gone before its transaction is."""
    monkeypatch.setattr(loader, "one_load_at_a_time", lambda *_: nullcontext())
    written, go_on = threading.Event(), threading.Event()

    def pause() -> None:
        written.set()
        go_on.wait(60)

    loads.load()
    for table in ("answers", "answers_failures", "experiments"):
        loads.clinic.run(f"DELETE FROM {table}")
    at(monkeypatch, loader, "write_experiment", pause)
    first = threading.Thread(target=loads.load)
    first.start()
    written.wait(60)
    threading.Timer(1, go_on.set).start()
    try:
        loads.load()
    except NotemillError as refused:
        assert "1062" in refused.what or "unique key" in refused.what
    first.join()
    experiments, answers, failures = everything(loads)
    assert (len(experiments), len(answers), len(failures)) == (1, 3, 3)
    assert loads.load().answered == 3


@pytest.fixture
def small_disk(database: Server) -> Iterator[Path]:
    """A file system of one MiB that the server may write to."""
    folder = database.folder / "small"
    folder.mkdir(exist_ok=True)
    mounted = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mounted, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    shutil.chown(folder, "postgres")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("database", ["PostgreSQL"], indirect=True)
def test_a_disk_that_is_full_in_the_server_is_told_and_a_load_goes_on_once_there_is_room(
    loads: Loads, database: Postgres, small_disk: Path
) -> None:
    """MariaDB itself ends where a table's disk is full: a connection that is lost."""
    loads.load()
    before = everything(loads)
    database.execute(f"CREATE TABLESPACE small OWNER notemill LOCATION '{small_disk}'")
    loads.clinic.run("ALTER TABLE answers SET TABLESPACE small")
    try:
        loads.load()
        loads.answer({"two": "schema"}, reason="".join(map(chr, range(0x4E00, 0x9FA5))) * 20)
        with pytest.raises(NotemillError, match="the database has no space left") as refused:
            loads.load()
        assert "for space and run again" in refused.value.remedy
        assert everything(loads) == before
        loads.answer({"two": "schema"})
        assert loads.load().answered == 3
    finally:
        loads.clinic.run("DROP TABLE answers")
        database.execute("DROP TABLESPACE small")


@pytest.mark.parametrize("database", ["MariaDB"], indirect=True)
def test_an_answer_larger_than_a_packet_is_loaded_as_a_stream_and_named_where_there_is_none(
    loads: Loads, database: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads.load()
    before = everything(loads)
    loads.answer({"two": "schema"}, reason="x" * 3_000_000)
    with defaults(database, {"max_allowed_packet": 1 << 20}, {}):
        with monkeypatch.context() as patched:
            patched.setattr(loader, "way_into", lambda *_: loader.Way.STATEMENTS)
            with pytest.raises(NotemillError, match="larger than the server takes") as refused:
                loads.load()
        assert not isinstance(refused.value, DatabaseAway)
        assert "max_allowed_packet" in refused.value.remedy
        assert everything(loads) == before
        assert loads.load().answered == 3
    assert loads.clinic.rows("SELECT MIN(LENGTH(llm_reason)) FROM answers") == [(3_000_000,)]
