"""A job's metrics: served while it works, its targets published, its last totals left behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from shutil import disk_usage

from prometheus_client.core import Metric

from notemill.config import MetricsSection
from notemill.counts import Counts
from notemill.endpoints.limits import end_of_job
from notemill.engines.gpu import gpus_in_use
from notemill.metrics.families import Sampled, Seen, job_families, whose
from notemill.metrics.own import OwnPages
from notemill.metrics.page import Page, page
from notemill.metrics.showing import METRICS, leave_totals, mended, shown, where
from notemill.metrics.target import Target
from notemill.paths import Layout


@contextmanager
def watched(section: MetricsSection, layout: Layout, counts: Sequence[Counts]) -> Iterator[None]:
    """Serve what a job counts while it works within it, and leave the last totals, a file a task.

    What keeps it from being served, or from being found by Prometheus, is a warning and no more.
    """
    try:
        with shown(section, layout, _Job(layout, counts)):
            yield
    finally:
        with mended("the job's last totals are not kept"):
            for each in counts:
                seen = Seen([each], where(), Sampled([_size(each)]), now=False)
                leave_totals(layout, _name(each), partial(job_families, seen))


class _Job:
    """What is shown of a job."""

    def __init__(self, layout: Layout, counts: Sequence[Counts]) -> None:
        self._layout = layout
        self._counts = counts
        self._own = OwnPages(counts[0].own)
        self._ends: float | None = None
        self._sampled = Sampled()
        self.name = _name(counts[0])

    def begin(self) -> None:
        ends = end_of_job()  # asks Slurm, where its environment does not say
        self._ends = ends.timestamp() if ends else None

    def sample(self) -> None:
        disk = disk_usage(self._layout.results)
        journals = [_size(each) for each in self._counts]
        self._sampled = Sampled(journals, disk.total, disk.free, gpus_in_use())

    def targets(self) -> list[Target]:
        labels = whose(self._counts[0], where())
        return [Target(METRICS, labels), *self._own.targets(labels)]

    def paths(self, path: str, accept: str) -> Page | None:
        return page(self._families, accept) if path == METRICS else self._own.at(path)

    def _families(self) -> Iterable[Metric]:
        return job_families(Seen(self._counts, where(), self._sampled, self._ends))


def _name(counts: Counts) -> str:
    return f"{counts.cohort}.{counts.experiment}.{counts.shard}"


def _size(counts: Counts) -> int:
    try:
        return counts.journal.stat().st_size if counts.journal else 0
    except OSError:
        return 0
