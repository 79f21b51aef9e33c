"""Extract from a real MariaDB: large notes in little memory, and rows that a server holds back."""

from __future__ import annotations

from pathlib import Path

import pytest

from notemill.answers.recut import JournaledAnswers
from notemill.config import Cohort, Database
from notemill.errors import NotemillError
from notemill.notes.extract import extract
from notemill.notes.manifest import Manifest
from notemill.paths import Layout
from tests.servers.mariadb import MariaDB


@pytest.fixture
def notes(database: MariaDB, tmp_path: Path) -> Database:
    """A table of 2,000 notes."""
    database.drop_tables()
    rows = [(number, f"note {number}") for number in range(1, 2001)]
    with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE notes (visit INT PRIMARY KEY, note MEDIUMTEXT)")
        cursor.executemany("INSERT INTO notes VALUES (%s, %s)", rows)
    return Database(
        url=f"mysql+pymysql://{database.host}:{database.port}/{database.database}",
        option_file=database.option_file(tmp_path / "my.cnf"),
    )


def extracted(database: Database, folder: Path, query: str) -> Manifest:
    cohort = Cohort(query=query, id_columns=["visit"], text_column="note", shards=2)
    layout = Layout(folder / "results")
    return extract(database, "all", cohort, layout, JournaledAnswers(layout, "all"))


def test_the_rows_are_as_many_as_the_server_counts(
    notes: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "notemill"):
        extracted(notes, tmp_path, "SELECT visit, note FROM notes")
    assert "2000 rows read, as many as COUNT(*) says" in caplog.text


def test_rows_that_come_and_go_are_refused(notes: Database, tmp_path: Path) -> None:
    with pytest.raises(NotemillError, match="and COUNT"):
        extracted(notes, tmp_path, "SELECT visit, note FROM notes WHERE visit > RAND() * 2000")


def test_a_count_that_can_not_be_had_is_said(
    notes: Database,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    twice = "SELECT visit, note, a.visit + 1 AS x, a.visit + 2 AS x FROM notes a"
    monkeypatch.setattr("notemill.notes.rows._COUNT_S", 1)
    slow = "SELECT visit, note FROM notes WHERE visit < 4 AND SLEEP(0.8) = 0"
    for name, query, error in (("twice", twice, 1060), ("slow", slow, 1969)):
        with caplog.at_level("WARNING", "notemill"):
            manifest = extracted(notes, tmp_path / name, query)
        assert manifest.counts.rows == (2000 if name == "twice" else 3)
        assert f"(error {error})" in caplog.text
