"""How a whole run goes: every experiment over every cohort of it, added up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import notemill
from notemill.answers.experiment_record import experiment_record
from notemill.comparison.repeat_settings import SHARD as REPEAT
from notemill.config import Config
from notemill.errors import NotemillError
from notemill.files import read_json
from notemill.load.report import LoadReport
from notemill.notes.manifest import Manifest, read_frozen
from notemill.paths import Layout, cut_name, live, shard_names
from notemill.pilot.record import PilotRecord, read_pilot
from notemill.status.hours import gpu_hours, mean_rate, on_gpu, seconds_left
from notemill.status.jobs import job_of, sorted_jobs
from notemill.status.reading import Reading, Seen, is_there, names_in, server_time
from notemill.status.repeated import RepeatSeen, repeat_seen
from notemill.status.report import (
    ExperimentStatus,
    Job,
    Shards,
    ShardState,
    Status,
)
from notemill.status.shards import Shard, Whose, shard_states, state_of
from notemill.status.timeline import timeline
from notemill.status.words import added
from notemill.tasks.run import Run

PILOT = "pilot"
"""The pilot's name among shards."""
_QUIET = (ShardState.DONE, ShardState.WAITING)
"""States of which there is nothing to say of a job."""


def gather(config: Config, runs: Sequence[Run], reading: Reading | None = None) -> Status:
    """How the runs of a configuration go, from files alone.

    reading: of the look before, which knows what can't change any more. Never raises for what the
    files hold: those that say nothing are counted.
    """
    reading = reading or Reading()
    reading.unreadable = 0
    layout = Layout(config.results)
    now = server_time(config.results)
    experiments = [
        _Gathering(config, run, cohort, layout, reading, now).status()
        for run in runs
        for cohort in run.cohorts
    ]
    return Status(
        at=datetime.fromtimestamp(time.time(), UTC).replace(microsecond=0),
        results=str(config.results),
        notemill=notemill.__version__,
        done=all(each.is_over for each in experiments),
        unreadable=reading.unreadable,
        experiments=experiments,
    )


