"""Run one command, and end it and all that it started once the owner is gone.

Started by `daemon.Daemon`, never by hand: `python keeper.py LOG GRACE COMMAND...`. It prints the
command's process id, and then waits for its standard input to close. The kernel closes that pipe
however the owner ends, so an interrupted or killed test leaves no server behind. Being a
"subreaper", the keeper also inherits what the command sends into the background, such as Slurm's
job steps.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.1


def main(log: Path, grace_seconds: float, command: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            # Should somebody kill the keeper itself.
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        )
    main_process = psutil.Process(process.pid)
    print(process.pid, flush=True)
    wait(lambda: bool(select.select([sys.stdin], [], [], 0)[0]))

    with suppress(psutil.NoSuchProcess):
        main_process.terminate()
    wait(lambda: not main_process.is_running(), grace_seconds)
    while descendants := psutil.Process().children(recursive=True):
        for descendant in descendants:
            with suppress(psutil.NoSuchProcess):
                descendant.kill()
        wait(lambda: False, POLL_SECONDS)


def wait(done: Callable[[], bool], seconds: float = float("inf")) -> None:
    """Reap children until `done` or for so many seconds."""
    while True:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if done() or seconds <= 0:
            return
        select.select([], [], [], POLL_SECONDS)
        seconds -= POLL_SECONDS


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
