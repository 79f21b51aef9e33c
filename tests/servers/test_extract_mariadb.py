"""Extract from a real MariaDB: what only its queries and types can be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.recut import JournaledAnswers
from notemill.config import Cohort, Database
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
        wait="0s",
    )


def extracted(
    database: Database, folder: Path, query: str, ids: Sequence[str] = ("visit",)
) -> Manifest:
    cohort = Cohort(query=query, id_columns=list(ids), text_column="note", shards=2)
    layout = Layout(folder / "results")
    return extract(database, "all", cohort, layout, JournaledAnswers(layout, "all"))


def test_a_query_that_no_count_can_stand_over_is_read_and_said(
    notes: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    twice = "SELECT visit, note, a.visit + 1 AS x, a.visit + 2 AS x FROM notes a"
    with caplog.at_level("WARNING", "notemill"):
        assert extracted(notes, tmp_path, twice).counts.rows == 2000
    assert "(error 1060)" in caplog.text


def test_ids_of_every_kind_have_the_digest_that_they_had_before(
    notes: Database, database: MariaDB, tmp_path: Path
) -> None:
    """Made from this table when extract still went row by row."""
    with (
        database.connect(autocommit=True, charset="utf8mb4") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "CREATE TABLE kinds (n BIGINT, u INT UNSIGNED, d DECIMAL(12,3), day DATE, "
            "at DATETIME(6), stamp TIMESTAMP, word VARCHAR(20), latin VARCHAR(20) "
            "CHARACTER SET latin1, code BINARY(4), yr YEAR, note MEDIUMTEXT)"
        )
        values = ", ".join(["%s"] * 11)
        cursor.executemany(f"INSERT INTO kinds VALUES ({values})", map(of_every_kind, range(50)))
    ids = ["n", "u", "d", "day", "at", "stamp", "word", "latin", "code", "yr"]
    manifest = extracted(notes, tmp_path, "SELECT * FROM kinds", ids)
    assert manifest.digest == "c3d11ed0e2bce6780c4aaa70d70f5e4578f656b3868e64200c86328f5966b942"
    assert [(entry.digest[:12], entry.notes) for entry in manifest.shards] == [
        ("9779a33f8b68", 16),
        ("bfa2ca8fc4d4", 34),
    ]


def of_every_kind(n: int) -> tuple[Any, ...]:
    text = [None, "", f"Befund \N{GRINNING FACE} {n % 6}", f"x\\t\n\\N\r{n}"][n % 4]
    days = (f"19{n % 90 + 10}-02-11", f"2024-03-{n % 28 + 1:02d} 01:02:03.{n:06d}")
    numbers = (-(n**9), n, f"{n * 7 - 30}.{n % 10}5")
    words = (f"w\xf6rd {n} ", "caf\xe9", bytes([n, 255, 0, n]))
    return (*numbers, *days, f"2000-12-31 22:00:{n:02d}", *words, 2000 + n, text)
