"""What a pilot asks of its shard, and what it measures by it."""

from __future__ import annotations

import math
import os
import platform
import time
from itertools import islice
from statistics import fmean

import notemill
from notemill.answers.classing import WITHOUT_A_MEASURE, Classing
from notemill.answers.journal_lines import Accepted, JournalKey, answer_line
from notemill.answers.measuring import Limits, sweep
from notemill.answers.outcome import Outcome
from notemill.answers.slots import measured
from notemill.answers.sweep import Sweep
from notemill.answers.work import ShardWork
from notemill.clock import now
from notemill.engines.gpu import gpu_here
from notemill.pilot.hopeless import refuse_hopeless
from notemill.pilot.record import GPUS_VARIABLE, AskedText, PilotRecord
from notemill.pilot.texts import class_texts, extremes, lengths_of, shard_texts
from notemill.tasks.gate import counted as gated_texts

_OF_EXTREMES = 16
"""For so many texts of a pilot, one of the longest and one of the shortest are asked too."""
_OF_OUTCOME = AskedText.model_fields.keys() & Outcome.__dataclass_fields__.keys()


class Pilot:
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
        key = JournalKey("", "")
        kept = [Accepted(key, sha, answers[sha]) for sha in self._lengths if sha in answers]
        lines = [len(answer_line(1, each)) for each in kept]
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
            servers=work.job.servers if own else max(work.live.servers - work.live.given_up, 1),
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
