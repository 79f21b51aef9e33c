"""SIGTERM to Snakemake is never waited for by the thread that it came to."""

from __future__ import annotations

import subprocess
import sys

SCHEDULER = """
import os, signal, sys, threading
from snakemake.scheduling.job_scheduler import JobScheduler
from notemill.slurm.termination import mend_termination

if "mended" in sys.argv:
    mend_termination()
scheduler = JobScheduler.__new__(JobScheduler)
scheduler._lock, scheduler._open_jobs = threading.Lock(), threading.Semaphore(0)
scheduler._user_kill = None
signal.signal(signal.SIGTERM, scheduler.exit_gracefully)
with scheduler._lock:  # as while it handles a job's end
    os.kill(os.getpid(), signal.SIGTERM)
scheduler._open_jobs.acquire()
print(scheduler._user_kill)
"""


def told(*arguments: str) -> str | None:
    """What the scheduler took of a SIGTERM that came while it held its lock; None: it hangs."""
    command = [sys.executable, "-c", SCHEDULER, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            return process.communicate(timeout=60 if arguments else 6)[0].strip()
        except subprocess.TimeoutExpired:
            process.kill()
            return None


def test_sigterm_while_a_jobs_end_is_handled_is_taken() -> None:
    assert told("mended") == "graceful"


def test_snakemake_alone_would_hang() -> None:
    """Else our part can go."""
    assert told() is None
