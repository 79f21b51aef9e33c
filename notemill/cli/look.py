"""`notemill look`: asked notes beside their answers, as a private page."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from notemill.answers.experiment_record import experiment_record
from notemill.answers.verdict import Status
from notemill.cli.given import Command, Given
from notemill.cli.looked_at import Looked, looked_at
from notemill.errors import NotemillError
from notemill.look.entries import About, about_run
from notemill.look.gather import CohortAnswers, Gathered
from notemill.look.page import check_place, write_page
from notemill.notes.purged import unless_purged
from notemill.pilot.look import wanted_of, which_of
from notemill.pilot.record import read_pilot

_NOTES = 100
_MOST_NOTES = 10_000


@dataclass(frozen=True)
class _Choice:
    """Which texts the command line asks for."""

    shard: str | None
    notes: int
    status: str | None


def write_look(looked: Looked, choice: _Choice, out: Path | None) -> Path:
    """Write the page; returns where it is. Raises NotemillError."""
    layout = looked.layout
    path = (out or layout.look(looked.cohort, looked.experiment_id)).absolute()
    check_place(path)
    gate = looked.run.task.gate if looked.run else None
    answers = CohortAnswers(layout, looked.cohort, looked.experiment_id, gate)
    record = layout.pilot(looked.cohort, looked.experiment_id)
    if choice.shard is None and record.exists():
        pilot = read_pilot(record)
        wanted = wanted_of(pilot)
        gathered = answers.of_texts(wanted, most=choice.notes, status=choice.status)
        which = which_of(pilot)
    else:
        gathered, which = _of_shard(answers, looked, choice)
    if not gathered.entries:
        raise NotemillError(
            f"none of these texts ended as {choice.status}"
            if choice.status
            else "of the pilot's texts nothing is known any more",
            where=f"{looked.experiment_id} over {looked.cohort}",
            remedy="leave --status out, or name another shard with --shard"
            if choice.status
            else "name a shard with --shard, or run `snakemake answers` with your profile",
        )
    about = _about(looked, gathered, " ".join([which, *_remarks(gathered, choice)]))
    with unless_purged(layout, looked.cohort, path):
        write_page(path, about, gathered.entries)
    return path


def _of_shard(answers: CohortAnswers, looked: Looked, choice: _Choice) -> tuple[Gathered, str]:
    shard = choice.shard or next(answers.shards(), None)
    if shard is None:
        raise looked.nothing_yet()
    answers.check_shard(shard)
    gathered = answers.of_shard(shard, most=choice.notes, status=choice.status)
    which = (
        f"These are the first texts of shard {shard} that were asked"
        + (" or settled by the task's gate" if looked.run and looked.run.task.gate else "")
        + ", by their hashes: a random sample of the cohort."
    )
    if not gathered.failures_known:
        which += " The shard is not done: texts that failed are told when it is."
    return gathered, which


def _remarks(gathered: Gathered, choice: _Choice) -> Iterator[str]:
    if choice.status:
        yield f"Of them only those whose status is {choice.status}."
    if gathered.missing:
        yield f"Of {gathered.missing} more nothing is known any more: their journal lacks them."
    if len(gathered.entries) == choice.notes:
        yield f"There may be more: --notes {choice.notes} were asked for."


def _about(looked: Looked, gathered: Gathered, which: str) -> About:
    record = experiment_record(looked.layout, looked.experiment_id)
    digest = ", ".join(gathered.digests) or (record.digest if record else "")
    ids = tuple(column.name for column in gathered.id_columns)
    if looked.run:
        return about_run(looked.run, looked.cohort, digest, which, id_columns=ids)
    return About(
        cohort=looked.cohort,
        experiment=looked.experiment_id,
        model=record.model if record else "not known",
        model_digest=digest,
        which=which,
        id_columns=ids,
    )


def _look(given: Given) -> int:
    arguments = given.arguments
    out = arguments.out and arguments.out.absolute()  # --directory leads elsewhere
    looked = looked_at(given.config, arguments.cohort, arguments.experiment)
    shard = None if arguments.shard is None else f"{arguments.shard:04d}"
    choice = _Choice(shard, arguments.notes, arguments.status)
    print(write_look(looked, choice, out))
    return 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cohort", metavar="COHORT", help="as in the configuration")
    parser.add_argument(
        "experiment",
        metavar="EXPERIMENT",
        help="its name in the configuration, or the id of one that was asked before",
    )
    parser.add_argument(
        "--shard", type=_whole_number, help="by default the pilot's texts, or the first shard"
    )
    parser.add_argument(
        "--notes",
        type=_notes,
        default=_NOTES,
        help=f"texts to show at most, by default {_NOTES}",
    )
    parser.add_argument(
        "--status",
        choices=[status.value for status in Status if status is not Status.BLANK],
        help="only texts that ended so",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="by default results/pilots/COHORT/ID.html"
    )


def _whole_number(word: str) -> int:
    if not (word.isascii() and word.isdigit()):
        raise argparse.ArgumentTypeError("a number of a shard, such as 0007")
    return int(word)


def _notes(word: str) -> int:
    if not (word.isascii() and word.isdigit() and int(word) in range(1, _MOST_NOTES + 1)):
        raise argparse.ArgumentTypeError(f"a number from 1 to {_MOST_NOTES}")
    return int(word)


COMMAND = Command(_look, _arguments)