class _Gathering:
    """One experiment over one cohort. now: by the file server's clock."""

    def __init__(
        self, config: Config, run: Run, cohort: str, layout: Layout, reading: Reading, now: float
    ) -> None:
        self._config = config
        self._run = run
        self._cohort = cohort
        self._layout = layout
        self._reading = reading
        self._now = now
        self._count = config.cohorts[cohort].shards
        self._cut = cut_name(self._count)
        self._whose = Whose(cohort, run.experiment_id)
        self._pilot_path = layout.pilot(cohort, run.experiment_id)

    def status(self) -> ExperimentStatus:
        """How it goes."""
        run = self._run
        manifest = self._reading.manifest(
            self._layout.manifest(self._cohort, self._cut), self._cohort
        )
        pilot = self._pilot_seen()
        record = self._pilot_record()
        shards = _with_pilot(self._shards(manifest), manifest, pilot)
        answered = sum(shard.answered for shard in shards)
        failed = added(shard.failed for shard in shards)
        settled = sum(shard.settled for shard in shards)
        texts = sum(entry.texts for entry in manifest.shards) if manifest else None
        left = texts - answered - sum(failed.values()) - settled if texts is not None else None
        pilot_state = self._pilot_state(pilot, record)
        repeat = repeat_seen(self._layout, run, self._cohort, self._reading, self._now)
        jobs = self._jobs(shards, pilot, pilot_state, repeat)
        running = (job for job in jobs if job.state is ShardState.RUNNING)
        rate = sum(job.texts_per_s for job in running if job.shard != REPEAT)
        loaded = self._is_loaded(shards)
        lives = [shard.live for shard in shards if shard.live]
        finished = [shard.finished for shard in shards if shard.finished is not None]
        return ExperimentStatus(
            cohort=self._cohort,
            experiment=run.experiment_id,
            name=run.name,
            model=run.experiment.model,
            on_gpu=on_gpu(run.engine) and run.engine.gpu != "off",
            texts=texts,
            notes=manifest.counts.notes if manifest else None,
            answered=answered,
            failed=sum(failed.values()),
            failed_by_status=failed,
            settled=settled if run.task.gate else None,
            left=left,
            texts_per_s=round(rate, 3),
            mean_texts_per_s=mean_rate(lives),
            seconds_left=seconds_left(shards, left, rate),
            gpu_hours=gpu_hours(shards, texts, record, repeat.seconds, run.engine),
            tokens=sum(shard.tokens for shard in shards),
            shards=Shards(total=len(shards), **Counter(shard.state.value for shard in shards)),
            uncounted_shards=sum(shard.uncounted for shard in shards),
            pilot=pilot_state,
            repeat=repeat.state,
            loaded=loaded,
            jobs=jobs,
            remarks=self._remarks(manifest, shards, answered, loaded=loaded),
            timeline=timeline([*lives, *([pilot.live] if pilot else [])], finished),
        )

    def _shards(self, manifest: Manifest | None) -> list[Shard]:
        entries = {entry.name: entry for entry in manifest.shards} if manifest else {}
        names = list(entries) or shard_names(self._count)
        answers = {name: self._answers(name) for name in names}
        folder = self._answers("0000").parent
        return shard_states(
            answers, names_in(folder), entries, self._whose, self._reading, self._now
        )

    def _answers(self, shard: str) -> Path:
        return self._layout.answers(self._cohort, self._run.experiment_id, self._cut, shard)

    def _jobs(
        self, shards: Sequence[Shard], pilot: Seen | None, pilot_state: str, repeat: RepeatSeen
    ) -> list[Job]:
        """What there is to say of jobs, the pilot's and the repeat's too."""
        parts = (self._cohort, self._run.experiment_id)
        jobs = [
            self._job(shard, self._layout.log("answer", *parts, self._cut, shard.name))
            for shard in shards
            if shard.state not in _QUIET
        ]
        if pilot and pilot_state not in ("off", *_QUIET):
            known = pilot.live
            shown = Shard(
                PILOT, ShardState(pilot_state), known.texts, answered=known.answered, seen=pilot
            )
            jobs.append(self._job(shown, self._layout.log(PILOT, *parts)))
        if again := repeat.as_shard():
            jobs.append(self._job(again, self._layout.log(REPEAT, *parts)))
        return sorted_jobs(jobs)

    def _job(self, shard: Shard, log: Path) -> Job:
        """log: where the job says nothing of it."""
        told = shard.live.log if shard.live else ""
        return job_of(shard, self._layout.results / told if told else log, self._now)

    def _pilot_state(self, pilot: Seen | None, record: PilotRecord | None) -> str:
        if self._run.experiment.pilot.notes == 0:
            return "off"
        if record:
            return ShardState.DONE.value
        return (state_of(pilot, self._now) if pilot else ShardState.WAITING).value

    def _pilot_seen(self) -> Seen | None:
        path = live(self._pilot_path)
        seen = self._reading.live([path]).get(path)
        return seen if seen and self._whose.has(seen.live, PILOT) else None

    def _pilot_record(self) -> PilotRecord | None:
        try:
            record = read_pilot(self._pilot_path)
        except (OSError, NotemillError):
            self._reading.unreadable += is_there(self._pilot_path)
            return None
        whose = Whose(record.cohort, record.experiment)
        return record if whose == self._whose else None

    def _is_loaded(self, shards: Sequence[Shard]) -> bool:
        """Whether a load came after all shards."""
        try:
            at = self._layout.load(self._cohort, self._run.experiment_id).stat().st_mtime
        except OSError:
            return False
        return all(
            shard.state is ShardState.DONE and self._written(shard) <= at for shard in shards
        )

    def _written(self, shard: Shard) -> float:
        try:
            return self._answers(shard.name).stat().st_mtime
        except OSError:
            return 0.0

    def _remarks(
        self, manifest: Manifest | None, shards: Sequence[Shard], answered: int, *, loaded: bool
    ) -> list[str]:
        remarks = []
        if loaded and (untaken := self._untaken()):
            remarks.append(untaken)
        if together := self._together():
            remarks.append(
                f"asked in the same jobs as {', '.join(together)}: hours are its part of theirs"
            )
        if manifest is None:
            remarks.append(self._before_extract())
        if uncounted := sum(shard.uncounted for shard in shards):
            remarks.append(
                f"{uncounted} shards have answers in their journals that count here when their "
                "jobs begin"
            )
        if not answered and (others := self._other_experiments()):
            remarks.append(
                f"answers of {', '.join(others)} do not count: another prompt, schema, model or "
                "option makes another experiment"
            )
        return remarks

    def _untaken(self) -> str | None:
        """Answers here that are failures in the tables, because those can't store them."""
        path = self._layout.load(self._cohort, self._run.experiment_id)
        try:
            report = read_json(LoadReport, path, problem="no load report", remedy="delete it")
        except (OSError, NotemillError):
            return None
        if not report.nul:
            return None
        return (
            f"{report.nul} notes whose answers hold a NUL character are in {report.failures_table} "
            "as 'schema': PostgreSQL can't store them"
        )

    def _together(self) -> list[str]:
        """Names of the tasks that were asked beside this one."""
        if not self._run.experiment.together:
            return []
        record = None
        with suppress(OSError, NotemillError):
            record = experiment_record(self._layout, self._run.experiment_id)
        others = (
            [each for each in record.asked_with if each != self._run.experiment_id]
            if record
            else []
        )
        return sorted(each.rpartition("-")[0] for each in others)

    def _before_extract(self) -> str:
        frozen = None
        with suppress(OSError, NotemillError):
            frozen = read_frozen(self._layout.frozen(self._cohort))
        if frozen and frozen.cut != self._count:
            return (
                f"the cohort lies in {frozen.cut} shards, the configuration says {self._count}: "
                "the next run of snakemake cuts it anew, and asks no answered note again"
            )
        return "the cohort is not extracted yet, so its number of texts is unknown"

    def _other_experiments(self) -> list[str]:
        names = names_in(self._layout.answers_folder(self._cohort)) - {self._run.experiment_id}
        return sorted(name for name in names if name.rpartition("-")[0] == self._run.name)


def _with_pilot(shards: list[Shard], manifest: Manifest | None, pilot: Seen | None) -> list[Shard]:
    """What the pilot answered lies in a shard's journal, also before that shard's own job."""
    if manifest is None or pilot is None:
        return shards
    known = pilot.live
    digests = {entry.name: entry.digest for entry in manifest.shards}
    return [
        replace(
            shard,
            answered=min(known.answered, shard.texts),
            settled=known.settled,
            seconds=known.spent.seconds,
            tokens=known.spent.tokens,
            uncounted=False,
        )
        if shard.uncounted and shard.texts is not None and digests[shard.name] == known.notes_digest
        else shard
        for shard in shards
    ]
