"""notemill.journal"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from notemill.errors import NotemillError
from notemill.journal import Journal, JournalKey, Outcome, now

KEY = JournalKey("cough-123", "d" * 64, "n" * 64)
OUTCOME = Outcome("answered", {"reason": "caf\xe9"}, "", 1, "", 20, 10, 0.5, "small 1", now())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers" / "0001.journal.jsonl"


def journal_of(path: Path, *texts: str, key: JournalKey = KEY) -> None:
    with Journal(path, key) as journal:
        for text in texts:
            journal.accept(text, OUTCOME)


def answers(path: Path, key: JournalKey = KEY) -> dict[str, Outcome]:
    with Journal(path, key) as journal:
        return journal.answers


def test_a_retry_finds_what_was_accepted(path: Path) -> None:
    journal_of(path, "a", "b")
    assert answers(path) == {"a": OUTCOME, "b": OUTCOME}
    journal_of(path, "c")
    assert list(answers(path)) == ["a", "b", "c"]


def test_runs_are_counted(path: Path) -> None:
    for number in (1, 2, 3):
        with Journal(path, KEY) as journal:
            assert journal.runs == number


def test_an_answer_is_on_disk_before_accept_returns(path: Path) -> None:
    with Journal(path, KEY) as journal:
        journal.accept("a", OUTCOME)
        assert json.loads(path.read_bytes().splitlines()[-1])["text"] == "a"


def test_it_is_the_owners_alone(path: Path) -> None:
    journal_of(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_kill_at_any_byte_costs_at_most_the_last_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a kill, no lost node: a thousand are slow
    journal_of(path, "a", "b")
    whole = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        lines = sum(end <= length for end in ends)
        whole_answers = ["a", "b"][: max(0, lines - 1)]
        with Journal(path, KEY) as journal:
            assert list(journal.answers) == whole_answers
            journal.accept("c", OUTCOME)
        assert list(answers(path)) == [*whole_answers, "c"]  # what comes after it is whole


def test_nothing_stays_of_a_long_line_that_was_cut(path: Path) -> None:
    journal_of(path, "a")
    path.write_bytes(path.read_bytes() + b"x" * 10_000)
    journal_of(path, "b")
    assert b"xx" not in path.read_bytes()
    assert list(answers(path)) == ["a", "b"]


@pytest.mark.parametrize("garbage", [b"\0\0\0\n", b"{}\n", b"[]\n", b"3\n", b'"x"\n', b"\xff\n"])
def test_what_is_no_line_of_it_ends_the_reading(path: Path, garbage: bytes) -> None:
    journal_of(path, "a")
    path.write_bytes(path.read_bytes() + garbage)
    journal_of(path, "b")
    assert list(answers(path)) == ["a", "b"]


@pytest.mark.parametrize("field", ["experiment", "model_digest", "notes_digest"])
def test_answers_under_another_key_are_not_reused(path: Path, field: str) -> None:
    other = replace(KEY, **{field: "other"})
    journal_of(path, "a")
    journal_of(path, "b", key=other)
    assert list(answers(path, other)) == ["b"]
    assert list(answers(path)) == ["a"]


def test_a_second_job_is_kept_off(path: Path) -> None:
    with Journal(path, KEY):
        with pytest.raises(NotemillError, match="another job is answering") as refused:
            Journal(path, KEY)
        assert refused.value.where == str(path)
        assert other_job(path) == 3
    assert other_job(path) == 0  # let in when the first has ended


def other_job(path: Path) -> int:
    """Exit status of another process that opens the journal."""
    return subprocess.run([sys.executable, "-c", OTHER_JOB, str(path)], check=False).returncode


OTHER_JOB = """
import sys
from notemill.errors import NotemillError
from notemill.journal import Journal, JournalKey
try:
    Journal(__import__("pathlib").Path(sys.argv[1]), JournalKey("", "", ""))
except NotemillError:
    sys.exit(3)
"""


def test_a_refused_job_changes_nothing(path: Path) -> None:
    with Journal(path, KEY) as journal:
        journal.accept("a", OUTCOME)
        before = path.read_bytes()
        with pytest.raises(NotemillError):
            Journal(path, replace(KEY, experiment="other"))
        assert path.read_bytes() == before


def test_an_unwritable_folder_is_named() -> None:
    with pytest.raises(NotemillError, match="can't be written"):
        Journal(Path("/sys/notemill/0001.journal.jsonl"), KEY)
