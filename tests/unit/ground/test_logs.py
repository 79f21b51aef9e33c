"""notemill.logs.job_log, in processes of its own because it ends them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from notemill.logs import unexpected
from tests.disks import small_disk

JOB = """
import os, signal, sys, time
from notemill.errors import NotemillError
from notemill.logs import job_log

SECRET = "Mrs Smith has a cough"
with job_log(sys.argv[1]) as log:
    log.info("begun")
    {body}
"""


class Job:
    """A job that runs `body` within its log."""

    def __init__(self, folder: Path, body: str, **environment: str) -> None:
        self.path = folder / "logs" / "answer" / "0001.log"
        done = subprocess.run(
            [sys.executable, "-c", JOB.format(body=body), str(self.path)],
            env={**os.environ, "NOTEMILL_DEBUG": "", **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        self.status, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        self.log = self.path.read_text()


def test_a_job_that_ends_well_says_where_it_ran(tmp_path: Path) -> None:
    job = Job(tmp_path, "pass", SLURM_JOB_ID="17", CUDA_VISIBLE_DEVICES="3")
    assert job.status == 0
    assert "Slurm job 17, GPU 3" in job.log
    assert "INFO begun" in job.log
    assert job.stderr == job.log  # Slurm and Snakemake keep this one


def test_the_log_and_all_that_the_job_makes_are_the_owners_alone(tmp_path: Path) -> None:
    job = Job(tmp_path, "open(sys.argv[1] + '.more', 'w').close()")
    files = [job.path, Path(f"{job.path}.more")]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert job.path.parent.stat().st_mode & 0o777 == 0o700


def test_what_a_bar_tells_is_in_the_log_file_alone(tmp_path: Path) -> None:
    body = "log.info('5 of 9', extra={'on_bar': True}); log.info('another line')"
    plain = Job(tmp_path, body)
    assert plain.stderr == plain.log
    beside_a_bar = Job(tmp_path, body, NOTEMILL_BAR="1")
    assert "5 of 9" in beside_a_bar.log
    assert "5 of 9" not in beside_a_bar.stderr
    assert "another line" in beside_a_bar.stderr


def test_the_log_is_of_the_last_run(tmp_path: Path) -> None:
    Job(tmp_path, "log.info('first run')")
    assert "first run" not in Job(tmp_path, "pass").log


PARENT = """
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", *sys.argv[1:]]).wait())
"""


def test_a_job_whose_snakemake_is_killed_ends_in_order(tmp_path: Path) -> None:
    path = tmp_path / "0001.log"
    body = "print('asking', flush=True); time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, JOB.format(body=body), str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "asking\n"
        parent.kill()
        assert parent.stdout.read() == ""  # its end of the pipe is closed: it is gone
    assert "ended by SIGTERM" in path.read_text()


def test_a_notemill_error_is_told_without_a_traceback(tmp_path: Path) -> None:
    job = Job(tmp_path, "raise NotemillError('it broke', where='there', remedy='mend it')")
    assert job.status == 1
    assert "ERROR it broke\n  where: there\n  what to do: mend it" in job.log
    assert "Traceback" not in job.stderr


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError(SECRET)",
        "{}[SECRET]",
        "int(SECRET)",
        "raise ExceptionGroup(SECRET, [ValueError(SECRET)])",
        "raise UnicodeEncodeError('ascii', SECRET, 0, 1, SECRET)",
        "open('/nosuch/' + SECRET)",
    ],
)
def test_an_unexpected_error_is_told_without_its_words(tmp_path: Path, body: str) -> None:
    job = Job(tmp_path, body)
    assert job.status == 1
    assert "ERROR unexpected" in job.log
    assert "NOTEMILL_DEBUG=1" in job.log
    for text in (job.log, job.stderr, job.stdout):
        assert "Smith" not in text
        assert "Traceback" not in text


def test_the_debug_switch_adds_the_traceback(tmp_path: Path) -> None:
    for body in ("raise ValueError(SECRET)", "raise NotemillError('it broke', remedy='mend it')"):
        job = Job(tmp_path, body, NOTEMILL_DEBUG="1")
        assert job.status == 1
        assert "Traceback" in job.log


def test_sigterm_ends_it_in_order(tmp_path: Path) -> None:
    body = """try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1000)
    finally:
        log.info("tidied up")"""
    job = Job(tmp_path, body)
    assert job.status == 143
    assert "tidied up" in job.log
    assert "ended by SIGTERM" in job.log


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    body = """try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1000)
    finally:
        log.info("tidied up")"""
    job = Job(tmp_path, body)
    assert job.status == 130
    assert "tidied up" in job.log
    assert "ended by Ctrl-C" in job.log
    assert "Traceback" not in job.stderr


def test_an_unwritable_log_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-c", JOB.format(body="pass"), "/sys/notemill/0001.log"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "can't be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_place_of_an_unexpected_error_is_told() -> None:
    try:
        raise ValueError("words")
    except ValueError as error:
        told = unexpected(error)
    assert "unexpected ValueError at test_logs.py:" in told
    assert "words" not in told


def test_a_log_on_a_full_disk_loses_lines_and_neither_the_work_nor_a_word_of_logging(
    tmp_path: Path,
) -> None:
    body = "import logging\n    for turn in range(3): log.info('line %d ' % turn + 'x' * 5000)"
    body += "\n    os.unlink(sys.argv[2]); log.info('room again')"
    with small_disk(tmp_path / "disk", kib=64) as disk:
        path = disk.folder / "job.log"
        err = disk.folder / "stderr"  # as Slurm's file of the job, on the same disk
        err.touch()
        disk.fill(but=4096)
        with err.open("wb") as stderr:
            done = subprocess.run(
                [sys.executable, "-c", JOB.format(body=body), path, disk.folder / ".filler"],
                stdout=subprocess.PIPE,
                stderr=stderr,
                check=False,
            )
        told, said = path.read_text(), err.read_text()
    assert done.returncode == 0
    assert "Traceback" not in said + told
    assert "Logging error" not in said + told
    assert "room again" in told
    lost = int(re.findall(r"\((\d+) lines could not be written here\)", told)[0])
    assert lost + len([line for line in told.splitlines() if " INFO " in line]) == 6
    assert all(re.match(r"\(|\d{4}-", line) for line in told.splitlines())  # no half line
    assert path.name == "job.log"


def test_a_log_goes_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "logs" / "answer").mkdir(parents=True)
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "logs" / "answer" / "0001.log").symlink_to(tmp_path / "mine")
    job = Job(tmp_path, "pass")
    assert job.status == 0
    assert not job.path.is_symlink()
    assert (tmp_path / "mine").read_text() == "mine"
