"""Asks some answered texts again: how many answers stay the same.

The texts are drawn by chance from the whole cohort, failed ones too, and asked as they were: the
same prompts, options and attempts, by an engine that is started for it, with the experiment's seed
or another one. What comes is counted and thrown away: no journal, result shard or table has it.
A repeat that is killed has asked for nothing; the next one asks all of its texts.
"""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import notemill
from notemill.answers.asking import Asking
from notemill.answers.classing import WITHOUT_A_MEASURE
from notemill.answers.endpoint import endpoints_for
from notemill.answers.experiment_record import asked_of, refuse_wrong_model
from notemill.answers.finished import Finished, finished
from notemill.answers.journal_lines import Spent
from notemill.answers.live_file import LiveFile
from notemill.answers.outcome import Outcome
from notemill.answers.pool import ShardAsking, Text
from notemill.answers.refusal import told_once
from notemill.answers.slots import measured_slots
from notemill.answers.terminated import until_terminated
from notemill.answers.verdict import Status
from notemill.clock import now
from notemill.comparison.again import Before, Repeated, drawn
from notemill.comparison.cost import slots_of_shards
from notemill.comparison.repeat_record import RepeatRecord, Round, read_repeat
from notemill.comparison.repeat_settings import SHARD, RepeatSettings, settings_of
from notemill.comparison.sides import fields_of
from notemill.endpoints.known import Known
from notemill.endpoints.proven import proven_at
from notemill.engines.gpu import gpu_here
from notemill.engines.kinds import proven_engine
from notemill.engines.protocol import Engine, Start
from notemill.engines.record import ModelRecord, read_record
from notemill.errors import NotemillError
from notemill.logs import log
from notemill.paths import Layout
from notemill.paths import live as live_path
from notemill.progress import Progress
from notemill.tasks.run import Run

_SEEDS_APART = 1000
"""More than an experiment's attempts, each of which may take the next seed."""
_SEEDS = 2**31


@dataclass(frozen=True)
class RepeatJob:
    """A repeat of a run over one cohort. threads: CPU threads for the engine."""

    run: Run
    layout: Layout
    cohort: str
    cut: str
    engine_log: Path
    threads: int

    @property
    def output(self) -> Path:
        return self.layout.repeat(self.cohort, self.run.experiment_id)

    @property
    def settings(self) -> RepeatSettings:
        """What is to be asked again."""
        return settings_of(self.run)


def run_repeat(job: RepeatJob) -> RepeatRecord:
    """Ask the texts again, and write what came of it; one that was made with these settings stands.

    Raises NotemillError until all shards are answered, and for what stops the job; Terminated
    after SIGTERM.
    """
    if made := _made_before(job):
        log.info("the repeat of %s stands; for another one delete %s", made.made_at, job.output)
        os.utime(job.output)
        return made
    place = {"cohort": job.cohort, "experiment": job.run.experiment_id, "shard": SHARD}
    with LiveFile(live_path(job.output), **place) as live:
        answers = finished(job.layout, job.cohort, job.run, job.cut)
        model = _model(job, answers)
        texts, before = drawn(answers, job.settings)
        work = _Repeat(job, model, before, list(answers.texts(before)), live)
        live.begins(
            texts=len(before) * job.settings.times,
            answered=0,
            spent=lambda: work.spent,
            slots=work.slots,
            notes_digest=answers.manifest.digest,
        )
        log.info(
            "%d of %d texts are asked again, %d times, %d slots",
            len(before),
            texts,
            job.settings.times,
            work.slots,
        )
        if before:
            with told_once(job.layout.refusal(job.run.experiment_id), job.run.engine, model.digest):
                until_terminated(work.ask())
        record = work.record(answers, texts)
        record.write(job.output)
    return record


def _made_before(job: RepeatJob) -> RepeatRecord | None:
    if not job.output.exists():
        return None
    made = read_repeat(job.output)
    return made if made.settings == job.settings else None


def _model(job: RepeatJob, answers: Finished) -> ModelRecord:
    """The model, which must be that of the answers."""
    model = read_record(job.layout.model(job.run.model_id))
    refuse_wrong_model(job.layout, job.run, model)
    if others := {origin.model_digest for origin in answers.origins()} - {model.digest}:
        raise NotemillError(
            f"the answers come from the digest {min(others)}, model '{model.model}' now has "
            f"{model.digest}: to ask another model is no repeat",
            where=str(job.layout.model(job.run.model_id)),
            remedy="put that model back into the store and delete this record; or ask the new one "
            "as an experiment of its own, and compare the two",
        )
    return model


