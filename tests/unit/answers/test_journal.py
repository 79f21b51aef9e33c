"""notemill.answers.journal"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from notemill.answers.journal import Journal
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
