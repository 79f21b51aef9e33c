"""The pilot's job: some texts of the cohort's first shard, and what they tell of all others.

It opens the shard as any job does, so what it answers is in the journal for good. Its texts come in
the order of their hashes, which is chance: first through a sweep over numbers of slots, then what
is left of `pilot.notes` with the number that is taken, and with them the longest and shortest.
A pilot fails where every shard would: an engine that is refused, a model that is not the record's,
or more texts without a valid answer than chance explains.
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import fmean

import notemill
from notemill.answers.classing import WITHOUT_A_MEASURE, Classing
from notemill.answers.journal_lines import answer_line
from notemill.answers.live import LiveFile
from notemill.answers.measuring import Limits, sweep
from notemill.answers.opening import opened, together
from notemill.answers.outcome import Outcome
from notemill.answers.refusal import told_once
from notemill.answers.slots import keep_slots, measured
from notemill.answers.sweep import Sweep
from notemill.answers.terminated import until_terminated
from notemill.answers.work import ShardJob, ShardWork
from notemill.clock import now
from notemill.engines.gpu import gpu_here
from notemill.logs import log
from notemill.notes.manifest import Manifest, read_manifest
from notemill.paths import live as live_path
from notemill.pilot.hopeless import Hopeless, refuse_hopeless
from notemill.pilot.look import write_pilot_page
from notemill.pilot.record import GPUS_VARIABLE, AskedText, PilotRecord, read_pilot
from notemill.pilot.texts import class_texts, extremes, lengths_of, shard_texts
from notemill.tasks.gate import counted as gated_texts

_OF_EXTREMES = 16
"""For so many texts of a pilot, one of the longest and one of the shortest are asked too."""


def run_pilot(job: ShardJob) -> PilotRecord:
    """Ask the pilot's texts of the cohort's first shard that has any; write its record and a page.

    Of a pilot that was made before nothing is asked or measured again, and of a shard that is
    finished nothing is asked: its result would not have the answer.
    Raises NotemillError for what stops the job, accepted answers stay in the journal; Terminated
    after SIGTERM.
    """
    (record,) = run_pilots([job])
    return record


def run_pilots(jobs: Sequence[ShardJob], asked_with: Sequence[str] = ()) -> list[PilotRecord]:
    """The same for tasks that are asked together: one sweep, and for each a record and a page.

    asked_with: ids of the batch. Of a task that was piloted before nothing is asked or measured.
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
    pilots = [_Pilot(work) for work in works]
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


