"""notemill.engines.staging: a model on the node's own disk, for all of a user's jobs there."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from notemill.config.every_engine import Stage
from notemill.engines import staging
from notemill.engines.staging import Interrupted, Part, leave_all, staged
from notemill.errors import EngineRefused, NotemillError
from tests.unit.conftest import names_in

WEIGHTS = b"GGUF" + b"weights " * 100_000


@pytest.fixture(autouse=True)
def left() -> Iterator[None]:
    yield
    leave_all()


@pytest.fixture
def part(tmp_path: Path) -> Part:
    source = tmp_path / "store" / "m.gguf"
    source.parent.mkdir()
    source.write_bytes(WEIGHTS)
    return Part(source, "blobs/m.gguf", hashlib.sha256(WEIGHTS).hexdigest())


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "disk"


def own(disk: Path) -> Path:
    return disk / f"notemill-{os.getuid()}"


def test_the_copy_is_whole_private_and_gone_when_the_last_one_leaves(
    part: Part, disk: Path
) -> None:
    folder = staged([part], "m", Stage(to=str(disk)))
    copy = folder / "blobs" / "m.gguf"
    assert copy.read_bytes() == WEIGHTS
    for path in (own(disk), folder, copy):
        assert path.stat().st_mode & 0o077 == 0
    assert staged([part], "m", Stage(to=str(disk))) == folder
    leave_all()
    assert names_in(own(disk)) == []


def test_one_that_is_kept_stays_and_is_copied_once(part: Part, disk: Path) -> None:
    keep = Stage(to=str(disk), keep=True)
    folder = staged([part], "m", keep)
    leave_all()
    assert (folder / "blobs" / "m.gguf").read_bytes() == WEIGHTS
    part.source.unlink()
    assert staged([part], "m", keep) == folder
    leave_all()
    assert staged([part], "m", Stage(to=str(disk))) == folder
    leave_all()
    assert folder.exists(), "another experiment's choice"


def test_a_variable_of_the_site_names_the_place(
    part: Part, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotemillError, match="no folder here") as refused:
        staged([part], "m", Stage(to="$NOTEMILL_NOSUCH/x"))
    assert "stage.to" in (refused.value.where or "")
    monkeypatch.setenv("SLURM_TMPDIR", str(disk))
    assert staged([part], "m", Stage(to="$SLURM_TMPDIR")).parent == own(disk)


def test_weights_that_are_not_the_records_are_refused_and_nothing_is_left(
    part: Part, disk: Path
) -> None:
    part.source.write_bytes(WEIGHTS + b"!")
    with pytest.raises(EngineRefused, match="sha256 of the copy"):
        staged([part], "m", Stage(to=str(disk)))
    assert [name for name in names_in(own(disk)) if not name.endswith(".lock")] == []


def test_a_full_disk_is_told_before_anything_is_copied(
    part: Part, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    with pytest.raises(NotemillError, match=r"takes 0\.0 GiB, and 0\.0 GiB are free") as refused:
        staged([part], "m", Stage(to=str(disk)))
    assert "stage" in refused.value.remedy
    assert names_in(own(disk)) == ["m.lock"]


def test_another_users_folder_of_that_name_is_refused(part: Part, disk: Path) -> None:
    disk.mkdir()
    (disk / "elsewhere").mkdir()
    own(disk).symlink_to(disk / "elsewhere")
    with pytest.raises(NotemillError, match="not yours"):
        staged([part], "m", Stage(to=str(disk)))
    assert names_in(disk / "elsewhere") == []


def test_an_interrupted_copy_leaves_nothing_half(part: Part, disk: Path) -> None:
    class Stop:
        def is_set(self) -> bool:
            return True

    stop: Any = Stop()
    with pytest.raises(Interrupted):
        staged([part], "m", Stage(to=str(disk)), stop)
    assert names_in(own(disk)) == ["m.lock"]


JOB = """
import hashlib, sys, time
from pathlib import Path
from notemill.config.every_engine import Stage
from notemill.engines import staging

source, disk, name, how = sys.argv[1:]
if how == "slow":
    real = staging._copy_one
    def slow(part, to, stop):
        real(part, to, stop)
        print("copied", flush=True)
        time.sleep(600)
    staging._copy_one = slow
digest = hashlib.sha256(Path(source).read_bytes()).hexdigest()
part = staging.Part(Path(source), "blobs/m.gguf", digest)
folder = staging.staged([part], name, Stage(to=disk))
print((folder / "blobs/m.gguf").stat().st_ino, flush=True)
sys.stdin.readline()
"""


def other_job(part: Part, disk: Path, name: str = "m", how: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", JOB, str(part.source), str(disk), name, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(job: subprocess.Popen[str]) -> str:
    assert job.stdout
    return job.stdout.readline().strip()


def test_jobs_of_a_node_share_one_copy_and_the_last_one_removes_it(part: Part, disk: Path) -> None:
    jobs = [other_job(part, disk) for _ in range(3)]
    try:
        assert len({said(job) for job in jobs}) == 1
        folder = staged([part], "m", Stage(to=str(disk)))
        for job in jobs:
            job.communicate("\n")
            assert (folder / "blobs" / "m.gguf").exists()
        leave_all()
        assert names_in(own(disk)) == []
    finally:
        for job in jobs:
            job.kill()


def test_a_copy_that_was_killed_half_way_is_never_used(part: Part, disk: Path) -> None:
    job = other_job(part, disk, how="slow")
    try:
        assert said(job) == "copied"
    finally:
        job.send_signal(signal.SIGKILL)
        job.wait()
    assert names_in(own(disk)) == ["m.lock", "m.partial"]
    (own(disk) / "m.partial" / "blobs" / "m.gguf").write_bytes(b"half")
    folder = staged([part], "m", Stage(to=str(disk)))
    assert (folder / "blobs" / "m.gguf").read_bytes() == WEIGHTS
    assert names_in(own(disk)) == ["m", "m.lock"]


@pytest.mark.parametrize("how", ["slow", ""])
def test_what_killed_jobs_left_is_removed_by_the_next_one_of_any_model(
    part: Part, disk: Path, how: str
) -> None:
    job, running = other_job(part, disk, "killed", how), other_job(part, disk, "running")
    try:
        assert said(job)
        assert said(running)
        job.send_signal(signal.SIGKILL)
        job.wait()
        staged([part], "m", Stage(to=str(disk)))
        assert names_in(own(disk)) == ["m", "m.lock", "running", "running.lock"]
        running.communicate("\n")
    finally:
        running.kill()


def test_one_that_waits_for_another_jobs_copy_can_be_interrupted(part: Part, disk: Path) -> None:
    job = other_job(part, disk, how="slow")
    stop = staging.threading.Event()
    try:
        assert said(job) == "copied"
        staging.threading.Timer(0.3, stop.set).start()
        began = time.monotonic()
        with pytest.raises(Interrupted):
            staged([part], "m", Stage(to=str(disk)), stop)
        assert time.monotonic() > began
    finally:
        job.kill()
        job.wait()
