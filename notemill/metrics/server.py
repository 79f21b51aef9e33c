"""The metrics of a server that answers for others' jobs: `notemill serve`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from notemill.config import MetricsSection
from notemill.counts import OwnMetrics
from notemill.engines.gpu import GpuUse, gpus_in_use
from notemill.metrics.families import gpu_families
from notemill.metrics.own import OwnPages
from notemill.metrics.page import Page, page
from notemill.metrics.showing import METRICS, leave_totals, mended, shown, where
from notemill.metrics.target import Target
from notemill.paths import Layout

_WHOSE = ("server", "model", "host", "slurm_job")


class ServerSeen(NamedTuple):
    """How a server stands. answered, failed: requests since its start; restarts: of its engine.

    ready: whether it takes new requests. ends: when it will at the latest (seconds of the epoch),
    None if nothing limits it.
    """

    slots: int
    in_flight: int
    answered: int
    failed: int
    restarts: int
    ready: bool
    ends: float | None


@contextmanager
def watched_server(
    section: MetricsSection,
    layout: Layout,
    name: str,
    model: str,
    seen: Callable[[], ServerSeen],
    own: Mapping[int, OwnMetrics],
) -> Iterator[None]:
    """Serve how a server stands while it lives within it, and leave the last totals.

    name: as it is published; seen: called in a thread of its own; own: what its engine tells of
    itself, while there is one. What goes wrong here is a warning and no more.
    """
    server = _Server(name, model, seen, own)
    try:
        with shown(section, layout, server):
            yield
    finally:
        with mended("the server's last totals are not kept"):
            leave_totals(layout, server.name, partial(_counted, server.whose, seen()))


class _Server:
    """What is shown of a server."""

    def __init__(
        self,
        name: str,
        model: str,
        seen: Callable[[], ServerSeen],
        own: Mapping[int, OwnMetrics],
    ) -> None:
        self.name = f"server.{name}"
        self.whose = {"server": name, "model": model, **where()}
        self._seen = seen
        self._own = OwnPages(own)
        self._gpus: Sequence[GpuUse] = ()

    def sample(self) -> None:
        self._gpus = gpus_in_use()

    def targets(self) -> list[Target]:
        return [Target(METRICS, self.whose), *self._own.targets(self.whose)]

    def paths(self, path: str, accept: str) -> Page | None:
        return page(self._families, accept) if path == METRICS else self._own.at(path)

    def _families(self) -> Iterator[Metric]:
        seen = self._seen()
        yield from _counted(self.whose, seen)
        yield from _standing(self.whose, seen)
        yield from gpu_families(self.whose, self._gpus)


def _counted(whose: Mapping[str, str], seen: ServerSeen) -> Iterator[Metric]:
    labels = [whose[name] for name in _WHOSE]
    requests = CounterMetricFamily(
        "notemill_server_requests",
        "Requests to the server's model that have ended, by whether it answered.",
        labels=[*_WHOSE, "status"],
    )
    requests.add_metric([*labels, "answered"], seen.answered)
    requests.add_metric([*labels, "failed"], seen.failed)
    restarts = CounterMetricFamily(
        "notemill_server_engine_restarts",
        "Starts of the server's engine after it was lost.",
        labels=_WHOSE,
    )
    restarts.add_metric(labels, seen.restarts)
    yield from (requests, restarts)


def _standing(whose: Mapping[str, str], seen: ServerSeen) -> Iterator[Metric]:
    told: list[tuple[str, str, float | None]] = [
        ("slots", "Requests that the server answers at once.", seen.slots),
        ("requests_in_flight", "Requests of all clients that have not ended.", seen.in_flight),
        ("ready", "1 while the server takes new requests, else 0.", seen.ready),
        ("expires_timestamp_seconds", "When its time limit ends the server.", seen.ends),
    ]
    for name, what, value in told:
        if value is not None:
            unit = "seconds" if name.endswith("seconds") else ""
            family = GaugeMetricFamily(f"notemill_server_{name}", what, labels=_WHOSE, unit=unit)
            family.add_metric([whose[label] for label in _WHOSE], value)
            yield family
