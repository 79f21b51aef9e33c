"""Takes the texts of a finished cohort away; killed, the next one goes on with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import notemill
from notemill.answers.recut import JournaledAnswers
from notemill.clock import now
from notemill.errors import NotemillError
from notemill.locks import LockedFile
from notemill.notes.purged import Purge, Purged, read_purged
from notemill.paths import Layout
from notemill.progress import Progress
from notemill.purge.ended import ended_runs, read_cohort, unfinished_others
from notemill.purge.texts import Found, summed, texts_of
from notemill.tasks.run import Run


@dataclass(frozen=True)
class Purging:
    """A purge that may begin, or go on.

    record: of the cohort, with this purge last; before: what it said until now; cut: in force;
    unfinished: experiments over it, not of this configuration, that have begun and can't go on
    afterwards.
    """

    layout: Layout
    record: Purged
    before: Purged | None
    cut: int
    found: list[Found]
    unfinished: list[str]

    @property
    def is_done(self) -> bool:
        """Whether an earlier one came to its end."""
        return self.record.purges[-1].finished_at is not None

    def run(self) -> None:
        """Remove all there is by now; the record first, so that no plan counts on what may be gone.

        Raises NotemillError, with nothing removed, where a job began since it was looked: one that
        locks its journal later reads the record and asks nothing.
        """
        cohort = self.record.cohort
        path = self.layout.purged(cohort)
        self.record.with_last(finished_at=None).write(path)
        try:
            JournaledAnswers(self.layout, cohort).refuse_while_answered(self.cut)
        except NotemillError:
            if self.before:
                self.before.write(path)
            else:
                path.unlink()
            raise
        found = texts_of(self.layout, cohort, self.cut)
        progress = Progress("files purged", total=len(found))
        for each in found:
            each.remove()
            progress.add()
        self.record.with_last(finished_at=now()).write(path)


def extract_lock(layout: Layout, cohort: str) -> LockedFile:
    """The lock of a cohort that was read. Raises NotemillError: there is none, or it is held."""
    read_cohort(layout, cohort)
    return LockedFile(layout.cohort(cohort) / ".lock", f"extracting cohort '{cohort}'")


@contextmanager
def purging(layout: Layout, cohort: str, runs: Sequence[Run]) -> Iterator[Purging]:
    """What a purge of the cohort would remove, while no extract and no job works on it.

    Raises NotemillError when the cohort was never read or is not finished, or something works
    on it. One that was purged need not be finished: it can't be any more.
    """
    frozen = read_cohort(layout, cohort)
    with closing(extract_lock(layout, cohort)):
        JournaledAnswers(layout, cohort).refuse_while_answered(frozen.cut)
        before = read_purged(layout.purged(cohort))
        purges = before.purges if before else []
        if before and before.gone:
            found = texts_of(layout, cohort, frozen.cut)
        else:
            ended = ended_runs(layout, cohort, frozen.cut, runs)
            found = texts_of(layout, cohort, frozen.cut)
            purge = Purge(
                begun_at=now(),
                experiments=ended,
                removed=summed(found),
                notemill=notemill.__version__,
            )
            purges = [*purges, purge]
        record = Purged(cohort=cohort, notes_digest=frozen.digest, purges=purges)
        others = unfinished_others(layout, cohort, frozen.cut, runs)
        yield Purging(layout, record, before, frozen.cut, found, others)
