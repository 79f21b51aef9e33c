"""A failed job's `update()` outputs stay what they were, and so does what is known of them.

Snakemake 9 records a failed job's parameters with an output that it has put back: the next plan
then takes an earlier result for one of the new parameters, and has nothing to do. And of the three
snakemakes of a Slurm job the first puts the output back, the others miss their copy and delete it.
"""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Any

from snakemake.io import is_flagged
from snakemake.jobs import Job
from snakemake.persistence import FileBackupMixin, PersistenceBase

_failing: ContextVar[bool] = ContextVar("failing", default=False)
_stood: set[Path] = set()
"""Outputs that were there when this process began their job."""

_postprocess = Job.postprocess
_started = PersistenceBase.started
_finished = PersistenceBase.finished
_restore = FileBackupMixin.restore_output


def mend_updates() -> None:
    """Let failed updates be seen as such, in this process."""
    Job.postprocess = _postprocessed
    PersistenceBase.started = _begun
    PersistenceBase.finished = _recorded
    FileBackupMixin.restore_output = _restored


async def _postprocessed(job: Job, *arguments: Any, error: bool = False, **options: Any) -> None:
    token = _failing.set(error)
    try:
        await _postprocess(job, *arguments, error=error, **options)
    finally:
        _failing.reset(token)


def _begun(persistence: PersistenceBase, job: Job, external_jobid: str | None = None) -> None:
    _started(persistence, job, external_jobid)
    for path in map(Path, _updates(job)):
        (_stood.add if path.exists() else _stood.discard)(path)


async def _recorded(persistence: PersistenceBase, job: Job) -> None:
    # Not recorded, it stays marked as unfinished, and the next plan runs it again. One without
    # parameters is whole whenever it is there: the extract's manifest.
    if not (_failing.get() and job.params and _updates(job)):
        await _finished(persistence, job)


def _restored(persistence: FileBackupMixin, path: Path) -> bool:
    """Whether the output is what it was: another snakemake of this job may have put it back."""
    if path not in _stood:
        return False
    if persistence._get_backup_path(path).exists():
        return bool(_restore(persistence, path))
    return path.exists()


def _updates(job: Job) -> list[str]:
    return [output for output in job.output if is_flagged(output, "update")]
