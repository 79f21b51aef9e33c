"""Ends a server whose job has ended without a word: a process of its own beside the server.

The kernel tells the server itself of its job's end by SIGTERM, but neither what it has started nor
one that takes no SIGTERM, waits in a wrapper or came by a setuid program (Apptainer). And Slurm
ends what it has counted to the job: without cgroups not what has left its group of processes.

    python afterwards.py SESSION GRACE_S < a pipe whose other end the job alone holds

Imports nothing of notemill: it is there as long as the server, and is to be small.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

_PAUSE_S = 0.05


def main() -> None:
    """Wait for the job's end, then end the session: SIGTERM, and SIGKILL after some seconds."""
    # Slurm's, at a time limit, goes to every process of the job; there is its end to wait for.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    session, grace_s = int(sys.argv[1]), float(sys.argv[2])
    began = _stat(session)[_START]
    sys.stdin.buffer.read()
    # The number of a session that is gone may be another's by now.
    if _stat(session)[_START] in (began, ""):
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + grace_s
            _signal(session, number)
            while _members(session) and time.monotonic() < deadline:
                time.sleep(_PAUSE_S)


def _signal(session: int, number: int) -> None:
    for process in _members(session):
        with suppress(OSError):
            os.kill(process, number)


def _members(session: int) -> list[int]:
    """Running processes of the session; zombies are dead."""
    with os.scandir("/proc") as entries:
        processes = [int(entry.name) for entry in entries if entry.name.isdigit()]
    return [
        process
        for process in processes
        if (stat := _stat(process))[_SESSION] == str(session) and stat[_STATE] != "Z"
    ]


_STATE, _SESSION, _START = 0, 3, 19
"""Fields of /proc/PID/stat after the name: state, session, time of the start."""


def _stat(process: int) -> list[str]:
    """What /proc says of a process, empty words where it is gone."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode("ascii").split()
    except OSError:
        return [""] * (_START + 1)


if __name__ == "__main__":
    main()
