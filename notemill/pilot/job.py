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
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import fmean

import notemill
from notemill.answers.classing import WITHOUT_A_MEASURE, Classing
from notemill.answers.journal_lines import answer_line
from notemill.answers.live import LiveFile
from notemill.answers.measuring import Limits, sweep
from notemill.answers.outcome import Outcome
from notemill.answers.refusal import told_once
from notemill.answers.slots import keep_slots, measured
from notemill.answers.sweep import Sweep
from notemill.answers.work import ShardJob, ShardWork, opened, until_terminated
from notemill.clock import now
from notemill.engines.gpu import gpu_here
from notemill.logs import log
from notemill.notes.manifest import Manifest, read_manifest
from notemill.paths import live as live_path
from notemill.pilot.hopeless import Hopeless, refuse_hopeless
from notemill.pilot.look import write_pilot_page
from notemill.pilot.record import GPUS_VARIABLE, AskedText, PilotRecord, read_pilot
from notemill.pilot.texts import class_texts, extremes, lengths_of, shard_texts

_OF_EXTREMES = 16
"""For so many texts of a pilot, one of the longest and one of the shortest are asked too."""


def run_pilot(job: ShardJob) -> PilotRecord:
    """Ask the pilot's texts of the cohort's first shard that has any; write its record and a page.

    Of a pilot that was made before nothing is asked or measured again, and of a shard that is
    finished nothing is asked: its result would not have the answer.
    Raises NotemillError for what stops the job, accepted answers stay in the journal; Terminated
    after SIGTERM.
    """
    place = job.cohort, job.run.experiment_id
    path = job.layout.pilot(*place)
    live = LiveFile(live_path(path), cohort=place[0], experiment=place[1], shard="pilot")
    manifest = read_manifest(job.manifest, of=job.cohort)
    job = _on_first_shard(job, manifest)
    with opened(job, live) as work:
        if made := _made_before(path, work):
            log.info("the pilot of %s stands; for another one delete %s", made.made_at, path)
            os.utime(path)
            return made
        pilot = _Pilot(work)
        with told_once(job.layout.refusal(place[1]), job.run.engine, work.record.digest):
            try:
                until_terminated(pilot.ask())
            except Hopeless:
                _write_page(job, pilot.record())  # now one wants to read what failed
                raise
        record = pilot.record()
        keep_slots(job.layout, *place, record.sweep)
        _write_page(job, record)
        record.write(path)
    return record


def _on_first_shard(job: ShardJob, manifest: Manifest) -> ShardJob:
    """The job on the first shard with texts that is not finished, else on the first with texts."""
    jobs = [replace(job, shard=entry.name) for entry in manifest.shards if entry.texts]
    unfinished = (each for each in jobs if not each.output.exists())
    return next(unfinished, (jobs or [job])[0])


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
    """A pilot's asking, and what it measures."""

    def __init__(self, work: ShardWork) -> None:
        self._began = time.monotonic()
        self._work = work
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
        self._extremes: set[str] = set()
        self._sweep = self._nothing_measured()
        self._classing = self._taken()

    async def ask(self) -> None:
        """Ask, unless earlier jobs have answered all that there is."""
        work = self._work
        if work.job.output.exists():
            return
        if work.missing():
            await self._measure()
        self._classing = self._taken()
        few = -(-self._settings.notes // _OF_EXTREMES)
        self._extremes = extremes(self._lengths, work.missing(), few)
        if self._extremes:
            left = self._left()
            plan = self._classing.plan(left)
            await self._classing.ask(plan, left, told=self._ended, max_failures=math.inf)
        self._check()

    async def _measure(self) -> None:
        settings, classing = self._settings, self._classing
        also = None
        if self._run.engine.slots != "auto":
            also = classing.slots_at(classing.main())
        if not settings.sweep_minutes:
            also = also or WITHOUT_A_MEASURE
        self._sweep = await sweep(
            self._work,
            self._gpu.name,
            Limits(settings.notes, settings.most_slots, settings.sweep_minutes),
            classing=classing,
            also=also,
            max_failures=math.inf,
            told=self._ended,
            after_step=self._check,
        )

    def _taken(self) -> Classing:
        """As its shards' jobs will have it."""
        place = self._work.job.layout, self._work.job.cohort, self._run.experiment_id
        own = self._sweep if self._sweep.best else None
        return Classing(self._work, own or measured(*place, self._gpu.name))

    def _left(self) -> set[str]:
        """What is left of the pilot's texts, and the extremes."""
        left = max(self._settings.notes - len(self._asked), 0)
        missing = self._work.missing() - self._extremes
        return {*islice((sha for sha in self._lengths if sha in missing), left), *self._extremes}

    def _ended(self, text_sha256: str, outcome: Outcome, slots: int) -> None:
        if text_sha256 not in self._extremes or not self._run.experiment.max_failed_share:
            self._drawn.append(outcome)
        self._asked[text_sha256] = self._told(text_sha256, outcome, slots)

    def _told(self, text_sha256: str, outcome: Outcome, slots: int) -> AskedText:
        return AskedText(
            text_sha256=text_sha256,
            characters=self._lengths[text_sha256],
            drawn=text_sha256 not in self._extremes,
            slots=slots,
            **{name: getattr(outcome, name) for name in _OF_OUTCOME},
        )

    def _check(self) -> None:
        job, share = self._work.job, self._run.experiment.max_failed_share
        page = job.layout.look(job.cohort, self._run.experiment_id)
        # What earlier jobs answered is part of the sample: alone, what they left is none.
        refuse_hopeless([*self._before.values(), *self._drawn], share, page)

    def _nothing_measured(self) -> Sweep:
        ended = "there was nothing to ask"
        return Sweep(gpu=self._gpu.name, steps=[], best=None, ended=ended, measured_at=now())

    def record(self) -> PilotRecord:
        """What was measured. An earlier job's answers to the first texts are part of it."""
        work, run = self._work, self._run
        first = islice(self._lengths, self._settings.notes)
        asked = [self._told(sha, self._before[sha], 0) for sha in first if sha in self._before]
        asked += self._asked.values()
        answers = work.journal.answers
        lines = [len(answer_line(1, sha, answers[sha])) for sha in self._lengths if sha in answers]
        gpus = os.environ.get(GPUS_VARIABLE, "")
        options = run.experiment.options
        plan = self._classing.plan(self._lengths)
        classes = class_texts(self._classing, plan, self._lengths)
        most = max(classes, key=lambda each: each.texts, default=None)
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
            slots=most.slots if most else plan[-1].slots,
            servers=work.servers,
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
            journal_bytes=round(fmean(lines), 1) if lines else 0.0,
            notemill=notemill.__version__,
            made_at=now(),
            seconds=round(time.monotonic() - self._began, 1),
        )


_OF_OUTCOME = AskedText.model_fields.keys() & Outcome.__dataclass_fields__.keys()
