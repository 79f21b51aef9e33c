"""A pilot's texts beside their answers, as a private page."""

from __future__ import annotations

from pathlib import Path

from notemill.answers.outcome import Outcome
from notemill.answers.verdict import Status
from notemill.look.entries import about_run
from notemill.look.gather import CohortAnswers, Wanted
from notemill.look.page import write_page
from notemill.paths import Layout
from notemill.pilot.record import AskedText, PilotRecord
from notemill.tasks.run import Run


def write_pilot_page(layout: Layout, run: Run, pilot: PilotRecord) -> Path:
    """Write the page of what a pilot asked, its answers as the journal has them now.

    Returns where it is. Raises NotemillError.
    """
    answers = CohortAnswers(layout, pilot.cohort, pilot.experiment, run.task.gate)
    gathered = answers.of_texts(wanted_of(pilot), most=len(pilot.asked))
    path = layout.look(pilot.cohort, pilot.experiment)
    about = about_run(
        run,
        pilot.cohort,
        pilot.model_digest,
        which_of(pilot),
        id_columns=tuple(column.name for column in gathered.id_columns),
    )
    write_page(path, about, gathered.entries)
    return path


def wanted_of(pilot: PilotRecord) -> dict[str, Wanted]:
    """The texts that a pilot asked, by their hashes, those that failed with how."""
    return {asked.text_sha256: _wanted(asked, pilot) for asked in pilot.asked}


def which_of(pilot: PilotRecord) -> str:
    """Which texts these are, in a sentence."""
    return (
        f"These are the texts that the pilot asked: the first ones of shard {pilot.shard} by their "
        "hashes, a random sample of the cohort, and its longest and shortest ones, each of which "
        "says so."
    )


def _wanted(asked: AskedText, pilot: PilotRecord) -> Wanted:
    failure = Outcome(
        status=asked.status,
        answer=None,
        detail=asked.detail,
        attempts=asked.attempts,
        changes=asked.changes,
        prompt_tokens=asked.prompt_tokens,
        answer_tokens=asked.answer_tokens,
        seconds=asked.seconds,
        engine=pilot.engine,
        answered_at=pilot.made_at,
    )
    return Wanted(
        why="" if asked.drawn else "one of the longest or shortest",
        failure=None if asked.status == Status.ANSWERED else failure,
    )
