"""A journal on a file system as nodes may see it: late, or without locks that others know."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.disks import small_disk
from tests.nodes import network_file_system, on_another_node, python, run
from tests.unit.answers.journals import A, B, answers, journal_of
from tests.unit.conftest import Clinic, names_in

JOB = """
import sys
from pathlib import Path
from notemill import locks
from notemill.answers.journal import Journal
from notemill.errors import NotemillError
from tests.unit.answers.journals import KEY, OUTCOME, B, anything
locks._LOOK_S = 0
try:
    with Journal(Path(sys.argv[1]), KEY, anything) as journal:
        journal.accept(B, OUTCOME)
        print("in", flush=True)
        sys.stdin.read()
except NotemillError as error:
    print(error)
    sys.exit(3)
"""
HERE = "        sys.stdin.read()\n"


@contextmanager
def at_work(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A job that holds the journal until its input ends."""
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as job:
        assert job.stdout
        assert job.stdout.readline() == "in\n"
        yield job
        job.communicate()


def test_where_the_lock_service_is_away_nothing_is_written(path: Path, tmp_path: Path) -> None:
    journal_of(path, A)
    before = path.read_bytes()
    done = run(python(JOB, path), network_file_system(tmp_path, locks="nolck"))
    assert done.returncode == 3, done.stderr
    assert "gives no lock on this host (ENOLCK)" in done.stdout
    assert str(path) in done.stdout
    assert path.read_bytes() == before
    assert names_in(path.parent) == [path.name]


def test_where_there_are_no_locks_a_second_job_is_kept_off(path: Path, tmp_path: Path) -> None:
    node = network_file_system(tmp_path, locks="none")
    with at_work(python(JOB, path), node):
        done = run(python(JOB, path), node)
        assert done.returncode == 3, done.stderr
        assert "another job is answering" in done.stdout
    assert names_in(path.parent) == [path.name]
    assert list(answers(path)) == [B]


def test_where_a_lock_reaches_no_other_host_a_job_of_another_is_kept_off(
    path: Path, tmp_path: Path
) -> None:
    """NFS with `nolock`, Lustre with `localflock`: each host gives it."""
    path.parent.mkdir()
    node = network_file_system(tmp_path, locks="local")
    one, two = (
        on_another_node(tmp_path / name, local_locks=path.parent) for name in ("one", "two")
    )
    (tmp_path / "two" / "machine").write_text("0badfeed0badfeed0badfeed0badfeed\n")
    with at_work([*one, *python(JOB, path)], node):
        before = path.read_bytes()
        done = run([*two, *python(JOB, path)], node)
        assert done.returncode == 3, done.stdout + done.stderr
        assert f"delete {path}.lock" in done.stdout
        assert path.read_bytes() == before
    assert names_in(path.parent) == [path.name]


def test_a_killed_job_of_this_host_keeps_no_one_off_where_locks_are_its_alone(
    path: Path, tmp_path: Path
) -> None:
    path.parent.mkdir()
    node = network_file_system(tmp_path, locks="local")
    one = on_another_node(tmp_path / "one", local_locks=path.parent)
    with at_work([*one, *python(JOB, path)], node) as job:
        job.kill()
    assert names_in(path.parent) == [path.name, f"{path.name}.lock"]
    done = run([*one, *python(JOB.replace(HERE, ""), path)], node)
    assert done.returncode == 0, done.stdout + done.stderr
    assert names_in(path.parent) == [path.name]


def test_a_journal_that_appears_late_is_neither_waited_for_for_ever_nor_begun_anew(
    path: Path, tmp_path: Path
) -> None:
    journal_of(path, A)
    before = path.read_bytes()
    done = run(python(JOB, path), network_file_system(tmp_path, late=path.name))
    assert done.returncode == 3, done.stderr
    assert "may show files late: run again" in done.stdout
    assert path.read_bytes() == before
    done = run(python(JOB.replace(HERE, ""), path), network_file_system(tmp_path))
    assert done.returncode == 0, done.stderr
    assert list(answers(path)) == [A, B]


SHARD = """
import sys
from pathlib import Path
from notemill.errors import NotemillError
from notemill.notes.manifest import read_manifest
from notemill.notes.shard import read_notes
manifest = read_manifest(Path(sys.argv[1]))
try:
    print(len(list(read_notes(Path(sys.argv[2]), manifest.id_columns, with_text=True))))
except NotemillError as error:
    print(error)
    sys.exit(3)
"""


def test_a_shard_that_appears_late_is_named_and_there_for_the_next_try(
    clinic: Clinic, tmp_path: Path
) -> None:
    clinic.fill((1, "one"), (2, "two"))
    clinic.extract(shards=1)
    shard = clinic.layout.notes("chest", clinic.cut(), "0000")
    job = python(SHARD, clinic.manifest(), shard)
    late = run(job, network_file_system(tmp_path, late=shard.name))
    assert (late.returncode, str(shard) in late.stdout) == (3, True), late.stderr
    assert run(job, network_file_system(tmp_path)).stdout == "2\n"


def test_a_marker_that_a_full_disk_cut_short_keeps_no_one_off(path: Path, tmp_path: Path) -> None:
    node = network_file_system(tmp_path, locks="none")
    with small_disk(path.parent, kib=64) as disk:
        disk.fill()
        done = run(python(JOB, path), node)
        assert done.returncode == 3, done.stderr
        assert "no space is left" in done.stdout
        disk.give_room()
        assert names_in(path.parent) == [path.name]
        assert run(python(JOB.replace(HERE, ""), path), node).returncode == 0
        assert list(answers(path)) == [B]
