"""notemill.notes.extract on SQLite; on MariaDB: tests/servers."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notemill.errors import NotemillError
from notemill.notes import conflicts, spool
from notemill.notes import rows as module
from notemill.notes.manifest import read_frozen, read_manifest
from notemill.notes.text import TextState, read_text
from tests.unit.conftest import Clinic
from tests.unit.notes.shards import notes_of, shards_of

INVALID = b"caf\xe9 au lait"


visits = st.integers(0, 8)
texts = st.none() | st.sampled_from(["", "  ", "cough", "Cough", INVALID]) | st.text(max_size=3)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several parts of the spool, as a large table takes."""
    monkeypatch.setattr(spool, "_PART_BYTES", 300)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 3)


@given(rows=st.lists(st.tuples(visits, texts), min_size=1, max_size=25), last=st.booleans())
@settings(max_examples=20)
def test_every_row_of_the_query_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, Any]], last: bool
) -> None:
    clinic = Clinic(tmp_path_factory.mktemp("clinic"))
    clinic.run("INSERT INTO notes VALUES (?, CAST(? AS TEXT))", rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "_PART_BYTES", 300)  # several parts, as a large table takes
        patch.setattr(module, "ROWS_AT_ONCE", 3)
        patch.setattr(spool, "_ROWS_A_RUN", 4)
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


def test_digests_are_those_of_cohorts_that_were_frozen_before(
    clinic: Clinic, small_parts: None
) -> None:
    """Made from this table when extract still went row by row."""
    texts = [
        None,
        "",
        " \t",
        "note {n}",
        b"caf\xe9",
        "\N{GRINNING FACE} &nbsp;",
        "&nbsp;\u200b",
        "x",
    ]
    rows = [(number % 40 - 3, text_of(number, texts[number % 8])) for number in range(120)]
    clinic.run("INSERT INTO notes VALUES (?, CAST(? AS TEXT))", rows)
    first = clinic.extract("first", same_id_different_text="first")
    assert first.digest == "350d4b5a466bb853ebc3ccdb05ad1d446e27d9ec1a5c9389b99d289c703219b7"
    assert [entry.digest[:12] for entry in first.shards] == [
        "5c84f890784c",
        "303689bd0f8c",
        "6b2f2a6c6363",
    ]
    last = clinic.extract(
        "last",
        query="SELECT visit || 'a' AS visit, x'00ff' AS part, note FROM notes",
        id_columns=["visit", "part"],
        same_id_different_text="last",
    )
    assert last.digest == "012ab306eaf765ad1462b72dfe850345e12a4d03340eb36a566f4644f161b795"
    assert [(entry.digest[:12], entry.notes, entry.texts) for entry in last.shards] == [
        ("74af764cd8cd", 6, 6),
        ("0dede4055152", 8, 3),
        ("0337952b02f4", 26, 7),
    ]


def text_of(number: int, text: str | bytes | None) -> str | bytes | None:
    """A text of the eight kinds, which repeats after a while."""
    if isinstance(text, bytes):
        return text + b" %d" % (number % 5)
    if text == "x":
        return text * (number * 7)
    return text and text.replace("{n}", str(number % 11))


def test_ids_may_have_any_name_that_is_not_a_shards_own(clinic: Clinic) -> None:
    clinic.fill((1, "one"), (2, "two"), (1, "one"))
    query = "SELECT visit AS sequence, 7 AS part, 'a' AS size, visit AS row, note FROM notes"
    manifest = clinic.extract(query=query, id_columns=["sequence", "part", "size", "row"])
    notes = [note.ids for shard in shards_of(clinic) for note in shard]
    assert sorted(notes) == [(1, 7, "a", 1), (2, 7, "a", 2)]
    assert manifest.counts.collapsed == 1


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
