"""notemill.cores: processes that hold notes leave no core, whichever way they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
DIES = "import os, signal; os.kill({of}, signal.{signal})"
JOB = """
import os, signal, sys
from notemill.logs import job_log
with job_log("job.log"):
    os.kill(os.getpid(), signal.{signal})
"""
ENGINE = """
import os, signal
from pathlib import Path
from notemill.engines.process import ServerProcess
server = ServerProcess(["sleep", "100"], os.environ, Path("engine.log"))
os.kill(server._process.pid, signal.{signal})
_, status = os.waitpid(server._process.pid, 0)
print(os.WTERMSIG(status), os.WCOREDUMP(status))
"""
COMMAND = """
import os, signal, sys
from notemill.cli import status
from notemill.cli.given import Command
from notemill.__main__ import main
status.COMMAND = Command(lambda given: os.kill(os.getpid(), signal.{signal}))
sys.argv[1:] = ["status"]
main()
"""


def died(folder: Path, code: str) -> tuple[int, bool, str]:
    """How a Python died that may leave cores of any size: the signal, whether the kernel dumped a
    core (to a file or a program), and what it printed."""
    process = subprocess.Popen(
        ["bash", "-c", 'ulimit -c unlimited; exec "$@"', "bash", sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    told = process.stdout.read()
    _, status = os.waitpid(process.pid, 0)
    process.returncode = 0
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), os.WCOREDUMP(status), told


def cores(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith("core")]


@pytest.mark.parametrize(("body", "name"), [(JOB, "SIGSEGV"), (COMMAND, "SIGABRT")])
def test_a_job_and_a_command_that_crash_leave_no_core(tmp_path: Path, body: str, name: str) -> None:
    assert died(tmp_path, body.format(signal=name)) == (getattr(signal, name), False, "")
    assert cores(tmp_path) == []


def test_an_engine_that_crashes_leaves_none_though_who_started_it_may(tmp_path: Path) -> None:
    """As a session in a notebook, whose own limit is its owner's."""
    _, _, told = died(tmp_path, ENGINE.format(signal="SIGABRT"))
    assert told.split() == [str(int(signal.SIGABRT)), "False"]
    assert cores(tmp_path) == []


def test_without_it_this_machine_would_leave_one(tmp_path: Path) -> None:
    """That the tests above can fail; where cores are forbidden to all they can't."""
    _, dumped, _ = died(tmp_path, DIES.format(of="os.getpid()", signal="SIGSEGV"))
    if not dumped:
        pytest.skip("this machine dumps no cores")
    for core in cores(tmp_path):
        core.unlink()


def test_a_limit_that_a_site_has_set_lower_stays(tmp_path: Path) -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0));"
        "from notemill.cores import without_core_dumps; without_core_dumps();"
        "print(*resource.getrlimit(resource.RLIMIT_CORE))"
    )
    assert died(tmp_path, code)[2].split() == ["0", "0"]
