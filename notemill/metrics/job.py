"""A job's metrics: served while it works, its targets published, its last totals left behind."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from shutil import disk_usage

from prometheus_client.core import Metric

from notemill.config import MetricsSection
from notemill.counts import Counts, OwnMetrics
from notemill.engines.gpu import gpus_in_use
from notemill.engines.own_metrics import NoMetrics
from notemill.files import written_whole
from notemill.metrics.families import Sampled, Seen, job_families, whose
from notemill.metrics.page import Page, as_file, page
from notemill.metrics.showing import METRICS, mended, shown
from notemill.metrics.target import Target
from notemill.paths import Layout

_OF_ENGINE = "/engine/"
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@contextmanager
def watched(section: MetricsSection, layout: Layout, counts: Sequence[Counts]) -> Iterator[None]:
    """Serve what a job counts while it works within it, and leave the last totals.

    What keeps it from being served, or from being found by Prometheus, is a warning and no more.
    """
    job = _Job(layout, counts)
    try:
        with ExitStack() as stack:
            with mended("no metrics of this job are served"):
                stack.enter_context(shown(section, layout, job))
            yield
    finally:
        with mended("the job's last totals are not kept"):
            job.leave_totals()


class _Job:
    """What is shown of a job."""

    def __init__(self, layout: Layout, counts: Sequence[Counts]) -> None:
        self._layout = layout
        self._counts = counts
        lead = counts[0]
        self._where = {"host": platform.node(), "slurm_job": os.environ.get("SLURM_JOB_ID", "")}
        self._whose = whose(lead, self._where)
        self._own = lead.own
        self._telling: dict[OwnMetrics, bool] = {}
        self._sampled = Sampled()
        self.name = _name(lead)

    def sample(self) -> None:
        disk = disk_usage(self._layout.results)
        self._sampled = Sampled(
            [_size(each) for each in self._counts], disk.total, disk.free, gpus_in_use()
        )

    def targets(self) -> list[Target]:
        """The job's own page, and one for each of its servers that tell of themselves."""
        own = [number for number, tells in dict(self._own).items() if self._tells(tells)]
        return [
            Target(METRICS, self._whose),
            *(
                Target(f"{_OF_ENGINE}{number}", {**self._whose, "server": str(number)})
                for number in sorted(own)
            ),
        ]

    def paths(self, path: str, accept: str) -> Page | None:
        if path == METRICS:
            return page(self._families, accept)
        number = path.removeprefix(_OF_ENGINE)
        if path.startswith(_OF_ENGINE) and number.isdecimal():
            tells = self._own.get(int(number))
            return Page(tells(), _TEXT) if tells else None
        return None

    def leave_totals(self) -> None:
        """A file for each task."""
        for counts in self._counts:
            sampled = Sampled([_size(counts)])
            seen = Seen([counts], self._where, sampled, now=False)
            with written_whole(self._layout.metrics_totals(_name(counts))) as partial_file:
                partial_file.write_bytes(as_file(partial(job_families, seen)))

    def _families(self) -> Iterable[Metric]:
        ends = os.environ.get("SLURM_JOB_END_TIME", "")
        return job_families(
            Seen(
                self._counts,
                self._where,
                self._sampled,
                float(ends) if ends.isdecimal() else None,
            )
        )

    def _tells(self, own: OwnMetrics) -> bool:
        """Whether a server has metrics, which not all have. Asked until it says so."""
        if own not in self._telling:
            try:
                own()
            except NoMetrics:
                self._telling[own] = False
            except OSError:
                return False
            else:
                self._telling[own] = True
        return self._telling[own]


def _name(counts: Counts) -> str:
    return f"{counts.cohort}.{counts.experiment}.{counts.shard}"


def _size(counts: Counts) -> int:
    try:
        return counts.journal.stat().st_size if counts.journal else 0
    except OSError:
        return 0
