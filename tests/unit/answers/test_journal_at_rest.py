"""Journals whose lines move into another journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from notemill.answers.journal import (
    Journal,
    JournalAtRest,
    Spent,
    accepted_so_far,
    write_journal,
)
from tests.unit.answers.journals import KEY, OUTCOME, A, B, C, anything, other_job, set_aside


def test_answers_and_their_cost_move_into_another_journal(path: Path) -> None:
    other = replace(KEY, model_digest="e" * 64)
    for key, text in ((KEY, A), (other, B), (KEY, C)):
        with Journal(path, key, anything) as journal:
            journal.accept(text, OUTCOME)
            journal.spend(asked=1, tokens=30)
    new = path.with_name("0002.journal.jsonl")
    with JournalAtRest(path) as rest:
        assert other_job(path) == 3
        spent = rest.spent()
        write_journal(new, sorted(rest.accepted(), key=lambda each: each.key), spent)
    assert other_job(path) == 0
    for key, texts in ((KEY, [A, C]), (other, [B])):
        with Journal(new, key, anything) as journal:
            assert sorted(journal.answers) == texts
            assert all(outcome == OUTCOME for outcome in journal.answers.values())
            assert (journal.spent.asked, journal.spent.tokens) == (len(texts), 30 * len(texts))
            assert journal.spent.seconds >= spent[key].seconds
    assert set_aside(new) == b""


def test_a_cost_without_an_answer_moves_too(path: Path) -> None:
    write_journal(path, [], {KEY: Spent(2.5, 1, 8)})
    with Journal(path, KEY, anything) as journal:
        assert (journal.spent.asked, journal.spent.tokens) == (1, 8)
        assert journal.spent.seconds >= 2.5


def test_a_journal_is_read_while_a_job_writes_it(path: Path) -> None:
    assert list(accepted_so_far(path)) == []
    assert not path.parent.exists()
    with Journal(path, KEY, anything) as journal:
        journal.accept(A, OUTCOME)
        with path.open("ab") as line_of_the_moment:
            line_of_the_moment.write(b'{"text": "')
        before = path.read_bytes()
        assert [(each.key, each.outcome) for each in accepted_so_far(path)] == [(KEY, OUTCOME)]
        assert path.read_bytes() == before
