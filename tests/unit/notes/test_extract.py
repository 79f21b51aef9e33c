"""notemill.notes.extract on SQLite; on MariaDB: tests/workflow."""

from __future__ import annotations

import errno
import fcntl
import shutil
import sqlite3
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notemill.answers.job import answer_shard
from notemill.errors import NotemillError
from notemill.load.work import load_of
from notemill.locks import LockedFile
from notemill.notes import conflicts, spool
from notemill.notes.manifest import read_frozen, read_manifest
from notemill.notes.shard import Note, read_notes
from notemill.notes.text import TextState, read_text
from notemill.paths import cut_name, shard_names
from notemill.plan.runs import plan_runs
from tests.unit.conftest import Clinic, config, full_disk, of_this_process, write_task

INVALID = b"caf\xe9 au lait"


def shards_of(clinic: Clinic, name: str = "chest", shards: int = 3) -> list[list[Note]]:
    """The notes of each shard, read back."""
    columns = read_manifest(clinic.manifest(name)).id_columns
    cut = cut_name(shards)
    return [
        list(read_notes(clinic.layout.notes(name, cut, shard), columns, with_text=True))
        for shard in shard_names(shards)
    ]


def notes_of(clinic: Clinic) -> dict[Any, str | None]:
    """Text of each visit."""
    return {note.ids[0]: note.text for shard in shards_of(clinic) for note in shard}


