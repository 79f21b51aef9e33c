"""SIGTERM to Snakemake, whenever it comes.

Snakemake 9's handler waits for a lock that its main thread, in which handlers run, may hold: then
it waits for ever. So it would with every job that fails just then, be it the driver's or the one
snakemake that a Slurm job runs.
"""

from __future__ import annotations

import threading
from typing import Any

from snakemake.scheduling.job_scheduler import JobScheduler

_wait_and_mark = JobScheduler.exit_gracefully


def mend_termination() -> None:
    """Let another thread wait for the lock, in this process."""
    JobScheduler.exit_gracefully = _exit_gracefully


def _exit_gracefully(scheduler: JobScheduler, *signal: Any) -> None:
    threading.Thread(target=_wait_and_mark, args=(scheduler, *signal), daemon=True).start()
