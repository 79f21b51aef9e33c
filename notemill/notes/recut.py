"""What changes hands when a cohort gets another number of shards: answers, and what is in force."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from notemill.files import explained, sync, write_text
from notemill.paths import CUTS, Layout, cut_name, shard_names, shards_of_cut


class CohortAnswers(Protocol):
    """A cohort's answers, as far as another cut concerns them (notemill.answers.recut)."""

    def refuse_while_answered(self, shards: int) -> None:
        """Raise NotemillError if a job works on a shard of this cut."""
        ...

    def move(self, *, before: int, after: int) -> None:
        """Copy all answers of a cut, and what they have cost, into the journals of another one."""
        ...


def other_cuts(layout: Layout, cohort: str, shards: int) -> list[int]:
    """Numbers of shards of the cuts, but this one, in which there are answers."""
    cuts = {folder.name for folder in layout.answers_folder(cohort).glob(f"*/{CUTS}")}
    return sorted(shards_of_cut(name) for name in cuts - {cut_name(shards)})


def other_notes(layout: Layout, cohort: str, shards: int) -> list[int]:
    """Numbers of shards of the cuts, but this one, in which there are notes."""
    cuts = {folder.name for folder in layout.cohort(cohort).glob(CUTS)}
    return sorted(shards_of_cut(name) for name in cuts - {cut_name(shards)})


def gather_answers(layout: Layout, cohort: str, answers: CohortAnswers, *, into: int) -> None:
    """Bring what other cuts have answered, and this one has not, into this one's journals.

    They are copies, of a recut that was killed; or the record of the cut in force is an older one,
    and they are all there is.
    """
    for other in other_cuts(layout, cohort, into):
        answers.move(before=other, after=into)
        for folder in layout.answers_folder(cohort).glob(f"*/{cut_name(other)}"):
            with explained(folder):
                shutil.rmtree(folder)


def clear_cuts(layout: Layout, cohort: str, *, but: int) -> None:
    """Remove what belongs to another cut than this: notes shards, result shards and journals."""
    for folder in (
        *layout.answers_folder(cohort).glob(f"*/{CUTS}"),
        *layout.cohort(cohort).glob(CUTS),
    ):
        if folder.name != cut_name(but):
            with explained(folder):
                shutil.rmtree(folder)


@contextmanager
def withdrawn(manifest: Path) -> Iterator[None]:
    """Take a cut's manifest away, so that no job begins with it; bring it back on any error."""
    text = manifest.read_text(encoding="utf-8") if manifest.exists() else None
    with explained(manifest):
        manifest.unlink(missing_ok=True)
        if manifest.parent.exists():
            sync(manifest.parent)
    try:
        yield
    except BaseException:
        if text is not None:
            write_text(manifest, text)
        raise


def remove_result_shards(layout: Layout, cohort: str, shards: int) -> None:
    """Remove a cut's result shards, which their journals can give again without asking.

    Before the cut is given up: a plan that is made later takes a result shard for a result.
    """
    for experiment in experiments_of(layout, cohort):
        for name in shard_names(shards):
            path = layout.answers(cohort, experiment, cut_name(shards), name)
            with explained(path):
                path.unlink(missing_ok=True)


def experiments_of(layout: Layout, cohort: str) -> list[str]:
    """Ids of all experiments that ever asked this cohort."""
    folder = layout.answers_folder(cohort)
    return sorted(path.name for path in folder.glob("*/"))