class _Pilot:
    """A pilot's asking, and what it measures.

    of_all: this one and those of the tasks that are asked together with it, by the first's asking.
    """

    def __init__(self, work: ShardWork) -> None:
        self._began = time.monotonic()
        self.of_all = [self]
        self.work = work
        work.told = self._ended
        self._run = work.job.run
        self._settings = self._run.experiment.pilot
        self._gpu = gpu_here(self._run.engine)
        work.live.gpu = self._gpu.name
        self._lengths = lengths_of(work)
        self._before = {
            sha: outcome for sha, outcome in work.journal.answers.items() if sha in work.wanted
        }
        self._asked: dict[str, AskedText] = {}
        self._drawn: list[Outcome] = []
        self._not_drawn: set[str] = set()
        self._sweep = self._nothing_measured()
        self._classing = self._taken()

    async def ask(self) -> None:
        """Ask, unless earlier jobs have answered all that there is."""
        work = self.work
        if not work.missing():
            return
        await self._measure()
        self._classing = self._taken()
        few = -(-self._settings.notes // _OF_EXTREMES)
        # A task's gate may leave it other texts than the others have.
        ends = set().union(
            *(extremes(each._lengths, each.work.left(), few) for each in self.of_all)
        )
        random = [each._left(ends) for each in self.of_all]
        asked = ends.union(*random)
        for each, own in zip(self.of_all, random, strict=True):
            each._sweep, each._classing = self._sweep, self._classing
            each._not_drawn = asked - own
        if asked:
            plan = self._classing.plan(asked)
            await self._classing.ask(plan, asked, max_failures=math.inf)
        self._check()

    async def _measure(self) -> None:
        """Find the best number of slots; endpoints have theirs, which no job changes."""
        settings, classing = self._settings, self._classing
        if not self._run.engine.computes_here:
            self._sweep = self._nothing_measured("endpoints have their own slots")
            return
        also = None
        if self._run.engine.slots != "auto":
            also = classing.slots_at(classing.main())
        if not settings.sweep_minutes:
            also = also or WITHOUT_A_MEASURE
        self._sweep = await sweep(
            self.work,
            self._gpu.name,
            Limits(settings.notes, settings.most_slots, settings.sweep_minutes),
            classing=classing,
            also=also,
            max_failures=math.inf,
            after_step=self._check,
        )

    def _taken(self) -> Classing:
        """As its shards' jobs will have it."""
        place = self.work.job.layout, self.work.job.cohort, self._run.experiment_id
        own = self._sweep if self._sweep.best else None
        return Classing(self.work, own or measured(*place, self._gpu.name))

    def _left(self, ends: set[str]) -> set[str]:
        """What is left of the pilot's texts, beside the longest and shortest."""
        left = max(self._settings.notes - len(self._asked), 0)
        missing = self.work.left() - ends
        return set(islice((sha for sha in self._lengths if sha in missing), left))

    def _ended(self, text_sha256: str, outcome: Outcome) -> None:
        slots = self.work.live.slots or 0
        if text_sha256 not in self._not_drawn or not self._run.experiment.max_failed_share:
            self._drawn.append(outcome)
        self._asked[text_sha256] = self._told(text_sha256, outcome, slots)

    def _told(self, text_sha256: str, outcome: Outcome, slots: int) -> AskedText:
        return AskedText(
            text_sha256=text_sha256,
            characters=self._lengths[text_sha256],
            drawn=text_sha256 not in self._not_drawn,
            slots=slots,
            **{name: getattr(outcome, name) for name in _OF_OUTCOME},
        )

    def _check(self) -> None:
        for each in self.of_all:
            each._check_own()

    def _check_own(self) -> None:
        job, share = self.work.job, self._run.experiment.max_failed_share
        page = job.layout.look(job.cohort, self._run.experiment_id)
        # What earlier jobs answered is part of the sample: alone, what they left is none.
        refuse_hopeless([*self._before.values(), *self._drawn], share, page)

    def _nothing_measured(self, ended: str = "there was nothing to ask") -> Sweep:
        return Sweep(gpu=self._gpu.name, steps=[], best=None, ended=ended, measured_at=now())

    def record(self) -> PilotRecord:
        """What was measured. An earlier job's answers to the first texts are part of it."""
        work, run = self.work, self._run
        first = islice(self._lengths, self._settings.notes)
        asked = [self._told(sha, self._before[sha], 0) for sha in first if sha in self._before]
        asked += self._asked.values()
        answers = work.journal.answers
        lines = [len(answer_line(1, sha, answers[sha])) for sha in self._lengths if sha in answers]
        own = run.engine.computes_here
        gpus = os.environ.get(GPUS_VARIABLE, "") if own else ""
        options = run.experiment.options
        plan = self._classing.plan(self._lengths)
        classes = class_texts(self._classing, plan, self._lengths)
        most = max(classes, key=lambda each: each.texts, default=None)
        slots = most.slots if most else plan[-1].slots
        askings = sum(len(each._lengths) for each in self.of_all)
        return PilotRecord(
            experiment=run.experiment_id,
            cohort=work.job.cohort,
            model=work.record.model,
            model_digest=work.record.digest,
            engine=work.engine,
            host=platform.node(),
            gpu=self._gpu.name,
            gpu_memory_mib=self._gpu.memory_mib,
            gpus=int(gpus) if gpus.isdigit() else None,
            slots=slots if own else work.live.slots or slots,
            servers=work.servers if own else max(work.live.servers - work.live.given_up, 1),
            sweep=self._sweep,
            ready_s=round(work.ready_s, 1),
            shard=work.job.shard,
            shard_texts=shard_texts(
                self._lengths, asked, num_ctx=options.num_ctx, num_predict=options.num_predict
            ),
            asked_before=len(self._before),
            asked=asked,
            classes=classes,
            num_ctx=options.num_ctx,
            askings=round(askings / len(self._lengths), 4) if self._lengths else 1.0,
            settled=work.settled,
            gate=gated_texts(work.gated.values()) if run.task.gate else None,
            journal_bytes=round(fmean(lines), 1) if lines else 0.0,
            notemill=notemill.__version__,
            made_at=now(),
            seconds=round(time.monotonic() - self._began, 1),
        )


_OF_OUTCOME = AskedText.model_fields.keys() & Outcome.__dataclass_fields__.keys()
