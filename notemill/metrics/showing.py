"""Serving what a job or a server shows, beside its work, and telling Prometheus where."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Protocol

from notemill.config import MetricsSection
from notemill.errors import NotemillError
from notemill.files import written_whole
from notemill.logs import log
from notemill.metrics.page import Families, Page, as_file
from notemill.metrics.serving import serving
from notemill.metrics.target import Target, TargetFile
from notemill.metrics.token import read_token
from notemill.paths import Layout

METRICS = "/metrics"
_LOOKED_EVERY_S = 2.0
_SAMPLED_EVERY = 5
"""Looks."""


class Shown(Protocol):
    """What is shown. name: of its target file; its methods are called in threads of their own."""

    name: str

    def begin(self) -> None:
        """Find out what stays as it is. May raise."""

    def sample(self) -> None:
        """Find out what takes a while, which `paths` does not wait for. May raise."""

    def targets(self) -> Sequence[Target]:
        """What there is to scrape now."""

    def paths(self, path: str, accept: str) -> Page | None:
        """The page at a path; see notemill.metrics.serving."""


@contextmanager
def shown(section: MetricsSection, layout: Layout, what: Shown) -> Iterator[None]:
    """Serve it, with its targets published, until leaving. That it can't be is a warning."""
    with ExitStack() as stack:
        with mended("no metrics are served"):
            stack.enter_context(_shown(section, layout, what))
        yield


@contextmanager
def _shown(section: MetricsSection, layout: Layout, what: Shown) -> Iterator[None]:
    token = read_token(section)
    with serving(section, what.paths, token) as port:
        host = platform.node() if section.everywhere else section.address
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        log.info("metrics at http://%s%s", address, METRICS)
        targets = TargetFile(layout.metrics_targets, what.name, address)
        over = threading.Event()
        renewing = threading.Thread(
            target=_renew, args=(what, targets, over), name="notemill-metrics-targets", daemon=True
        )
        renewing.start()
        try:
            yield
        finally:
            over.set()
            with mended("the file in metrics/targets is not removed"):
                targets.remove()


@contextmanager
def mended(otherwise: str) -> Iterator[None]:
    """Make a warning of whatever goes wrong with metrics. otherwise: what is not so, then."""
    try:
        yield
    except NotemillError as error:
        log.warning("%s: %s (%s): %s", otherwise, error.what, error.where, error.remedy)
    except Exception as error:
        log.warning("%s: %s", otherwise, type(error).__name__)


def where() -> dict[str, str]:
    """Labels of this process's place."""
    return {"host": platform.node(), "slurm_job": os.environ.get("SLURM_JOB_ID", "")}


def leave_totals(layout: Layout, name: str, families: Families) -> None:
    """Write what was counted to a file that stays. Raises NotemillError or OSError."""
    with written_whole(layout.metrics_totals(name)) as partial:
        partial.write_bytes(as_file(families))


def _renew(what: Shown, targets: TargetFile, over: threading.Event) -> None:
    warned = begun = False
    for look in count():
        if over.is_set():
            return
        try:
            targets.write(what.targets())
            if not begun:
                begun = True
                what.begin()
            if look % _SAMPLED_EVERY == 0:
                what.sample()
                targets.live()
        except Exception as error:
            if not warned:
                warned = True
                log.warning("metrics are not whole, or not found (%s)", type(error).__name__)
        over.wait(_LOOKED_EVERY_S)
