"""notemill.answers.journal"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from notemill.answers import syncing
from notemill.answers.journal import Journal, accepted_so_far
from notemill.errors import NotemillError
from tests.unit.answers.journals import KEY, OUTCOME, A, B, C, answers, anything, journal_of


def test_a_retry_finds_what_was_accepted(path: Path) -> None:
    journal_of(path, A, B)
    assert answers(path) == {A: OUTCOME, B: OUTCOME}
    journal_of(path, C)
    assert list(answers(path)) == [A, B, C]


def test_runs_are_counted(path: Path) -> None:
    for number in (1, 2, 3):
        with Journal(path, KEY, anything) as journal:
            assert journal.jobs == number


def test_an_answer_is_on_disk_before_accept_returns(path: Path) -> None:
    with Journal(path, KEY, anything) as journal:
        journal.accept(A, OUTCOME)
        assert json.loads(path.read_bytes().splitlines()[-1])["text"] == A


def test_it_is_the_owners_alone(path: Path) -> None:
    journal_of(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("field", ["experiment", "model_digest"])
def test_answers_under_another_key_are_not_reused(path: Path, field: str) -> None:
    other = replace(KEY, **{field: "other"})
    journal_of(path, A)
    journal_of(path, B, key=other)
    assert list(answers(path, other)) == [B]
    assert list(answers(path)) == [A]


def test_an_unwritable_folder_is_named() -> None:
    with pytest.raises(NotemillError, match="can't be written"):
        Journal(Path("/sys/notemill/0001.journal.jsonl"), KEY, anything)


def test_what_all_runs_spent_is_added_up(path: Path) -> None:
    for _ in range(3):
        with Journal(path, KEY, anything) as journal:
            journal.spend(asked=2, tokens=30)
            journal.spend(asked=1)
    with Journal(path, KEY, anything) as journal:
        assert (journal.spent.asked, journal.spent.tokens) == (9, 90)
        assert journal.spent.seconds > 0
    with Journal(path, replace(KEY, model_digest="other"), anything) as journal:
        assert journal.spent.asked == 0


def test_a_killed_run_counts_up_to_its_last_line(path: Path) -> None:
    with Journal(path, KEY, anything, started=time.monotonic() - 100) as journal:
        journal.spend(asked=1, tokens=5)
        killed = path.read_bytes()
        journal.spend(asked=1, tokens=5)
    path.write_bytes(killed)
    with Journal(path, KEY, anything) as journal:
        assert (journal.spent.asked, journal.spent.tokens) == (1, 5)
        assert journal.spent.seconds >= 100


class Disk:
    """A disk whose syncs last until they are let go, or fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.release = threading.Event()
        self.begun = threading.Semaphore(0)
        self.refuses = False
        self.syncs = 0
        monkeypatch.setattr(os, "fsync", self.fsync)

    def fsync(self, _: int) -> None:
        self.syncs += 1
        self.begun.release()
        assert self.release.wait(30)
        if self.refuses:
            raise OSError(errno.ENOSPC, "No space left on device")


TEXTS = [f"{number:064x}" for number in range(1100)]


def test_a_disk_that_is_slow_to_sync_stops_no_one_and_costs_a_killed_job_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    with Journal(path, KEY, anything) as journal:
        for text in TEXTS[:500]:
            journal.accept(text, OUTCOME)
        assert disk.begun.acquire(timeout=30)
        assert [each.text_sha256 for each in accepted_so_far(path)] == TEXTS[:500]
        assert disk.syncs == 1
        disk.release.set()
    assert disk.syncs > 1  # what was written meanwhile
    assert list(answers(path)) == TEXTS[:500]


def test_a_lost_node_costs_a_bounded_number_of_answers_whatever_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    with Journal(path, KEY, anything) as journal:

        def accept_all() -> None:
            for text in TEXTS:
                journal.accept(text, OUTCOME)

        accepting = threading.Thread(target=accept_all)
        accepting.start()
        accepting.join(timeout=0.3)
        assert accepting.is_alive()
        assert len(list(accepted_so_far(path))) <= syncing.MOST
        disk.release.set()
        accepting.join()
    assert list(answers(path)) == TEXTS


@pytest.mark.parametrize("more", [0, 1, 200])
def test_what_a_disk_refuses_when_it_is_synced_ends_the_job(
    path: Path, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    """On NFS a full disk or quota shows at the sync alone."""
    disk = Disk(monkeypatch)
    disk.refuses = True
    with pytest.raises(NotemillError, match="no space is left") as refused:
        with Journal(path, KEY, anything) as journal:
            for text in TEXTS[:64]:
                journal.accept(text, OUTCOME)
            assert disk.begun.acquire(timeout=30)
            disk.release.set()
            for text in TEXTS[64 : 64 + more]:
                journal.accept(text, OUTCOME)
    assert refused.value.where == str(path)
