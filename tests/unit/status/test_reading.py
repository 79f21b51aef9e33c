"""notemill.status.reading: files read while jobs write them, and leaving no trace."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from notemill.errors import NotemillError
from notemill.paths import cut_name, journal, live
from notemill.status import gather as gathering
from notemill.status import reading as reading_module
from notemill.status.gather import gather
from notemill.status.reading import Reading
from tests.unit.status.results import Results, long_ago, only

OUT_OF_MEMORY = NotemillError("out of memory", where="the engine's log", remedy="fewer slots")


@pytest.mark.parametrize("skew_s", [-1800, 0, 1800])
def test_silence_is_told_by_the_file_servers_clock_alone(
    results: Results, monkeypatch: pytest.MonkeyPatch, skew_s: float
) -> None:
    """This host's clock is half an hour off; the files' stamps and the server's are not."""
    results.job("0000", "answered")
    long_ago(results.job("0001", "answered"), seconds=70)
    here = time.time() + skew_s
    monkeypatch.setattr(time, "time", lambda: here)
    states = {job.shard: job.state for job in only(results).jobs}
    assert states == {"0000": "running", "0001": "silent"}


def test_a_jobs_clock_that_is_off_makes_no_job_silent(results: Results) -> None:
    path = results.job("0000", "answered")
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"renewed_at": "2001-01-01T00:00:00Z"}))
    assert [job.state for job in only(results).jobs] == ["running"]


def test_where_nothing_may_be_written_this_hosts_clock_has_to_do(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago(results.job("0000", "answered"), seconds=70)

    def refused(**_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr("notemill.status.reading.tempfile.TemporaryFile", refused)
    assert [job.state for job in only(results).jobs] == ["silent"]


def test_a_look_leaves_nothing_behind(results: Results) -> None:
    results.job("0000", "answered")
    before = sorted(results.config.results.rglob("*"))
    results.status()
    assert sorted(results.config.results.rglob("*")) == before


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b"[]", b"{}", b"null", b'{"a": 1}'])
def test_garbage_is_counted_and_left_out(results: Results, content: bytes) -> None:
    results.job("0001", "answered")
    path = live(results.answers("0000"))
    path.write_bytes(content)
    status = results.status()
    assert (status.unreadable, status.experiments[0].shards.running) == (1, 1)
    results.layout.manifest("chest", cut_name(4)).write_bytes(content)
    status = results.status()
    assert (status.unreadable, status.experiments[0].texts) == (2, None)
    path.unlink()
    path.mkdir()
    assert results.status().unreadable == 2


def test_files_that_take_their_time_are_read_side_by_side_and_come_to_the_same(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shard in ("0000", "0001", "0002"):
        results.job(shard, "answered")
    live(results.answers("0003")).write_text("{")
    one_by_one = results.status()
    monkeypatch.setattr(reading_module, "_TRIED", 1)
    monkeypatch.setattr(reading_module, "_SLOW_S", 0)
    side_by_side = results.status()
    assert [status.unreadable for status in (one_by_one, side_by_side)] == [1, 1]
    jobs = [
        [(job.shard, job.state, job.answered) for job in status.experiments[0].jobs]
        for status in (one_by_one, side_by_side)
    ]
    assert jobs[0] == jobs[1]
    assert len(jobs[0]) == 3


def test_files_that_vanish_during_the_look_are_as_if_never_there(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    results.job("0000", "answered")
    results.result("0001")
    names = gathering.names_in

    def then_gone(folder: Path) -> set[str]:
        found = names(folder)
        shutil.rmtree(folder, ignore_errors=True)
        return found

    monkeypatch.setattr(gathering, "names_in", then_gone)
    status = results.status()
    assert status.experiments[0].shards.waiting == 4
    assert status.unreadable == 0


def test_what_can_not_change_is_read_once_and_what_changed_is_seen(results: Results) -> None:
    reading = Reading()

    def answered() -> int:
        (each,) = gather(results.config, results.runs, reading).experiments
        return each.answered

    results.result("0000")
    results.ends("0000", *["answered"] * 10)
    results.job("0001", "answered")
    assert answered() == 11
    live(results.answers("0000")).touch()
    results.job("0001", "answered", "answered")
    assert answered() == 12
    results.answers("0000").unlink()
    results.job("0000", "answered", "answered", "answered")
    assert answered() == 5


def test_the_status_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'pyarrow', 'sqlalchemy', 'pymysql', 'rich', 'pandas'}"
    code = f"import sys, notemill.status.gather; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_journal_is_never_touched(results: Results) -> None:
    results.journal("0000")
    results.job("0000", "answered")
    before = journal(results.answers("0000")).stat()
    results.status()
    assert journal(results.answers("0000")).stat() == before
