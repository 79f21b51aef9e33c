"""A shard's work opened: its notes and model as the plan has them, its journal locked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from notemill.answers.experiment_record import refuse_wrong_model
from notemill.answers.journal import Journal, JournalKey
from notemill.answers.live_file import LiveFile
from notemill.answers.shard_job import ShardJob
from notemill.answers.verdict import STATUSES, is_answer
from notemill.answers.work import ShardWork
from notemill.counts import Counts
from notemill.database.keys import IdColumn
from notemill.engines.record import ModelRecord, read_record
from notemill.errors import NotemillError
from notemill.logs import log
from notemill.notes.manifest import ShardEntry, read_manifest
from notemill.notes.purged import refuse_gone
from notemill.notes.shard import READ_ANEW, NotesDigest, read_notes
from notemill.notes.text import TextState
from notemill.paths import journal as journal_path
from notemill.paths import live as live_path
from notemill.tasks.gate import WHOLE, Gated


@contextmanager
def opened(job: ShardJob, tells: LiveFile | None = None) -> Iterator[ShardWork]:
    """Open the shard's journal, with notes and model as the plan has them.

    tells: how the job goes and how it ended; by default in the shard's own file.
    Raises NotemillError when notes, model or cut are others by now, or another job is on it.
    """
    started, began = time.monotonic(), time.time()
    run = job.run
    whose = {"cohort": job.cohort, "experiment": run.experiment_id, "shard": job.shard}
    with tells or LiveFile(live_path(job.output), **whose, log=job.log) as live:
        manifest = read_manifest(job.manifest, of=job.cohort)
        record = _checked_record(job)
        wanted, gated = _texts_to_ask(job, manifest.id_columns, manifest.shard(job.shard))
        key = JournalKey(run.experiment_id, record.digest)
        accepts = partial(is_answer, model=run.task.answer_model)
        with Journal(journal_path(job.output), key, accepts, started=started) as journal:
            _refuse_if_given_up(job)
            counts = Counts(
                job.cohort,
                run.experiment_id,
                job.shard,
                STATUSES,
                journal_path(job.output),
                began,
            )
            work = ShardWork(job, manifest, record, wanted, journal, live, gated, counts=counts)
            answered = len(wanted) - len(work.missing())
            if work.missing():  # once the journal is locked, a purge waits for this job
                refuse_gone(job.layout, job.cohort)
            counts.texts, counts.settled = len(wanted) + work.settled, work.settled
            counts.answered_before = answered
            if run.task.gate:
                log.info(
                    "the gate settled %d of %d texts", work.settled, len(wanted) + work.settled
                )
            log.info(
                "%d notes, %d distinct texts to ask, %d of them in the journal (job %d on this "
                "shard)",
                work.entry.notes,
                len(wanted),
                answered,
                journal.jobs,
            )
            live.begins(
                texts=len(wanted) + work.settled,
                settled=work.settled,
                answered=answered,
                spent=lambda: journal.spent,
                job=journal.jobs,
                notes_digest=work.entry.digest,
            )
            yield work


@contextmanager
def opened_together(
    jobs: Sequence[ShardJob], asked_with: Sequence[str] = ()
) -> Iterator[ShardWork]:
    """Open one shard's journals for several tasks; yields the first's work, the others beside it.

    The time of the job is theirs in equal parts. asked_with: ids of the batch. Raises as `opened`
    does.
    """
    with ExitStack() as stack:
        works = [stack.enter_context(opened(job)) for job in jobs]
        together(works, asked_with)
        yield works[0]


def together(works: Sequence[ShardWork], asked_with: Sequence[str]) -> None:
    """Let the first of several works on one shard ask for all of them."""
    lead, *lead.beside = works
    for work in works:
        work.asked_with = tuple(asked_with)
        work.journal.share = 1 / len(works)


def _texts_to_ask(
    job: ShardJob, ids: list[IdColumn], entry: ShardEntry
) -> tuple[set[str], dict[str, Gated]]:
    """Hashes of the texts to ask, and what the gate did with texts.

    Raises NotemillError if the notes are not the manifest's, or the gate breaks.
    """
    digest, gate = NotesDigest(), job.run.task.gate
    texts: set[str] = set()
    gated: dict[str, Gated] = {}
    last = ""
    for note in read_notes(job.notes, ids, with_text=gate is not None):
        digest.add(note)
        text_sha256 = note.text_sha256.hex()
        if note.state is not TextState.OK or text_sha256 == last:
            continue
        last = text_sha256
        did = gate.gated(note.text) if gate and note.text is not None else WHOLE
        if did != WHOLE:
            gated[text_sha256] = did
        if not did.settled:
            texts.add(text_sha256)
    if digest.hexdigest() != entry.digest:
        raise NotemillError(
            "the notes shard does not hold the notes that its manifest tells of",
            where=str(job.notes),
            remedy=READ_ANEW,
        )
    return texts, gated


def _refuse_if_given_up(job: ShardJob) -> None:
    """Once the journal is locked, a cut stays in force; until then another job may give it up."""
    if not job.manifest.exists():
        raise NotemillError(
            "the cohort was just cut into another number of shards",
            where=str(job.manifest),
            remedy="run snakemake again; the answers have moved to the new shards",
        )


def _checked_record(job: ShardJob) -> ModelRecord:
    record = read_record(job.layout.model(job.run.model_id))
    refuse_wrong_model(job.layout, job.run, record)
    return record
