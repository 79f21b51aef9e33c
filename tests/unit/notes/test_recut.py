"""Another number of shards for a cohort: its notes stay, its answers move, whatever is killed."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notemill.answers.journal import Accepted, JournalAtRest, JournalKey, Spent, write_journal
from notemill.answers.outcome import Outcome
from notemill.answers.recut import JournaledAnswers
from notemill.database.keys import IdColumn
from notemill.errors import NotemillError
from notemill.notes.cut import read_cut, write_cut
from notemill.notes.manifest import read_frozen, read_manifest
from notemill.notes.shard import Note
from notemill.notes.spool import Spool
from notemill.notes.text import read_text, shard_of
from notemill.paths import Layout, cut_name, journal, shard_names, shards_of_cut
from tests.unit.conftest import Clinic

EXPERIMENTS = ["cough-0123456789ab", "fever-0123456789ab"]
VISIT = [IdColumn(name="visit", kind="integer")]
NOTES = [(number, f"note {number % 9}" if number else None) for number in range(12)]
TEXTS = sorted(hashlib.sha256(f"note {number}".encode()).hexdigest() for number in range(9))


def accepted(experiment: str, text: str, reason: str, model: str = "m") -> Accepted:
    answer = {"response": "yes", "reason": reason}
    outcome = Outcome(
        "answered", answer, "", 1, "", 20, 10, 0.5, "e 1", "2026-01-01T00:00:00+00:00"
    )
    return Accepted(JournalKey(experiment, model), text, outcome)


def fill_journals(layout: Layout, cohort: str, shards: int, texts: list[str]) -> None:
    """A partial run: answers of all experiments to these texts, with what each shard has cost."""
    for experiment in EXPERIMENTS:
        for number, shard in enumerate(shard_names(shards)):
            path = journal(layout.answers(cohort, experiment, cut_name(shards), shard))
            mine = [text for text in texts if shard_of(bytes.fromhex(text), shards) == number]
            lines = [accepted(experiment, text, f"{experiment} of {text}") for text in mine]
            if lines:
                spent = Spent(1.5, len(lines), 30 * len(lines))
                write_journal(path, lines, {JournalKey(experiment, "m"): spent})


def answers(layout: Layout, cohort: str = "chest") -> dict[str, dict[str, Any]]:
    """By experiment, reasons by text of the only cut there is; each text once, in its shard."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(layout.answers_folder(cohort).rglob("*.journal.jsonl")):
        experiment, cut = path.parts[-3:-1]
        for line in journal_lines(path):
            number = shard_of(bytes.fromhex(line.text_sha256), shards_of_cut(cut))
            assert path.name.startswith(f"{number:04d}.")
            assert line.text_sha256 not in found.setdefault(experiment, {})
            assert line.outcome.answer
            found[experiment][line.text_sha256] = line.outcome.answer["reason"]
    return found


def journal_lines(path: Path) -> list[Accepted]:
    with JournalAtRest(path) as at_rest:
        return list(at_rest.accepted())


def spent(layout: Layout, cohort: str = "chest") -> Counter[str]:
    """What the answers of the only cut have cost, by experiment and kind."""
    total: Counter[str] = Counter()
    for path in layout.answers_folder(cohort).rglob("*.journal.jsonl"):
        with JournalAtRest(path) as at_rest:
            for key, cost in at_rest.spent().items():
                for name, value in vars(cost).items():
                    total[f"{key.experiment} {name}"] += value
    return total


def notes_in_force(clinic: Clinic) -> list[Note]:
    """All notes of the cut in force, each held to its hash, in order."""
    frozen = read_frozen(clinic.layout.frozen("chest"))
    assert frozen
    folder = clinic.layout.notes_folder("chest", cut_name(frozen.cut))
    return list(read_cut(folder, frozen.cut, frozen.id_columns))


def cuts_on_disk(clinic: Clinic) -> set[str]:
    return {
        part
        for name in clinic.left_behind()
        for part in Path(name).parts
        if part.startswith(("cut-", ".aside"))
    }


@pytest.fixture
def partly_answered(clinic: Clinic) -> Clinic:
    """Two experiments, seven of nine texts answered, one shard of each finished."""
    clinic.fill(*NOTES)
    clinic.extract(shards=2)
    fill_journals(clinic.layout, "chest", 2, TEXTS[:7])
    for experiment in EXPERIMENTS:
        clinic.layout.answers("chest", experiment, cut_name(2), "0000").write_text("rows")
    return clinic


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


