"""That a cohort's texts were removed, and what a plan can't ask of it any more.

Pydantic alone, because every Slurm job plans twice. What stays of a purged cohort's notes shards
has ids, hashes and states; the record here says when texts went, and which experiments had ended.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from notemill.clock import now
from notemill.errors import NotemillError
from notemill.files import Record, explained, read_json
from notemill.paths import Layout, cut_name

EXTRACT_AGAIN = (
    "to ask its notes again, say so with `notemill purge --undo COHORT` and run snakemake once "
    "with `--forcerun extract` added, which reads them from their source if they are still the "
    "same. No answered note is asked again"
)
"""Remedy for what needs the texts of a purged cohort."""


class Removed(BaseModel):
    """How many files of a kind a purge removed or took texts out of, and their bytes before."""

    model_config = ConfigDict(frozen=True)

    what: str
    files: int
    bytes: int


class Purge(BaseModel):
    """One purge. experiments: ids of those that had ended, each with its grading of evidence;
    removed: of all its tries. finished_at: None while it goes on, or when it was killed;
    read_again_at: when extract was told to bring the texts back."""

    model_config = ConfigDict(frozen=True)

    begun_at: str
    experiments: dict[str, str]
    removed: list[Removed]
    notemill: str
    finished_at: str | None = None
    read_again_at: str | None = None


class Purged(Record):
    """A cohort's purges, the last one last. notes_digest: of the notes, as in the manifest."""

    cohort: str
    notes_digest: str
    purges: list[Purge]

    @property
    def gone(self) -> Purge | None:
        """The purge since which there are no texts, or not all; None where they are back."""
        last = self.purges[-1]
        return last if last.read_again_at is None else None

    def with_last(self, **values: str | None) -> Purged:
        """The same, its last purge with these values."""
        last = self.purges[-1].model_copy(update=values)
        return self.model_copy(update={"purges": [*self.purges[:-1], last]})


def read_purged(path: Path) -> Purged | None:
    """What was purged of a cohort, None if nothing. Raises NotemillError if damaged."""
    if not path.exists():
        return None
    return read_json(
        Purged,
        path,
        problem="this file should say what was purged of the cohort, and does not",
        remedy="bring it back from a backup, or delete it: notes shards without texts say so "
        "themselves, job by job",
    )


def refuse_gone(layout: Layout, cohort: str) -> None:
    """Raise NotemillError if the cohort's texts are gone, or going."""
    purged = read_purged(layout.purged(cohort))
    if purged and purged.gone:
        raise NotemillError(
            f"the texts of cohort '{cohort}' were purged on {purged.gone.begun_at}",
            where=str(layout.cohort(cohort)),
            remedy=EXTRACT_AGAIN,
        )


@contextmanager
def unless_purged(layout: Layout, cohort: str, path: Path) -> Iterator[None]:
    """Around the writing of a file or folder with texts: gone again, and refused, where a purge
    begins meanwhile. It writes its record before it looks for files, so one of the two sees the
    other."""
    try:
        yield
    except FileNotFoundError:  # taken away while it was made
        refuse_gone(layout, cohort)
        raise
    try:
        refuse_gone(layout, cohort)
    except NotemillError:
        with explained(path):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def texts_come_back(layout: Layout, cohort: str) -> bool:
    """Write down that texts are to lie there again, before they do; False where none were gone."""
    path = layout.purged(cohort)
    purged = read_purged(path)
    if purged is None or purged.gone is None:
        return False
    purged.with_last(read_again_at=now()).write(path)
    return True


def refuse_purged(
    layout: Layout, cohort: str, shards: int, experiments: Mapping[str, str], in_force: int
) -> None:
    """Raise NotemillError where a plan needs texts of a cohort that are gone.

    experiments: ids of those that are to ask it, each with its grading of evidence; shards: that it
    is to have, in_force: that it has.
    """
    purged = read_purged(layout.purged(cohort))
    if purged is None or purged.gone is None:
        return
    ended = purged.gone.experiments
    reasons = []
    if new := sorted(experiments.keys() - ended.keys()):
        reasons.append(f"{', '.join(new)} would have to ask it")
    asked = experiments.keys() & ended
    if graded := sorted(each for each in asked if experiments[each] != ended[each]):
        reasons.append(f"the evidence of {', '.join(graded)} would have to be looked for in them")
    if shards != in_force:
        reasons.append(f"it would have to be cut from {in_force} into {shards} shards")
    elif not layout.manifest(cohort, cut_name(shards)).exists():
        reasons.append("its manifest is missing and would be written from them")
    if reasons:
        raise NotemillError(
            f"the texts of cohort '{cohort}' were purged on {purged.gone.begun_at}, and "
            + "; ".join(reasons),
            where=str(layout.cohort(cohort)),
            remedy=f"set the configuration back to what was asked; or, {EXTRACT_AGAIN}",
        )
