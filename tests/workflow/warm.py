"""Snakemake imported once for many calls, each a fork of the process that has imported it.

Its imports take longer than a plan, and so do those of this repository's Snakefile. A fork does
what `python -m snakemake` does, in the folder and with the environment that it is told; the
scripts of its jobs are processes of their own as ever.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

IMPORTED = (
    "snakemake.cli",
    "snakemake.executors.local",
    "snakemake.report.html_reporter",
    "snakemake_executor_plugin_slurm",
    "snakemake_executor_plugin_slurm_jobstep",
    # What Snakemake imports only while it runs.
    "snakemake.notebook",
    "smart_open",
    # By workflow/rules.
    "notemill.comparison.planned",
    "notemill.plan.evaluations",
)


def run_warm(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """`python -m snakemake`, its output and errors together in stdout.

    Raises subprocess.TimeoutExpired after so many seconds.
    """
    with tempfile.NamedTemporaryFile("r", errors="replace") as output:
        request = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": dict(environment),
            "output": output.name,
            "timeout": timeout,
        }
        server = _server()
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        if status == -signal.SIGALRM:
            raise subprocess.TimeoutExpired(list(arguments), timeout, output.read())
        return subprocess.CompletedProcess(list(arguments), status, output.read())


def fits(environment: Mapping[str, str]) -> bool:
    """Whether a fork has such an environment: what Python reads when it starts is as it is here."""
    return _pythons(environment) == _pythons(os.environ)


def _pythons(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


@functools.cache
def _server() -> subprocess.Popen[str]:
    """One for this process; it ends with it, when its input does."""
    return subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _next_request() -> dict[str, Any]:
    """In a fork: what it is to do. The server itself ends here, with its input."""
    for line in sys.stdin:
        fork = os.fork()
        if not fork:
            request: dict[str, Any] = json.loads(line)
            return request
        _, status = os.waitpid(fork, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    raise SystemExit


def _become(request: dict[str, Any]) -> None:
    """The process that `python -m snakemake` would be."""
    signal.setitimer(signal.ITIMER_REAL, request["timeout"])  # its SIGALRM ends the fork
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    output = os.open(request["output"], os.O_WRONLY | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for here, there in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(here, there)
    sys.path[0] = request["folder"]
    sys.argv = ["snakemake", *request["arguments"]]


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    for module in IMPORTED:
        __import__(module)
    gc.collect()
    gc.freeze()  # or a fork's first collection would copy every page
    _become(_next_request())
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
