"""The pilot's job: some texts of the cohort's first shard, and what they tell of all others.

It opens the shard as any job does, so what it answers is in the journal for good. Its texts come in
the order of their hashes, which is chance: first through a sweep over numbers of slots, then what
is left of `pilot.notes` with the number that is taken, and with them the longest and shortest.
A pilot fails where every shard would: an engine that is refused, a model that is not the record's,
or more texts without a valid answer than chance explains.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from notemill.answers.live_file import LiveFile
from notemill.answers.opening import opened, together
from notemill.answers.refusal import told_once
from notemill.answers.shard_job import ShardJob
from notemill.answers.slots import keep_slots
from notemill.answers.terminated import until_terminated
from notemill.answers.work import ShardWork
from notemill.logs import log
from notemill.notes.manifest import Manifest, read_manifest
from notemill.paths import live as live_path
from notemill.pilot.asking import Pilot
from notemill.pilot.hopeless import Hopeless
from notemill.pilot.look import write_pilot_page
from notemill.pilot.record import PilotRecord, read_pilot


def run_pilots(jobs: Sequence[ShardJob], asked_with: Sequence[str] = ()) -> list[PilotRecord]:
    """Ask the pilot's texts of the cohort's first shard that has any, for a task or several that
    are asked together: one sweep, and for each a record and a page. asked_with: ids of the batch.

    Of a pilot that was made before nothing is asked or measured again, and of a shard that is
    finished nothing is asked: its result would not have the answer.
    Raises NotemillError for what stops the job, accepted answers stay in the journal; Terminated
    after SIGTERM.
    """
    manifest = read_manifest(jobs[0].manifest, of=jobs[0].cohort)
    shard = _first_shard(jobs, manifest)
    made, works = {}, []
    with ExitStack() as stack:
        for job in jobs:
            job, path = replace(job, shard=shard), _record_of(job)
            with ExitStack() as own:
                work = own.enter_context(opened(job, _live(job, path)))
                if before := _made_before(path, work):
                    log.info(
                        "the pilot of %s stands; for another one delete %s", before.made_at, path
                    )
                    os.utime(path)
                    made[path] = before
                else:
                    works.append(work)
                    stack.push(own.pop_all())
        if works:
            together(works, asked_with)
            for work, record in _piloted(works):
                keep_slots(
                    work.job.layout, work.job.cohort, work.job.run.experiment_id, record.sweep
                )
                _write_page(work.job, record)
                path = _record_of(work.job)
                record.write(path)
                made[path] = record
    return [made[_record_of(job)] for job in jobs]


def _piloted(works: Sequence[ShardWork]) -> list[tuple[ShardWork, PilotRecord]]:
    """Ask, by the first of the works for all; what came of it for each."""
    pilots = [Pilot(work) for work in works]
    for work in works:
        if work.job.output.exists():  # it would not have what is answered now
            work.wanted &= work.journal.answers.keys()
    lead, *_ = pilots
    for pilot in pilots:
        pilot.of_all = pilots
    job, record = works[0].job, works[0].record
    with told_once(job.layout.refusal(job.run.experiment_id), job.run.engine, record.digest):
        try:
            until_terminated(lead.ask())
        except Hopeless:
            for pilot in pilots:  # now one wants to read what failed
                _write_page(pilot.work.job, pilot.record())
            raise
    return [(pilot.work, pilot.record()) for pilot in pilots]


def _record_of(job: ShardJob) -> Path:
    return job.layout.pilot(job.cohort, job.run.experiment_id)


def _live(job: ShardJob, path: Path) -> LiveFile:
    whose = {"cohort": job.cohort, "experiment": job.run.experiment_id}
    return LiveFile(live_path(path), **whose, shard="pilot", log=job.log)


def _first_shard(jobs: Sequence[ShardJob], manifest: Manifest) -> str:
    """The first shard with texts that is not finished, else the first with texts."""
    names = [entry.name for entry in manifest.shards if entry.texts] or [jobs[0].shard]
    unfinished = (
        name for name in names if not all(replace(job, shard=name).output.exists() for job in jobs)
    )
    return next(unfinished, names[0])


def _write_page(job: ShardJob, record: PilotRecord) -> None:
    page = write_pilot_page(job.layout, job.run, record)
    log.info("its notes beside their answers, for you alone: %s", page)


def _made_before(path: Path, work: ShardWork) -> PilotRecord | None:
    """The pilot that there is of this experiment and model: what it measured holds."""
    if not path.exists():
        return None
    made = read_pilot(path)
    return made if made.model_digest == work.record.digest else None