visits = st.integers(0, 8)
texts = st.none() | st.sampled_from(["", "  ", "cough", "Cough", INVALID]) | st.text(max_size=3)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several runs of the spool, as a large table takes."""
    monkeypatch.setattr(spool, "_PART_BYTES", 1500)


@given(rows=st.lists(st.tuples(visits, texts), min_size=1, max_size=25), last=st.booleans())
@settings(max_examples=20)
def test_every_row_of_the_query_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, Any]], last: bool
) -> None:
    clinic = Clinic(tmp_path_factory.mktemp("clinic"))
    clinic.run("INSERT INTO notes VALUES (?, CAST(? AS TEXT))", rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "_PART_BYTES", 1500)  # several parts, as a large table takes
        patch.setattr(conflicts, "_PARTS", 4)
        manifest = clinic.extract(same_id_different_text="last" if last else "first")
    counts = manifest.counts
    assert counts.rows == len(rows) == counts.notes + counts.collapsed + counts.dropped

    kept: dict[int, Any] = {}
    for visit, value in rows:
        if last or visit not in kept:
            kept[visit] = read_text(value)
    shards = shards_of(clinic)
    notes = {note.ids[0]: note for shard in shards for note in shard}
    assert counts.notes == sum(map(len, shards)) == len(kept)
    assert {visit: note.text or "" for visit, note in notes.items()} == {
        visit: note.text or "" for visit, note in kept.items()
    }
    assert counts.blank == sum(note.state is not TextState.OK for note in notes.values())
    assert counts.null == sum(note.state is TextState.NULL for note in notes.values())
    assert counts.replaced == sum(note.replaced_bytes > 0 for note in notes.values())

    places = defaultdict(set)
    for number, shard in enumerate(shards):
        for note in shard:
            places[note.text_sha256].add(number)
    assert all(len(numbers) == 1 for numbers in places.values())
    asked = {note.text_sha256 for note in notes.values() if note.state is TextState.OK}
    assert counts.texts == sum(entry.texts for entry in manifest.shards) == len(asked)
    assert [entry.notes for entry in manifest.shards] == [len(shard) for shard in shards]


def test_null_blank_and_invalid_texts_are_counted_and_kept(clinic: Clinic) -> None:
    clinic.run("INSERT INTO notes VALUES (1, NULL), (2, ''), (3, ' '), (4, 'ok')")
    clinic.run("INSERT INTO notes VALUES (5, CAST(? AS TEXT))", [(INVALID,)])
    clinic.fill((6, b"a blob"))
    counts = clinic.extract().counts
    assert (counts.notes, counts.blank, counts.null, counts.replaced) == (6, 3, 1, 1)
    assert notes_of(clinic)[5] == "caf\N{REPLACEMENT CHARACTER} au lait"
    assert notes_of(clinic)[6] == "a blob"
    assert notes_of(clinic)[1] is None


def test_the_same_id_with_the_same_text_is_one_note(clinic: Clinic, small_parts: None) -> None:
    clinic.fill(*[(1, "x" * 900), (2, "x" * 900)] * 4)
    counts = clinic.extract().counts
    assert (counts.rows, counts.notes, counts.collapsed, counts.texts) == (8, 2, 6, 1)


class TestTheSameIdWithDifferentTexts:
    @pytest.fixture(autouse=True)
    def rows(self, clinic: Clinic) -> None:
        clinic.fill((1, "one"), (2, "two"), (1, "one"), (1, "another"), (3, "three"))

    def test_is_an_error_and_the_ids_stand_in_a_private_file(self, clinic: Clinic) -> None:
        clinic.run("UPDATE notes SET visit = 4711 WHERE visit = 1")
        with pytest.raises(NotemillError) as refused:
            clinic.extract()
        assert "1 ids of cohort 'chest'" in refused.value.what
        assert "another" not in str(refused.value)
        assert "4711" not in str(refused.value)
        assert refused.value.where == "cohorts.chest.query"
        assert "same_id_different_text" in refused.value.remedy
        (told,) = clinic.left_behind()
        assert told in refused.value.what
        path = clinic.layout.results / told
        assert path.read_text() == "visit\n4711\n"
        assert path.stat().st_mode & 0o777 == 0o600
        clinic.extract(same_id_different_text="first")
        assert not path.exists()

    @pytest.mark.parametrize(
        ("keep", "text", "collapsed", "dropped"),
        [("first", "one", 1, 1), ("last", "another", 0, 2)],
    )
    def test_can_be_resolved_by_order(
        self, clinic: Clinic, keep: str, text: str, collapsed: int, dropped: int
    ) -> None:
        counts = clinic.extract(same_id_different_text=keep).counts
        assert notes_of(clinic)[1] == text
        assert (counts.notes, counts.collapsed, counts.dropped) == (3, collapsed, dropped)

    def test_the_order_is_the_querys(self, clinic: Clinic) -> None:
        query = "SELECT visit, note FROM notes ORDER BY note"
        clinic.extract("up", query=query, same_id_different_text="first")
        clinic.extract("down", query=query, same_id_different_text="last")
        texts_of_1 = [
            {note.ids[0]: note.text for shard in shards_of(clinic, name) for note in shard}[1]
            for name in ("up", "down")
        ]
        assert texts_of_1 == ["another", "one"]


def test_ids_of_several_columns_and_types_come_back_as_they_are(clinic: Clinic) -> None:
    rows = [(1, "A"), (1, "a"), (1, "a "), (2**62, "caf\xe9"), (-1, "")]
    clinic.run("CREATE TABLE more (visit INTEGER, part TEXT, note TEXT)")
    clinic.run("INSERT INTO more VALUES (?, ?, 'same')", rows)
    manifest = clinic.extract(
        query="SELECT note, part, visit FROM more", id_columns=["visit", "part"]
    )
    assert [column.kind for column in manifest.id_columns] == ["integer", "text"]
    assert sorted(note.ids for shard in shards_of(clinic) for note in shard) == sorted(rows)


def test_everything_is_the_owners_alone(clinic: Clinic) -> None:
    clinic.fill((1, "x"))
    clinic.extract()
    modes = {
        (path.is_dir(), path.stat().st_mode & 0o777) for path in clinic.layout.results.rglob("*")
    }
    assert modes == {(True, 0o700), (False, 0o600)}
    assert clinic.left_behind() == [
        "cohorts/chest/.frozen.json",
        "cohorts/chest/cut-0003/manifest.json",
        "cohorts/chest/cut-0003/notes/0000.parquet",
        "cohorts/chest/cut-0003/notes/0001.parquet",
        "cohorts/chest/cut-0003/notes/0002.parquet",
    ]


def test_the_query_may_end_in_a_semicolon_and_hold_percent_and_colon(clinic: Clinic) -> None:
    clinic.fill((1, "5% at 10:30 :x"), (2, "else"))
    query = "SELECT visit, note FROM notes WHERE note LIKE '5% at 10:30 :x';\n"
    assert clinic.extract(query=query).counts.rows == 1


def test_the_query_can_only_read(clinic: Clinic) -> None:
    clinic.fill((1, "x"))
    with pytest.raises(NotemillError):
        clinic.extract(query="DELETE FROM notes RETURNING visit, note")
    assert clinic.rows("SELECT count(*) FROM notes") == [(1,)]


@pytest.mark.parametrize(
    ("changes", "words", "remedy"),
    [
        ({"text_column": "text"}, "column 'text' is not in the result", "text_column"),
        ({"id_columns": ["visits"]}, "column 'visits' is not in the result", "id_columns"),
        (
            {"query": "SELECT visit, note, visit FROM notes"},
            "column 'visit' is twice in the result",
            "with AS",
        ),
        ({"query": "SELECT * FROM notes WHERE 0"}, "returned nothing", "correct it"),
        ({"query": "SELECT * FROM nots"}, "no such table: nots", "correct the query"),
        ({"query": "SELEC 1"}, "syntax error", "correct the query"),
        ({"query": "PRAGMA journal_size_limit = 1; SELECT 1"}, "one statement", "one SELECT"),
        ({"query": "BEGIN; COMMIT"}, "one statement", "one SELECT"),
        ({"query": "SAVEPOINT a"}, "gives no rows", "SELECT"),
        ({"query": "SELECT note AS visit, visit AS note FROM notes"}, "holds int", "cast it"),
        ({"query": "SELECT NULL AS visit, note FROM notes"}, "'visit' .* is NULL", "IS NOT NULL"),
        (
            {"query": "SELECT 1 AS visit, note FROM notes UNION ALL SELECT 'PRIVATE', 'x'"},
            "holds int on one row and str",
            "cast it",
        ),
        (
            {"query": "SELECT CAST(x'ff' AS TEXT) AS visit, note FROM notes"},
            "'visit' .* not UTF-8",
            "cast it",
        ),
    ],
)
def test_a_wrong_query_ends_in_one_message_and_no_file(
    clinic: Clinic, changes: dict[str, Any], words: str, remedy: str
) -> None:
    clinic.fill((1, "PRIVATE"))
    with pytest.raises(NotemillError, match=words) as refused:
        clinic.extract(**changes)
    assert remedy in refused.value.remedy
    assert refused.value.where
    assert "PRIVATE" not in str(refused.value)
    assert clinic.left_behind() == []


def test_ids_too_long_for_a_key_are_refused_before_the_cohort_is_frozen(clinic: Clinic) -> None:
    columns = "'a' AS a, 'b' AS b, 'c' AS c, 'd' AS d"  # undeclared lengths count as 255
    with pytest.raises(NotemillError, match="too long for a key") as refused:
        clinic.fill((1, "x"))
        clinic.extract(query=f"SELECT {columns}, note FROM notes", id_columns=list("abcd"))
    assert "CAST" in refused.value.remedy
    assert clinic.left_behind() == []


def test_a_database_that_is_none_is_named(clinic: Clinic) -> None:
    clinic.file.write_text("not a database" * 100)
    with pytest.raises(NotemillError, match="not a database") as refused:
        clinic.extract()
    assert str(clinic.file) in str(refused.value.where)
    assert clinic.left_behind() == []


def lose(clinic: Clinic, shard: str, shards: int = 3) -> Path:
    """Delete a notes shard."""
    path = clinic.layout.notes("chest", cut_name(shards), shard)
    path.unlink()
    return path


def everything(clinic: Clinic) -> dict[str, bytes]:
    """Each file below the results folder, with its bytes."""
    return {name: (clinic.layout.results / name).read_bytes() for name in clinic.left_behind()}


def test_a_cohort_that_is_whole_is_not_read_again(clinic: Clinic) -> None:
    clinic.fill((1, "one"), (2, "two"))
    first = clinic.extract()
    before = everything(clinic)
    clinic.fill((3, "three"))
    clinic.manifest().unlink()
    assert clinic.extract() == first
    assert everything(clinic) == before
    assert clinic.extract("second").counts.notes == 3


def test_a_lost_shard_comes_back_from_the_query(clinic: Clinic) -> None:
    clinic.fill(*((number, f"note {number}") for number in range(20)))
    clinic.extract()
    before = everything(clinic)
    lose(clinic, "0001")
    clinic.extract()
    assert everything(clinic) == before


@pytest.mark.parametrize("shards", [3, 4])
def test_what_no_longer_reads_the_same_is_refused_and_nothing_is_touched(
    clinic: Clinic, shards: int
) -> None:
    clinic.fill((1, "one"), (2, "two"))
    clinic.extract()
    lost = lose(clinic, "0001")
    clinic.run("UPDATE notes SET note = 'uno' WHERE visit = 1")
    before = everything(clinic)
    with pytest.raises(NotemillError, match="2 notes that are not the same") as refused:
        clinic.extract(shards=shards)
    assert str(lost) in refused.value.what
    assert "backup" in refused.value.remedy
    assert everything(clinic) == before
    # What the remedy says works: the shard brought back, or the cohort given up.
    clinic.run("UPDATE notes SET note = 'one' WHERE visit = 1")
    assert clinic.extract(shards=shards).counts.notes == 2
    clinic.fill((3, "three"))
    folders = refused.value.remedy.rpartition("rm -rf ")[2].split()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    assert str(clinic.layout.cohort("chest")) in folders
    assert clinic.extract(shards=shards).counts.notes == 3


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7, 0.95])
def test_a_damaged_shard_is_never_taken_for_whole(clinic: Clinic, place: float) -> None:
    clinic.fill(*((number, f"note {number} " * 40) for number in range(200)))
    first = clinic.extract()
    path = clinic.layout.notes("chest", cut_name(3), "0001")
    data = bytearray(path.read_bytes())
    at = int(len(data) * place)
    data[at : at + 8] = bytes(byte ^ 0x55 for byte in data[at : at + 8])
    path.write_bytes(data)
    assert clinic.extract(shards=5).digest == first.digest
    assert {note.ids[0] for shard in shards_of(clinic, shards=5) for note in shard} == set(
        range(200)
    )


def test_rows_in_another_order_are_the_same_cohort(clinic: Clinic) -> None:
    clinic.fill(*((number, f"note {number % 7}") for number in range(20)))
    up = clinic.extract("up", query="SELECT visit, note FROM notes ORDER BY visit")
    down = clinic.extract("down", query="SELECT visit, note FROM notes ORDER BY visit DESC")
    assert up.shards == down.shards
    assert up.digest == down.digest


def test_the_manifest_says_what_was_read(clinic: Clinic) -> None:
    clinic.fill((1, "one"))
    clinic.extract()
    manifest = read_manifest(clinic.manifest())
    assert manifest.server == f"SQLite {sqlite3.sqlite_version}"
    assert manifest.query == "SELECT visit, note FROM notes"
    assert manifest.extracted_at.endswith("+00:00")
    frozen = read_frozen(clinic.layout.frozen("chest"))
    assert frozen
    assert frozen.model_dump(exclude={"cut"}) == manifest.model_dump(exclude={"shards"})
    assert (frozen.cut, frozen.counts.notes) == (3, 1)


@pytest.mark.parametrize("damage", ["{", "{}", ""])
def test_a_manifest_that_is_none_is_named(tmp_path: Path, damage: str) -> None:
    (tmp_path / "manifest.json").write_text(damage)
    with pytest.raises(NotemillError, match="no complete cohort manifest"):
        read_manifest(tmp_path / "manifest.json")
    with pytest.raises(NotemillError, match="no complete cohort manifest"):
        read_manifest(tmp_path / "absent.json")


def test_a_manifest_of_another_cohort_stops_an_answer_before_the_engine(clinic: Clinic) -> None:
    """Its rows would be loaded as the other cohort's."""
    clinic.fill((1, "one"))
    clinic.extract("other")
    job: Any = SimpleNamespace(manifest=clinic.manifest("other"), cohort="chest", run=None)
    with pytest.raises(NotemillError, match="manifest of cohort 'other', not of 'chest'"):
        answer_shard(job)
    write_task(clinic.folder / "tasks")
    planned = config(tasks=str(clinic.folder / "tasks"))
    (run,) = plan_runs(planned)
    assert load_of(run, "experiments", "other", clinic.manifest("other"), []).shards == []
    with pytest.raises(NotemillError, match="manifest of cohort 'other', not of 'chest'"):
        load_of(run, "experiments", "chest", clinic.manifest("other"), [])


