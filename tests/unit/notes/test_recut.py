"""Another number of shards for a cohort: its notes stay, its answers move."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notemill.answers.journal import JournalAtRest, write_journal
from notemill.answers.recut import JournaledAnswers
from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.notes.cut import write_cut
from notemill.notes.manifest import read_manifest
from notemill.notes.spool import ROW, Spool
from notemill.notes.text import read_text
from notemill.paths import Layout, cut_name, journal, shard_names
from tests.unit.conftest import Clinic
from tests.unit.notes.recuts import (
    EXPERIMENTS,
    NOTES,
    TEXTS,
    accepted,
    answers,
    cuts_on_disk,
    fill_journals,
    notes_in_force,
    spent,
)
from tests.unit.notes.shards import table

VISIT = [IdColumn(name="visit", kind="integer")]


@pytest.mark.parametrize("way", [[3], [3, 2], [1, 9, 2], [7, 2, 7]])
def test_answers_and_notes_are_the_same_in_any_cut(partly_answered: Clinic, way: list[int]) -> None:
    clinic = partly_answered
    before = answers(clinic.layout), spent(clinic.layout), notes_in_force(clinic)
    manifest = read_manifest(clinic.manifest())
    clinic.fill((99, "a new note"))  # the source grows, and no one looks
    for shards in way:
        recut = clinic.extract(shards=shards)
        assert (answers(clinic.layout), spent(clinic.layout), notes_in_force(clinic)) == before
        assert cuts_on_disk(clinic) == {cut_name(shards)}
        assert [entry.name for entry in recut.shards] == shard_names(shards)
        assert recut.model_dump(exclude={"shards"}) == manifest.model_dump(exclude={"shards"})
        assert not list(clinic.layout.answers_folder("chest").rglob("*.parquet"))
    clinic.extract(shards=2)
    assert read_manifest(clinic.manifest()) == manifest  # digests that result shards name, too


def test_a_shard_that_is_being_answered_keeps_the_cut(partly_answered: Clinic) -> None:
    clinic = partly_answered
    path = journal(clinic.layout.answers("chest", EXPERIMENTS[1], cut_name(2), "0001"))
    before = {name: (clinic.layout.results / name).read_bytes() for name in clinic.left_behind()}
    with JournalAtRest(path):
        with pytest.raises(NotemillError, match="another job is answering this shard") as refused:
            clinic.extract(shards=3)
    assert refused.value.where == str(path)
    after = {name: (clinic.layout.results / name).read_bytes() for name in clinic.left_behind()}
    assert after == before
    clinic.extract(shards=3)


def test_a_job_that_comes_in_between_keeps_the_cut_too(
    partly_answered: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = partly_answered
    monkeypatch.setattr(JournaledAnswers, "refuse_while_answered", lambda *_: None)
    path = journal(clinic.layout.answers("chest", EXPERIMENTS[1], cut_name(2), "0001"))
    manifest = clinic.manifest().read_bytes()
    before = answers(clinic.layout)
    with JournalAtRest(path), pytest.raises(NotemillError, match="another job is answering"):
        clinic.extract(shards=3)
    assert clinic.manifest().read_bytes() == manifest
    clinic.extract(shards=2)
    assert answers(clinic.layout) == before


def test_answers_outlive_a_cohort_that_was_half_given_up(partly_answered: Clinic) -> None:
    clinic = partly_answered
    before = answers(clinic.layout), spent(clinic.layout)
    shutil.rmtree(clinic.layout.cohort("chest"))
    clinic.fill((99, "a new note"))
    assert clinic.extract(shards=3).counts.notes == len(NOTES) + 1
    assert (answers(clinic.layout), spent(clinic.layout)) == before
    assert cuts_on_disk(clinic) == {cut_name(3)}


@pytest.mark.parametrize("shards", [2, 3, 4, 5])
def test_an_older_record_of_the_cut_in_force_loses_neither_notes_nor_answers(
    partly_answered: Clinic, shards: int
) -> None:
    """Brought back from a backup, as the message about a damaged one says."""
    clinic = partly_answered
    record = clinic.layout.frozen("chest")
    backup = record.read_text()
    before = answers(clinic.layout), spent(clinic.layout), notes_in_force(clinic)
    clinic.extract(shards=3)
    clinic.extract(shards=5)
    record.write_text(backup)
    clinic.fill((99, "a new note"))
    clinic.extract(shards=shards)
    assert (answers(clinic.layout), spent(clinic.layout), notes_in_force(clinic)) == before
    assert cuts_on_disk(clinic) == {cut_name(shards)}


def test_a_refused_recut_with_an_older_record_loses_no_answer(partly_answered: Clinic) -> None:
    clinic = partly_answered
    backup = clinic.layout.frozen("chest").read_text()
    before = answers(clinic.layout), spent(clinic.layout)
    clinic.extract(shards=5)
    clinic.layout.frozen("chest").write_text(backup)
    clinic.layout.notes("chest", cut_name(5), "0001").unlink()
    clinic.fill((99, "a new note"))
    with pytest.raises(NotemillError, match="notes that are not the same"):
        clinic.extract(shards=3)
    assert (answers(clinic.layout), spent(clinic.layout)) == before


def test_an_answer_in_a_journal_that_is_not_its_own_finds_its_shard(clinic: Clinic) -> None:
    clinic.fill(*NOTES)
    clinic.extract(shards=2)
    lines = [accepted(EXPERIMENTS[0], text, "x") for text in TEXTS]
    last = clinic.layout.answers("chest", EXPERIMENTS[0], cut_name(2), "0001")
    write_journal(journal(last), lines, {})
    clinic.extract(shards=4)
    assert answers(clinic.layout)[EXPERIMENTS[0]] == dict.fromkeys(TEXTS, "x")


@given(
    before=st.integers(1, 12),
    after=st.integers(1, 12),
    texts=st.sets(st.binary(min_size=32, max_size=32), max_size=30),
)
def test_every_answer_ends_in_its_texts_journal_once(
    tmp_path_factory: pytest.TempPathFactory, before: int, after: int, texts: set[bytes]
) -> None:
    layout = Layout(tmp_path_factory.mktemp("results"))
    fill_journals(layout, "chest", before, [text.hex() for text in texts])
    expected = answers(layout), spent(layout)
    if before != after:
        JournaledAnswers(layout, "chest").move(before=before, after=after)
        for folder in layout.answers_folder("chest").glob(f"*/{cut_name(before)}"):
            shutil.rmtree(folder)
    assert (answers(layout), spent(layout)) == expected


rows = st.lists(
    st.tuples(
        st.integers(-3, 3), st.none() | st.sampled_from(["", "a", "b"]) | st.text(max_size=2)
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[0],
)


def digest(folder: Path, rows: list[tuple[int, str | None]], shards: int) -> str:
    with Spool(folder) as spool:
        for visit, text in rows:
            spool.add(table(VISIT, ((visit,), text)))
        spool.done_adding()
        notes = (each.drop_columns(ROW) for each in spool.notes())
        return write_cut(folder, notes, shards, VISIT).digest


@settings(max_examples=25)
@given(rows=rows, shards=st.integers(1, 9), data=st.data())
def test_the_cohorts_digest_depends_on_every_value_and_on_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, str | None]],
    shards: int,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    same = digest(folder, rows, 1)
    assert digest(folder, data.draw(st.permutations(rows)), shards) == same
    which = data.draw(st.integers(0, len(rows) - 1))
    visit, text = rows[which]
    for other in ([], [(visit + 7, text)], [(visit, (text or "") + "x")], [(visit, text)] * 2):
        assert digest(folder, [*rows[:which], *other, *rows[which + 1 :]], shards) != same
    if text == "":
        assert digest(folder, [*rows[:which], (visit, None), *rows[which + 1 :]], shards) != same


def test_notes_out_of_their_order_are_no_cut(tmp_path: Path) -> None:
    """Damage that no checksum of a page and no hash of a text can tell."""
    notes = sorted(((n,), read_text(f"note {n}")) for n in range(9))
    ordered = sorted(notes, key=lambda row: row[1].sha256)
    for rows in ([*ordered[4:], *ordered[:4]], ordered[::-1]):
        tables = iter([table(VISIT, *rows[:5]), table(VISIT, *rows[5:])])
        with pytest.raises(NotemillError, match="not in their order"):
            write_cut(tmp_path / "cut", tables, 3, VISIT)
