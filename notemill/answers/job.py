"""One shard's job: from notes to result shard, by way of the engine and the journal."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import notemill
from notemill.answers.asking import Asking
from notemill.answers.columns import answer_columns
from notemill.answers.experiment_record import keep_record, refuse_another_model
from notemill.answers.journal import Journal, JournalKey
from notemill.answers.live import LiveFile
from notemill.answers.outcome import Outcome
from notemill.answers.pool import ShardAsking, Text
from notemill.answers.refusal import told_once
from notemill.answers.shard import ShardOrigin, write_answers
from notemill.answers.verdict import Status, is_answer
from notemill.database.keys import IdColumn
from notemill.engines.control_tokens import ControlTokens
from notemill.engines.kinds import proven_engine
from notemill.engines.protocol import Engine, Start
from notemill.engines.record import ModelRecord, read_record
from notemill.errors import EngineRefused, NotemillError
from notemill.logs import Terminated, log
from notemill.notes.manifest import Manifest, ShardEntry, read_manifest
from notemill.notes.shard import READ_ANEW, NotesDigest, read_notes
from notemill.notes.text import TextState
from notemill.paths import Layout
from notemill.paths import journal as journal_path
from notemill.paths import live as live_path
from notemill.progress import Progress
from notemill.tasks.run import Run


@dataclass(frozen=True)
class ShardJob:
    """One shard of a run. threads: CPU threads for the engine."""

    run: Run
    layout: Layout
    cohort: str
    cut: str
    shard: str
    engine_log: Path
    threads: int

    @property
    def notes(self) -> Path:
        return self.layout.notes(self.cohort, self.cut, self.shard)

    @property
    def manifest(self) -> Path:
        return self.layout.manifest(self.cohort, self.cut)

    @property
    def output(self) -> Path:
        return self.layout.answers(self.cohort, self.run.experiment_id, self.cut, self.shard)


def answer_shard(job: ShardJob) -> ShardOrigin:
    """Answer every note of the shard and write the result shard; returns what is said of it.

    Raises NotemillError for what stops the job; accepted answers stay in the journal. Raises
    Terminated after SIGTERM, with everything ended.
    """
    started = time.monotonic()
    whose = {"cohort": job.cohort, "experiment": job.run.experiment_id, "shard": job.shard}
    with LiveFile(live_path(job.output), **whose) as live:
        return _answer_shard(job, live, started)


def _answer_shard(job: ShardJob, live: LiveFile, started: float) -> ShardOrigin:
    run = job.run
    manifest = read_manifest(job.manifest, of=job.cohort)
    record = _checked_record(job)
    entry = manifest.shard(job.shard)
    wanted = _texts_to_ask(job, manifest.id_columns, entry)
    key = JournalKey(run.experiment_id, record.digest)
    accepts = partial(is_answer, model=run.task.answer_model)
    columns = answer_columns(run.task, run.experiment.answer_prefix, manifest.id_columns)
    with Journal(journal_path(job.output), key, accepts, started=started) as journal:
        _refuse_if_given_up(job)
        missing = wanted - journal.answers.keys()
        log.info(
            "%d notes, %d distinct texts to ask, %d of them in the journal (job %d on this shard)",
            entry.notes,
            len(wanted),
            len(wanted) - len(missing),
            journal.jobs,
        )
        live.begins(
            texts=len(wanted),
            answered=len(wanted) - len(missing),
            spent=lambda: journal.spent,
            slots=_slots(job),
            job=journal.jobs,
            notes_digest=entry.digest,
        )
        failures: dict[str, Outcome] = {}
        if missing:
            with told_once(job.layout.refusal(run.experiment_id), run.engine, record.digest):
                failures = _ask(job, manifest, record, missing, journal, live, len(wanted))
        outcomes = {sha: journal.answers[sha] for sha in wanted - failures.keys()} | failures
        spent = journal.spent
        broken_up = sum(outcome.control_tokens for outcome in outcomes.values())
        if broken_up:
            log.warning(
                "%d control tokens of the model in the texts were broken up (control_tokens in the "
                "result shard tells where)",
                broken_up,
            )
        origin = ShardOrigin(
            cohort=job.cohort,
            shard=job.shard,
            experiment=run.experiment_id,
            notes_digest=entry.digest,
            model_digest=record.digest,
            weights_sha256=record.weights_sha256,
            notemill=notemill.__version__,
            notes=entry.notes,
            texts=len(wanted),
            failed=len(failures),
            asked=spent.asked,
            tokens=spent.tokens,
            seconds=round(spent.seconds, 1),
            jobs=journal.jobs,
            control_tokens=broken_up,
        )
        notes = read_notes(job.notes, manifest.id_columns, with_text=False)
        write_answers(job.output, notes, outcomes, manifest.id_columns, columns, origin)
    return origin


def _ask(
    job: ShardJob,
    manifest: Manifest,
    record: ModelRecord,
    missing: set[str],
    journal: Journal,
    live: LiveFile,
    total: int,
) -> dict[str, Outcome]:
    """Ask about the missing texts; answers go to the journal, the others are returned by hash."""
    failures: dict[str, Outcome] = {}
    progress = Progress("texts", total=total, on_bar=True)
    progress.resume_at(total - len(missing))

    def ended(text_sha256: str, outcome: Outcome) -> None:
        if outcome.status == Status.ANSWERED:
            journal.accept(text_sha256, outcome)
        else:
            failures[text_sha256] = outcome
            log.warning("text %s: %s, %s", text_sha256[:12], outcome.status, outcome.detail)
        live.ended(outcome)

    def beat() -> None:
        journal.spend()
        live.beat()

    experiment, engine = job.run.experiment, job.run.engine
    asking = ShardAsking(
        Asking(
            job.run.task,
            experiment.options,
            attempts=experiment.attempts,
            timeout_s=engine.answer_timeout_s,
            spend_tokens=lambda tokens: journal.spend(tokens=tokens),
            control_tokens=ControlTokens(record.control_tokens),
        ),
        ended,
        progress,
        asked=lambda: journal.spend(asked=1),
        beat=beat,
        slots=_slots(job),
        restarts=engine.restarts,
        max_failures=_allowed_failures(experiment.max_failed_share, total),
    )
    _run(asking, _texts(job.notes, manifest.id_columns, missing), partial(_started, job, record))
    return failures


def _slots(job: ShardJob) -> int:
    slots = job.run.engine.slots
    return 1 if slots == "auto" else slots


def _allowed_failures(share: float, texts: int) -> int:
    """Failed texts that a job may end with: the share of its texts, one at least unless it is 0."""
    # Rounded first: 0.29 of 100 are 29, not the 28.999999999999996 of the multiplication.
    return max(1, math.floor(round(share * texts, 6))) if share else 0


def _run(
    asking: ShardAsking,
    texts: Iterator[Text],
    start: Callable[[], AbstractAsyncContextManager[Engine]],
) -> None:
    """Run the asking; SIGTERM cancels it, so that the engine is ended before the job is."""

    async def main() -> None:
        task = asyncio.ensure_future(asking.run(texts, start))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await task

    handler = signal.getsignal(signal.SIGTERM)
    try:
        asyncio.run(main())
    except asyncio.CancelledError:
        raise Terminated from None
    finally:
        signal.signal(signal.SIGTERM, handler)  # the loop left the default behind


@asynccontextmanager
async def _started(job: ShardJob, record: ModelRecord) -> AsyncIterator[Engine]:
    run = job.run
    start = Start(
        run.task, run.experiment.options, record, job.engine_log, job.threads, _slots(job)
    )
    async with proven_engine(run.engine, start) as engine:
        keep_record(job.layout, run, record)
        yield engine


def _texts_to_ask(job: ShardJob, ids: list[IdColumn], entry: ShardEntry) -> set[str]:
    """Hashes of the texts to ask. Raises NotemillError if the notes are not the manifest's."""
    digest = NotesDigest()
    texts = set()
    for note in read_notes(job.notes, ids, with_text=False):
        digest.add(note)
        if note.state is TextState.OK:
            texts.add(note.text_sha256.hex())
    if digest.hexdigest() != entry.digest:
        raise NotemillError(
            "the notes shard does not hold the notes that its manifest tells of",
            where=str(job.notes),
            remedy=READ_ANEW,
        )
    return texts


def _texts(notes: Path, ids: list[IdColumn], missing: set[str]) -> Iterator[Text]:
    """Each missing text once; equal texts are neighbours in a shard."""
    last = ""
    for note in read_notes(notes, ids, with_text=True):
        text_sha256 = note.text_sha256.hex()
        if text_sha256 != last and text_sha256 in missing and note.text is not None:
            last = text_sha256
            yield text_sha256, note.text


def _refuse_if_given_up(job: ShardJob) -> None:
    """Once the journal is locked, a cut stays in force; until then another job may give it up."""
    if not job.manifest.exists():
        raise NotemillError(
            "the cohort was just cut into another number of shards",
            where=str(job.manifest),
            remedy="run snakemake again; the answers have moved to the new shards",
        )


def _checked_record(job: ShardJob) -> ModelRecord:
    path = job.layout.model(job.run.model_id)
    record = read_record(path)
    pinned = job.run.experiment.digest
    if pinned and record.digest != pinned:
        raise EngineRefused(
            f"model '{record.model}' has the digest {record.digest}, the experiment pins {pinned}",
            where=str(path),
            remedy="put the pinned model into the store, delete this record and run again; or "
            "correct `digest` of the experiment",
        )
    refuse_another_model(job.layout, job.run, record)
    return record
