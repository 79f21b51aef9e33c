"""What was measured on a job's kind of GPU: read, or measured now; its slots follow from it."""

from __future__ import annotations

from notemill.answers.classing import WITHOUT_A_MEASURE, Classing
from notemill.answers.measuring import Limits, sweep
from notemill.answers.sweep import Sweep, read_sweep
from notemill.answers.work import ShardWork
from notemill.engines.gpu import gpu_here
from notemill.errors import NotemillError
from notemill.logs import log
from notemill.paths import Layout

_OWN_MINUTES = 1.0
"""Of a job on a kind of GPU that no one has measured."""


async def classing_of(work: ShardWork) -> Classing:
    """How this job's texts are asked. Measures slots, while it answers, on a GPU of a new kind."""
    job = work.job
    gpu = gpu_here(job.run.engine).name
    for each in work.together:
        each.live.gpu = gpu
    place = job.layout, job.cohort, job.run.experiment_id
    kept = measured(*place, gpu)
    classing = Classing(work, kept)
    if job.run.engine.slots != "auto" or not job.run.engine.computes_here:
        return classing
    if kept and kept.best:
        log.info("slots %d, as measured on %s", kept.best, gpu)
        return classing
    pilot = job.run.experiment.pilot
    if not work.missing() or not pilot.sweep_minutes:
        return classing
    limits = Limits(max(pilot.notes, 1), pilot.most_slots, min(pilot.sweep_minutes, _OWN_MINUTES))
    log.info("no one has measured how many slots are best on %s; this job does", gpu)
    done = await sweep(work, gpu, limits, first=WITHOUT_A_MEASURE, classing=classing)
    for each in work.together:
        keep_slots(job.layout, job.cohort, each.job.run.experiment_id, done)
    return Classing(work, done)


def measured(layout: Layout, cohort: str, experiment: str, gpu: str) -> Sweep | None:
    """What was measured on this kind of GPU, None if no one has.

    What can't be read is measured anew: no job waits for a user who deletes it.
    """
    path = layout.slots(cohort, experiment, gpu)
    if not path.exists():
        return None
    try:
        return read_sweep(path)
    except NotemillError as error:
        log.warning("%s: %s; it is measured anew", error.what, path)
        return None


def measured_slots(
    layout: Layout, cohort: str, experiment: str, gpu: str, num_ctx: int
) -> int | None:
    """Slots that were best on this kind of GPU, with this context; None if no one measured it."""
    kept = measured(layout, cohort, experiment, gpu)
    return kept.slots_at(num_ctx, num_ctx) if kept else None


def keep_slots(layout: Layout, cohort: str, experiment: str, done: Sweep) -> None:
    """Let later jobs on this kind of GPU take its number."""
    if done.best is not None:
        done.write(layout.slots(cohort, experiment, done.gpu))
