"""How long a server may live: its Slurm job's time limit, or what its user says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

DRAIN = timedelta(minutes=2)
"""Before its end a server takes nothing new, unless its user says otherwise."""
_ASK_S = 20


def end_of_job(environment: Mapping[str, str] = os.environ) -> datetime | None:
    """When Slurm ends this job; None without one, and where it has no limit."""
    job = environment.get("SLURM_JOB_ID", "")
    with suppress(KeyError, ValueError, OverflowError):
        return datetime.fromtimestamp(int(environment["SLURM_JOB_END_TIME"]), UTC)
    return _asked_slurm(job) if job else None


def _asked_slurm(job: str) -> datetime | None:
    """The same of a Slurm before 22.05.7, or whose variable was taken away."""
    command = ["squeue", "--noheader", "--jobs", job, "--format", "%e"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_ASK_S)
        return datetime.fromisoformat(done.stdout.strip()).astimezone(UTC)
    except (OSError, subprocess.SubprocessError, ValueError):  # N/A without a limit
        return None
