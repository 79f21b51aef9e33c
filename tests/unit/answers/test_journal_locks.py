"""A journal is one job's at a time, whatever locks its file system has."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from notemill.answers.journal import Accepted, Journal, write_journal
from notemill.errors import NotemillError
from notemill.leftovers import started
from tests.unit.answers.journals import KEY, OUTCOME, A, B, answers, anything, journal_of, other_job
from tests.unit.conftest import names_in


def test_a_second_job_is_kept_off(path: Path) -> None:
    with Journal(path, KEY, anything):
        with pytest.raises(NotemillError, match="another job is answering") as refused:
            Journal(path, KEY, anything)
        assert refused.value.where == str(path)
        assert other_job(path) == 3
    assert other_job(path) == 0  # let in when the first has ended


def test_a_refused_job_changes_nothing(path: Path) -> None:
    with Journal(path, KEY, anything) as journal:
        journal.accept(A, OUTCOME)
        before = path.read_bytes()
        with pytest.raises(NotemillError):
            Journal(path, replace(KEY, experiment="other"), anything)
        assert path.read_bytes() == before


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
def test_without_locks_a_process_that_has_a_dead_holders_number_keeps_no_one_off(
    path: Path,
) -> None:
    path.parent.mkdir()
    marker = path.parent / f"{path.name}.lock"
    holder = {"host": platform.node(), "process": os.getpid(), "started": 1}
    marker.write_text(json.dumps(holder))
    journal_of(path, A)
    assert names_in(path.parent) == [path.name]
    marker.write_text(json.dumps(holder | {"started": started(os.getpid())}))
    with pytest.raises(NotemillError, match="another job is answering"):
        Journal(path, KEY, anything)


@pytest.mark.usefixtures("without_locks")
def test_without_locks_a_container_of_the_same_name_keeps_others_off(path: Path) -> None:
    """Its processes have numbers of their own, which say nothing here."""
    path.parent.mkdir()
    holder = {"host": platform.node(), "process": 2**22 - 1, "started": 1}
    elsewhere = holder | {"space": f"{platform.node()}-4026532281-0a1b2c3d"}
    path.with_name(f"{path.name}.lock").write_text(json.dumps(elsewhere))
    with pytest.raises(NotemillError, match="another job is answering"):
        Journal(path, KEY, anything)


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