def test_a_full_disk_leaves_nothing(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic.fill((1, "one"))
    monkeypatch.setattr("notemill.notes.extract._emptied", lambda aside: aside)
    shard = clinic.layout.cohort("chest") / ".aside" / "0001.parquet"
    full_disk(shard.with_name(f"{of_this_process('.0001.parquet.').replace('-', '.')}.partial"))
    with pytest.raises(NotemillError, match="no space is left") as refused:
        clinic.extract()
    assert refused.value.where == str(shard)
    assert clinic.left_behind() == []


def test_an_unwritable_results_folder_is_named(clinic: Clinic) -> None:
    clinic.fill((1, "one"))
    clinic.layout = type(clinic.layout)(Path("/sys/notemill"))
    with pytest.raises(NotemillError, match="can't be written") as refused:
        clinic.extract()
    assert "`results`" in refused.value.remedy


def test_what_a_killed_extract_left_is_cleared(clinic: Clinic) -> None:
    clinic.fill((1, "one"))
    for left in (".aside/.spool-lost-1/0", ".aside/0000.parquet", "cut-0007/notes/0000.parquet"):
        path = clinic.layout.cohort("chest") / left
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("rest")
    clinic.extract()
    assert not [name for name in clinic.left_behind() if "cut-0003" not in name and name[-1] == "t"]


def test_two_extracts_of_one_cohort_do_not_meet(clinic: Clinic) -> None:
    clinic.fill((1, "one"))
    clinic.extract()
    other = LockedFile(clinic.layout.cohort("chest") / ".lock")
    with pytest.raises(NotemillError, match="another job is extracting cohort 'chest'"):
        clinic.extract()
    other.close()
    clinic.extract()


def test_without_locks_a_lost_extract_is_told_with_the_file_to_delete(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "")

    clinic.fill((1, "one"))
    clinic.extract()
    marker = clinic.layout.cohort("chest") / ".lock.lock"
    marker.write_text('{"host": "elsewhere", "process": 1}')
    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(fcntl, "lockf", refuse)
    with pytest.raises(NotemillError, match="another job is extracting cohort 'chest'") as refused:
        clinic.extract()
    assert f"delete {marker}" in refused.value.remedy
    marker.unlink()
    clinic.extract()


ANY_NUMBER_OF_ROWS = (
    "WITH RECURSIVE c(visit) AS "
    "(SELECT 1 UNION ALL SELECT visit + 1 FROM c LIMIT 1 + abs(random()) % 100000) "
    "SELECT visit, 'x' AS note FROM c"
)


def test_another_number_of_rows_than_the_count_is_refused(clinic: Clinic) -> None:
    """A query that gives another number each time stands for a server that cuts results."""
    with pytest.raises(NotemillError, match="COUNT") as refused:
        clinic.extract(query=ANY_NUMBER_OF_ROWS)
    assert "sql_select_limit" in refused.value.remedy
    assert clinic.left_behind() == []


def test_a_count_that_takes_too_long_is_given_up_and_said(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("notemill.notes.rows._COUNT_S", 0)
    slow = (
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 500000) "
        "SELECT max(n) AS visit, 'x' AS note FROM c"
    )
    with caplog.at_level("WARNING", "notemill"):
        assert clinic.extract(query=slow).counts.notes == 1
    assert "were not compared with a COUNT" in caplog.text
