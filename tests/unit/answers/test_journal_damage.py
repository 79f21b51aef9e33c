"""Journals with lines that were cut, changed or lost: what is whole is kept, the rest set aside."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.journal import Journal
from notemill.errors import NotemillError
from tests.unit.answers.journals import (
    KEY,
    OUTCOME,
    A,
    B,
    C,
    answers,
    anything,
    journal_of,
    other_job,
    set_aside,
)
from tests.unit.conftest import names_in


def test_a_disk_that_fills_up_is_named(path: Path) -> None:
    with pytest.raises(NotemillError, match="no space is left") as refused:
        with Journal(path, KEY, anything) as journal, open("/dev/full", "wb") as full:
            journal.accept(A, OUTCOME)
            os.dup2(full.fileno(), journal._locked.file.fileno())
            journal.accept(B, OUTCOME)
    assert refused.value.where == str(path)
    assert set(answers(path)) == {A}


def test_a_kill_at_any_byte_costs_at_most_the_last_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a kill, no lost node: a thousand are slow
    journal_of(path, A, B)
    whole = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        lines = sum(end <= length for end in ends)
        whole_answers = [A, B][: max(0, lines - 1)]
        with Journal(path, KEY, anything) as journal:
            assert list(journal.answers) == whole_answers
            journal.accept(C, OUTCOME)
        assert list(answers(path)) == [*whole_answers, C]  # what comes after it is whole


def test_nothing_stays_of_a_long_line_that_was_cut(path: Path) -> None:
    journal_of(path, A)
    path.write_bytes(path.read_bytes() + b"x" * 10_000)
    journal_of(path, B)
    assert b"xx" not in path.read_bytes()
    assert list(answers(path)) == [A, B]


GARBAGE = [b"\0\0\0\n", b"{}\n", b"[]\n", b"3\n", b'"x"\n', b"\xff\n", b"[" * 9000 + b"\n"]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_one_bad_line_is_set_aside_and_the_good_ones_behind_it_are_kept(
    path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [f"{number:064x}" for number in range(100)]
    journal_of(path, *texts)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], garbage, *lines[4:]]))
    assert list(answers(path)) == texts
    assert set_aside(path) == garbage
    assert garbage not in path.read_bytes()
    assert "1 of the journal's 103 lines" in caplog.text
    caplog.clear()
    assert list(answers(path)) == texts
    assert not caplog.text  # it is told once


def damaged(path: Path, **changes: Any) -> bytes:
    """Change the second of three answers' lines; returns it as it stands now."""
    journal_of(path, A, B, C)
    lines = path.read_bytes().splitlines(keepends=True)
    place = next(n for n, line in enumerate(lines) if B.encode() in line)
    values = json.loads(lines[place]) | changes
    kept = {name: value for name, value in values.items() if value is not ...}
    lines[place] = json.dumps(kept).encode() + b"\n"
    path.write_bytes(b"".join(lines))
    return lines[place]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "schema"},
        {"status": "schema", "answer": None},
        {"answer": None},
        {"answer": ["yes"]},
        {"text": "b"},
        {"text": B.upper()},
        {"text": 7},
        {"attempts": "1"},
        {"attempts": True},
        {"attempts": 2**31},
        {"prompt_tokens": -1},
        {"prompt_tokens": 20.5},
        {"seconds": "0.5"},
        {"seconds": float("nan")},
        {"answered_at": "yesterday"},
        {"answered_at": "2026-01-01T00:00:00"},
        {"engine": None},
        {"engine": ...},
        {"further": 1},
        {"job": 2},
        {"job": ...},
    ],
    ids=str,
)
def test_a_line_that_is_no_accepted_answer_is_set_aside(
    path: Path, changes: dict[str, Any]
) -> None:
    bad = damaged(path, **changes)
    assert list(answers(path)) == [A, C]
    assert set_aside(path) == bad


def test_an_answer_that_the_schema_does_not_take_is_not_reused(path: Path) -> None:
    bad = damaged(path, answer={"reason": "(1) Banana"})
    with Journal(path, KEY, lambda answer: answer["reason"] != "(1) Banana") as journal:
        assert list(journal.answers) == [A, C]
    assert set_aside(path) == bad


def test_answers_whose_runs_start_is_lost_are_given_to_no_other_run(path: Path) -> None:
    """Another model answered them, perhaps; nobody can say."""
    other = replace(KEY, model_digest="e" * 64)
    journal_of(path, A)
    journal_of(path, B, key=other)
    journal_of(path, C)
    lines = path.read_bytes().splitlines(keepends=True)
    starts = [n for n, line in enumerate(lines) if b'"key"' in line]
    lines[starts[1]] = b"\0" * 40 + b"\n"
    path.write_bytes(b"".join(lines))
    with Journal(path, KEY, anything) as journal:
        assert list(journal.answers) == [A, C]
        assert journal.jobs == 4
    assert list(answers(path, other)) == []
    assert B.encode() in set_aside(path)


def test_a_job_that_sets_lines_aside_still_keeps_others_off(path: Path) -> None:
    damaged(path, status="schema")
    with Journal(path, KEY, anything) as journal:
        assert other_job(path) == 3
        journal.accept(B, OUTCOME)
    assert list(answers(path)) == [A, C, B]


def test_what_is_set_aside_is_the_owners_alone(path: Path) -> None:
    old = os.umask(0)
    try:
        damaged(path, status="schema")
        journal_of(path)
    finally:
        os.umask(old)
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}
    assert names_in(path.parent) == ["0001.journal.jsonl", "0001.journal.rejected.jsonl"]


def test_a_cost_that_can_not_be_is_set_aside(path: Path) -> None:
    journal_of(path, A)
    bad = b'{"spent": {"seconds": -5.0, "asked": 1, "tokens": 1}, "job": 1}\n'
    path.write_bytes(path.read_bytes() + bad)
    with Journal(path, KEY, anything) as journal:
        assert journal.spent.seconds >= 0
    assert set_aside(path) == bad
