"""A cut that is killed at any moment: one is whole, and the next run mends the rest."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from notemill.paths import cut_name
from tests.unit.conftest import Clinic
from tests.unit.notes.recuts import NOTES, answers, cuts_on_disk, notes_in_force, spent


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
    for folder, shards in zip(killed(clinic.folder, shards=3), cycle((2, 3)), strict=False):
        left = Clinic(folder)
        left.fill((99, "a new note"))
        assert notes_in_force(left) == notes
        in_force.add(left.cut())
        left.extract(shards=shards)
        assert (answers(left.layout), spent(left.layout)) == before
        assert notes_in_force(left) == notes
        assert cuts_on_disk(left) == {cut_name(shards)}
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
