"""One shard's job: from notes to result shard, by way of the engine and the journal."""

from __future__ import annotations

import notemill
from notemill.answers.columns import answer_columns
from notemill.answers.grades import graded_by
from notemill.answers.outcome import Outcome
from notemill.answers.refusal import told_once
from notemill.answers.shard import ShardOrigin, read_failed, read_origin, write_answers
from notemill.answers.slots import classing_of
from notemill.answers.work import ShardJob, ShardWork, opened, until_terminated
from notemill.errors import NotemillError
from notemill.logs import log
from notemill.notes.shard import read_notes
from notemill.paths import journal


def answer_shard(job: ShardJob) -> ShardOrigin:
    """Answer every note of the shard and write the result shard; returns what is said of it.

    Where a result shard is there and evidence alone is to be graded otherwise, nothing is asked.

    Raises NotemillError for what stops the job; accepted answers stay in the journal. Raises
    Terminated after SIGTERM, with everything ended.
    """
    with opened(job) as work:
        work.failures |= _failures_to_keep(work)
        if work.missing():
            refusal = job.layout.refusal(job.run.experiment_id)
            with told_once(refusal, job.run.engine, work.record.digest):
                until_terminated(_ask(work))
        outcomes = {sha: work.journal.answers[sha] for sha in work.wanted - work.failures.keys()}
        return _write(work, outcomes | work.failures)


def _failures_to_keep(work: ShardWork) -> dict[str, Outcome]:
    """How texts without an answer ended by a result shard that lacks nothing but these grades.

    Raises NotemillError where such a shard has answers that the journal lost: they would be asked
    again, and may come out otherwise.
    """
    job, path = work.job, work.job.output
    missing = work.missing()
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


def _write(work: ShardWork, outcomes: dict[str, Outcome]) -> ShardOrigin:
    job, journal, entry = work.job, work.journal, work.entry
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
        texts=len(work.wanted),
        failed=len(work.failures),
        asked=spent.asked,
        tokens=spent.tokens,
        seconds=round(spent.seconds, 1),
        jobs=journal.jobs,
        control_tokens=broken_up,
        evidence=graded_by(job.run.task),
    )
    evidence = job.run.task.evidence
    notes = read_notes(job.notes, ids, with_text=evidence is not None)
    write_answers(job.output, notes, outcomes, ids, columns, origin, evidence)
    return origin