class _Repeat:
    """The asking, and what came of it."""

    def __init__(
        self,
        job: RepeatJob,
        model: ModelRecord,
        before: dict[str, Before],
        texts: list[tuple[str, str]],
        live: LiveFile,
    ) -> None:
        self._began = time.monotonic()
        self._job = job
        self._model = model
        self._before = before
        self._texts = texts
        self._live = live
        self._gpu = live.gpu = gpu_here(job.run.engine).name
        live.servers = job.run.engine.servers if job.run.engine.computes_here else 1
        self._asked = 0
        self._tokens = 0
        self._engine = ""
        self._columns = fields_of(asked_of(job.run))
        self._rounds: list[Round] = []
        self._repeated = Repeated(before, self._columns)
        self.slots = self._slots()

    @property
    def spent(self) -> Spent:
        """What the job has cost so far."""
        return Spent(round(time.monotonic() - self._began, 3), self._asked, self._tokens)

    async def ask(self) -> None:
        """All rounds, each with an engine of its own."""
        settings = self._job.settings
        progress = Progress("texts", total=len(self._texts) * settings.times)
        for number in range(1, settings.times + 1):
            seed = self._job.run.experiment.options.seed
            if settings.seed == "other":
                seed = (seed + _SEEDS_APART * number) % _SEEDS
            await self._round(seed, progress)

    async def _round(self, seed: int, progress: Progress) -> None:
        began, at, tokens = time.monotonic(), now(), self._tokens
        outcomes: dict[str, Outcome] = {}
        run = _with_seed(self._job.run, seed)

        def ended(_: Asking, text_sha256: str, outcome: Outcome) -> None:
            # However many fail: that they do now is what is to be known.
            outcomes[text_sha256] = outcome
            self._live.ended(outcome)

        asking = Asking.of_run(run, self._model, self._spend)
        texts = (Text(*text, (asking,)) for text in self._texts)
        shard = ShardAsking(
            ended,
            progress,
            asked=self._count,
            beat=self._live.beat,
            slots=self.slots,
            restarts=run.engine.restarts,
        )
        if run.engine.computes_here:
            starts = [partial(self._started, run, each) for each in range(run.engine.servers)]
            await shard.run(texts, *starts)
        else:
            await shard.run_on(texts, endpoints_for(run, partial(self._at, run)))
        failed = Counter(
            outcome.status for outcome in outcomes.values() if outcome.status != Status.ANSWERED
        )
        self._rounds.append(
            Round(
                seed=seed,
                same=self._repeated.add(outcomes),
                answered=len(outcomes) - failed.total(),
                failed=dict(sorted(failed.items())),
                engine=self._engine,
                tokens=self._tokens - tokens,
                seconds=round(time.monotonic() - began, 1),
                began_at=at,
            )
        )

    def _count(self, _: Asking) -> None:
        self._asked += 1

    def _spend(self, tokens: int) -> None:
        self._tokens += tokens

    @asynccontextmanager
    async def _started(self, run: Run, server: int) -> AsyncIterator[Engine]:
        async with proven_engine(run.engine, self._start(run, server)) as engine:
            self._engine = engine.description
            yield engine

    @asynccontextmanager
    async def _at(self, run: Run, known: Known) -> AsyncIterator[Engine]:
        async with proven_at(run.engine, self._start(run, 0), known) as engine:
            self._engine = engine.description
            yield engine

    def _start(self, run: Run, server: int) -> Start:
        job = self._job
        return Start(
            run.task,
            run.experiment.options,
            self._model,
            job.engine_log,
            job.threads,
            self.slots,
            server=server,
            servers=run.engine.servers,
        )

    def _slots(self) -> int:
        configured = self._job.run.engine.slots
        if configured != "auto":
            return configured
        run = self._job.run
        place = self._job.layout, self._job.cohort, run.experiment_id, self._gpu
        return measured_slots(*place, run.experiment.options.num_ctx) or WITHOUT_A_MEASURE

    def record(self, answers: Finished, texts: int) -> RepeatRecord:
        """What came of it. texts: that the cohort has."""
        job = self._job
        return RepeatRecord(
            experiment=job.run.experiment_id,
            cohort=job.cohort,
            settings=job.settings,
            texts=len(self._before),
            of_texts=texts,
            **self._repeated.figures(),
            rounds=self._rounds,
            temperature=job.run.experiment.options.temperature,
            slots=self.slots,
            slots_before=slots_of_shards(answers.shards),
            gpu=self._gpu,
            host=platform.node(),
            model=self._model.model,
            model_digest=self._model.digest,
            engines_before=_engines(self._before.values()),
            notemill=notemill.__version__,
            made_at=now(),
            seconds=round(time.monotonic() - self._began, 1),
        )


def _with_seed(run: Run, seed: int) -> Run:
    """The run with another seed; nothing is written under its identity."""
    options = run.experiment.options.model_copy(update={"seed": seed})
    return replace(run, experiment=run.experiment.model_copy(update={"options": options}))


def _engines(before: Iterable[Before]) -> list[str]:
    return sorted({each.engine for each in before if each.engine})
