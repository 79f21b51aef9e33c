"""notemill.answers.journal"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.journal import (
    Accepted,
    Journal,
    JournalAtRest,
    JournalKey,
    Spent,
    write_journal,
)
from notemill.answers.outcome import Outcome
from notemill.clock import now
from notemill.errors import NotemillError
from tests.unit.conftest import names_in

KEY = JournalKey("cough-123", "d" * 64)
A, B, C = ("a" * 64, "b" * 64, "c" * 64)
OUTCOME = Outcome("answered", {"reason": "caf\xe9"}, "", 1, "", 20, 10, 0.5, "small 1", now())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers" / "0001.journal.jsonl"


def anything(answer: dict[str, Any]) -> bool:
    """A schema that takes every answer."""
    return True


def set_aside(path: Path) -> bytes:
    rejected = path.with_name("0001.journal.rejected.jsonl")
    return rejected.read_bytes() if rejected.exists() else b""


def journal_of(path: Path, *texts: str, key: JournalKey = KEY) -> None:
    with Journal(path, key, anything) as journal:
        for text in texts:
            journal.accept(text, OUTCOME)


def answers(path: Path, key: JournalKey = KEY) -> dict[str, Outcome]:
    with Journal(path, key, anything) as journal:
        return journal.answers


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


@pytest.mark.parametrize("field", ["experiment", "model_digest"])
def test_answers_under_another_key_are_not_reused(path: Path, field: str) -> None:
    other = replace(KEY, **{field: "other"})
    journal_of(path, A)
    journal_of(path, B, key=other)
    assert list(answers(path, other)) == [B]
    assert list(answers(path)) == [A]


def test_a_second_job_is_kept_off(path: Path) -> None:
    with Journal(path, KEY, anything):
        with pytest.raises(NotemillError, match="another job is answering") as refused:
            Journal(path, KEY, anything)
        assert refused.value.where == str(path)
        assert other_job(path) == 3
    assert other_job(path) == 0  # let in when the first has ended


def other_job(path: Path, before: str = "", end: str = "") -> int:
    """Exit status of another process that opens the journal; before, end: its further lines."""
    program = before + OTHER_JOB + end
    return subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode


OTHER_JOB = """
import os
import sys
from pathlib import Path
from notemill.errors import NotemillError
from notemill.answers.journal import Journal, JournalKey
try:
    journal = Journal(Path(sys.argv[1]), JournalKey("", ""), lambda answer: True)
except NotemillError:
    sys.exit(3)
"""


def test_a_refused_job_changes_nothing(path: Path) -> None:
    with Journal(path, KEY, anything) as journal:
        journal.accept(A, OUTCOME)
        before = path.read_bytes()
        with pytest.raises(NotemillError):
            Journal(path, replace(KEY, experiment="other"), anything)
        assert path.read_bytes() == before


def test_an_unwritable_folder_is_named() -> None:
    with pytest.raises(NotemillError, match="can't be written"):
        Journal(Path("/sys/notemill/0001.journal.jsonl"), KEY, anything)


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that knows neither flock nor POSIX locks, as some Lustre mounts."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(fcntl, "lockf", refuse)


NO_LOCKS = """
import errno
import fcntl
def refuse(*_):
    raise OSError(errno.EOPNOTSUPP, "")
fcntl.flock = fcntl.lockf = refuse
"""


@pytest.mark.usefixtures("without_locks")
def test_without_locks_a_file_keeps_the_second_job_off(path: Path) -> None:
    with Journal(path, KEY, anything) as journal:
        journal.accept(A, OUTCOME)
        with pytest.raises(NotemillError, match="another job is answering") as refused:
            Journal(path, KEY, anything)
        assert f"process {os.getpid()}" in refused.value.remedy
        assert str(path) + ".lock" in refused.value.remedy
        assert other_job(path, NO_LOCKS) == 3
    assert names_in(path.parent) == [path.name]
    assert other_job(path, NO_LOCKS, end="journal.__exit__(None, None, None)") == 0
    assert list(answers(path)) == [A]


@pytest.mark.usefixtures("without_locks")
def test_without_locks_a_killed_job_of_this_host_does_not_keep_others_off(path: Path) -> None:
    assert other_job(path, NO_LOCKS, end="os._exit(7)") == 7
    assert (path.parent / f"{path.name}.lock").exists()
    journal_of(path, A)
    assert names_in(path.parent) == [path.name]


@pytest.mark.usefixtures("without_locks")
@pytest.mark.parametrize(
    "holder", ['{"host": "elsewhere", "slurm_job": "7", "process": 1}', "", "[]", '{"process": 1}']
)
def test_without_locks_a_job_of_another_host_keeps_others_off(path: Path, holder: str) -> None:
    path.parent.mkdir()
    marker = path.parent / f"{path.name}.lock"
    marker.write_text(holder)
    with pytest.raises(NotemillError, match="another job is answering") as refused:
        Journal(path, KEY, anything)
    assert f"delete {marker}" in refused.value.remedy
    assert marker.read_text() == holder


def test_posix_locks_do_where_there_is_no_flock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Journal(path, KEY, anything):
        assert other_job(path, "import fcntl\nfcntl.flock = fcntl.lockf\n") == 3
        assert names_in(path.parent) == [path.name]
    assert other_job(path) == 0


def test_a_lock_service_that_is_away_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(NotemillError, match="gives no lock on this host") as refused:
        Journal(path, KEY, anything)
    assert str(path) in str(refused.value)


def test_a_journal_that_was_replaced_meanwhile_is_opened_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking another job may set lines aside and put a new file there."""
    journal_of(path, A)
    real = fcntl.flock
    replaced: list[bool] = []

    def slow(file: Any, how: int) -> None:
        if not replaced:
            replaced.append(True)
            write_journal(path, [Accepted(KEY, B, OUTCOME)], {})
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    assert list(answers(path)) == [B]


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


def test_a_cost_that_can_not_be_is_set_aside(path: Path) -> None:
    journal_of(path, A)
    bad = b'{"spent": {"seconds": -5.0, "asked": 1, "tokens": 1}, "job": 1}\n'
    path.write_bytes(path.read_bytes() + bad)
    with Journal(path, KEY, anything) as journal:
        assert journal.spent.seconds >= 0
    assert set_aside(path) == bad


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
