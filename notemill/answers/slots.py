"""How many slots a job's engine gets: as configured, or as measured on this kind of GPU."""

from __future__ import annotations

from notemill.answers.measuring import Limits, sweep
from notemill.answers.sweep import Sweep, read_sweep
from notemill.answers.work import ShardWork
from notemill.engines.gpu import gpu_here
from notemill.errors import NotemillError
from notemill.logs import log
from notemill.paths import Layout

WITHOUT_A_MEASURE = 4
"""Slots where nothing could be measured: a small shard needs no more, and most GPUs hold them."""
_OWN_MINUTES = 1.0
"""Of a job on a kind of GPU that no one has measured."""


async def slots_for(work: ShardWork) -> int:
    """Slots for this job's engine. Measures them, while it answers, on a GPU of a new kind."""
    job = work.job
    slots = job.run.engine.slots
    work.live.gpu = gpu = gpu_here(job.run.engine).name
    if slots != "auto":
        return slots
    place = job.layout, job.cohort, job.run.experiment_id
    if (measured := measured_slots(*place, gpu)) is not None:
        log.info("slots %d, as measured on %s", measured, gpu)
        return measured
    pilot = job.run.experiment.pilot
    if not work.missing() or not pilot.sweep_minutes:
        return WITHOUT_A_MEASURE
    limits = Limits(max(pilot.notes, 1), pilot.most_slots, min(pilot.sweep_minutes, _OWN_MINUTES))
    log.info("no one has measured how many slots are best on %s; this job does", gpu)
    done = await sweep(work, gpu, limits, first=WITHOUT_A_MEASURE)
    if done.best is None:
        return WITHOUT_A_MEASURE
    keep_slots(*place, done)
    return done.best


def measured_slots(layout: Layout, cohort: str, experiment: str, gpu: str) -> int | None:
    """Slots that were best on this kind of GPU, None if no one has measured it.

    What can't be read is measured anew: no job waits for a user who deletes it.
    """
    path = layout.slots(cohort, experiment, gpu)
    if not path.exists():
        return None
    try:
        return read_sweep(path).best
    except NotemillError as error:
        log.warning("%s: %s; it is measured anew", error.what, path)
        return None


def keep_slots(layout: Layout, cohort: str, experiment: str, done: Sweep) -> None:
    """Let later jobs on this kind of GPU take its number."""
    if done.best is not None:
        done.write(layout.slots(cohort, experiment, done.gpu))