def digest(folder: Path, table: list[tuple[int, str | None]], shards: int) -> str:
    with Spool(folder) as spool:
        for sequence, (visit, text) in enumerate(table):
            spool.add(sequence, (visit,), read_text(text))
        spool.done_adding()
        return write_cut(folder, (note for _, note in spool.notes()), shards, VISIT).digest


@settings(max_examples=25)
@given(table=rows, shards=st.integers(1, 9), data=st.data())
def test_the_cohorts_digest_depends_on_every_value_and_on_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[tuple[int, str | None]],
    shards: int,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    same = digest(folder, table, 1)
    assert digest(folder, data.draw(st.permutations(table)), shards) == same
    which = data.draw(st.integers(0, len(table) - 1))
    visit, text = table[which]
    for other in ([], [(visit + 7, text)], [(visit, (text or "") + "x")], [(visit, text)] * 2):
        assert digest(folder, [*table[:which], *other, *table[which + 1 :]], shards) != same
    if text == "":
        assert digest(folder, [*table[:which], (visit, None), *table[which + 1 :]], shards) != same


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that it wrote; what a lost node loses is not tested here."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def extract_until(folder: Path, shards: int, changes: int) -> None:
    """Extract, and die by SIGKILL just before this process changes the disk once more."""
    left = changes

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in CHANGES or (event == "open" and arguments[2] & WRITES):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    clinic = Clinic(folder)
    sys.addaudithook(count)
    clinic.extract(shards=shards)


def killed(folder: Path, shards: int) -> Iterator[Path]:
    """Copies of the folder, each left by an extract that was killed one change later."""
    context = multiprocessing.get_context("fork")
    ended, changes = False, 0
    while not ended:
        copy = folder.with_name(f"killed-{changes}")
        shutil.copytree(folder, copy)
        process = context.Process(target=extract_until, args=(copy, shards, changes))
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        ended = process.exitcode == 0
        changes += 1
        yield copy
        shutil.rmtree(copy)
    assert changes > 20


def test_killed_at_any_moment_one_cut_is_whole(partly_answered: Clinic, quick_disk: None) -> None:
    clinic = partly_answered
    before = answers(clinic.layout), spent(clinic.layout)
    notes = notes_in_force(clinic)
    in_force = set()
    for folder in killed(clinic.folder, shards=3):
        left = Clinic(folder)
        left.fill((99, "a new note"))
        assert notes_in_force(left) == notes
        in_force.add(left.cut())
        for shards in (2, 3):
            again = folder.with_name(f"{folder.name}-{shards}")
            shutil.copytree(folder, again)
            rerun = Clinic(again)
            rerun.extract(shards=shards)
            assert (answers(rerun.layout), spent(rerun.layout)) == before
            assert notes_in_force(rerun) == notes
            assert cuts_on_disk(rerun) == {cut_name(shards)}
            shutil.rmtree(again)
    assert in_force == {cut_name(2), cut_name(3)}


def test_killed_while_it_mends_a_lost_shard_the_cohort_stays_whole(
    partly_answered: Clinic, quick_disk: None
) -> None:
    clinic = partly_answered
    before = answers(clinic.layout), spent(clinic.layout)
    notes = notes_in_force(clinic)
    clinic.layout.notes("chest", cut_name(2), "0001").unlink()
    for folder in killed(clinic.folder, shards=2):
        left = Clinic(folder)
        left.extract(shards=2)
        assert (answers(left.layout), spent(left.layout)) == before
        assert notes_in_force(left) == notes
        assert cuts_on_disk(left) == {cut_name(2)}


def test_killed_in_its_first_reading_nothing_is_taken_for_a_cohort(
    clinic: Clinic, quick_disk: None
) -> None:
    clinic.fill(*NOTES)
    for folder in killed(clinic.folder, shards=2):
        left = Clinic(folder)
        left.fill((99, "a new note"))
        fresh = not left.layout.frozen("chest").exists()
        assert left.extract(shards=3).counts.notes == len(NOTES) + fresh
        assert cuts_on_disk(left) == {cut_name(3)}
