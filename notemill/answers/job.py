"""One shard's job: from notes to result shard, by way of the engine and the journal."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import notemill
from notemill.answers.columns import answer_columns
from notemill.answers.grades import graded_by
from notemill.answers.opening import opened_together
from notemill.answers.outcome import Outcome
from notemill.answers.refusal import told_once
from notemill.answers.shard import ShardOrigin, read_failed, read_origin, write_answers
from notemill.answers.shard_job import ShardJob
from notemill.answers.slots import classing_of
from notemill.answers.terminated import until_terminated
from notemill.answers.work import ShardWork
from notemill.counts import Watched
from notemill.engines.record import read_record
from notemill.errors import NotemillError
from notemill.logs import log
from notemill.notes.manifest import read_manifest
from notemill.notes.shard import read_notes
from notemill.paths import journal


def answer_shards(
    jobs: Sequence[ShardJob],
    asked_with: Sequence[str] = (),
    watched: Watched = lambda _: nullcontext(),
) -> list[ShardOrigin]:
    """Answer every note of a shard, for a task or several that are asked together, and write the
    result shards; returns what is said of each. asked_with: ids of the batch.

    Where a result shard is there and evidence alone is to be graded otherwise, nothing is asked. Of
    several tasks one whose result shard stands is left alone. Where one fails of more texts than it
    may, the others are still asked to their end, and their answers stay in their journals.

    Raises NotemillError for what stops the job; accepted answers stay in the journal. Raises
    Terminated after SIGTERM, with everything ended.
    """
    needed = [job for job in jobs if len(jobs) == 1 or not _stands(job)]
    with (
        opened_together(needed or jobs, asked_with) as lead,
        watched([work.counts for work in lead.together]),
    ):
        for work in lead.together:
            work.failures |= _failures_to_keep(work)
        if lead.missing():
            refusal = lead.job.layout.refusal(lead.job.run.experiment_id)
            with told_once(refusal, lead.job.run.engine, lead.record.digest):
                until_terminated(_ask(lead))
        _refuse_given_up(lead)
        return [_write(work) for work in lead.together]


def _stands(job: ShardJob) -> bool:
    """Whether the result shard is there, of these notes, this model and these grades."""
    try:
        origin = read_origin(job.output)
        manifest = read_manifest(job.manifest, of=job.cohort)
        digest = read_record(job.layout.model(job.run.model_id)).digest
    except NotemillError:
        return False
    return (origin.experiment, origin.evidence, origin.notes_digest, origin.model_digest) == (
        job.run.experiment_id,
        graded_by(job.run.task),
        manifest.shard(job.shard).digest,
        digest,
    )


def _refuse_given_up(lead: ShardWork) -> None:
    """Raise NotemillError that names the tasks which failed of more texts than they may."""
    works = [work for work in lead.together if work.given_up]
    if not works:
        return
    told = [f"{work.job.run.name}: {work.given_up.what}" for work in works if work.given_up]
    raise NotemillError(
        "; ".join(told),
        where="this log's lines above give the reasons",
        remedy="correct the task's prompt or schema; or raise max_failed_share; or take the task "
        "out of `tasks`. Then run again: the other tasks' answers are in their journals, and are "
        "written without being asked",
    )


def _failures_to_keep(work: ShardWork) -> dict[str, Outcome]:
    """How texts without an answer ended by a result shard that lacks nothing but these grades.

    Raises NotemillError where such a shard has answers that the journal lost: they would be asked
    again, and may come out otherwise.
    """
    job, path = work.job, work.job.output
    missing = work.left()
    if not missing or not path.exists():
        return {}
    try:
        origin = read_origin(path)
        if origin.evidence == graded_by(job.run.task):
            return {}  # it is written again for another reason: failures are asked again
        if (origin.experiment, origin.notes_digest, origin.model_digest) != (
            job.run.experiment_id,
            work.entry.digest,
            work.record.digest,
        ):
            return {}
        failed = read_failed(path, missing)
    except NotemillError:  # damaged: as if it were not there
        return {}
    if lost := len(missing) - len(failed):
        raise NotemillError(
            f"evidence is to be graded, and the journal lacks {lost} answers that the result shard "
            f"{path.name} has: they would be asked again",
            where=str(journal(path)),
            remedy="bring the journal back from a backup; or take `evidence` out of the task's "
            "task.yaml, which leaves the answers as they are; or delete the result shard, if its "
            "notes may be asked again",
        )
    log.info("evidence is graded anew; %d failed texts stay as they are", len(failed))
    return failed


async def _ask(work: ShardWork) -> None:
    """Ask about the missing texts; answers go to the journal, failures stay in the work."""
    classing = await classing_of(work)
    await classing.ask(classing.plan())


def _write(work: ShardWork) -> ShardOrigin:
    job, journal, entry = work.job, work.journal, work.entry
    answers = {sha: journal.answers[sha] for sha in work.wanted - work.failures.keys()}
    outcomes = answers | work.failures
    ids = work.manifest.id_columns
    columns = answer_columns(job.run.task, job.run.experiment.answer_prefix, ids)
    broken_up = sum(outcome.control_tokens for outcome in outcomes.values())
    if broken_up:
        log.warning(
            "%d control tokens of the model in the texts were broken up (control_tokens in the "
            "result shard tells where)",
            broken_up,
        )
    spent = journal.spent
    origin = ShardOrigin(
        cohort=job.cohort,
        shard=job.shard,
        experiment=job.run.experiment_id,
        notes_digest=entry.digest,
        model_digest=work.record.digest,
        weights_sha256=work.record.weights_sha256,
        notemill=notemill.__version__,
        notes=entry.notes,
        texts=len(work.wanted) + work.settled,
        settled=work.settled,
        failed=len(work.failures),
        asked=spent.asked,
        tokens=spent.tokens,
        seconds=round(spent.seconds, 1),
        jobs=journal.jobs,
        control_tokens=broken_up,
        evidence=graded_by(job.run.task),
    )
    evidence, gate = job.run.task.evidence, job.run.task.gate
    notes = read_notes(job.notes, ids, with_text=bool(evidence or gate))
    write_answers(job.output, notes, outcomes, ids, columns, origin, evidence, gate, work.gated)
    return origin
