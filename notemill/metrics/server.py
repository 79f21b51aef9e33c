"""The metrics of a server that answers for others' jobs: `notemill serve`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from notemill.config import MetricsSection
from notemill.endpoints.serving import Server
from notemill.engines.gpu import GpuUse, gpus_in_use
from notemill.metrics.families import gpu_families
from notemill.metrics.own import OwnPages
from notemill.metrics.page import Page, page
from notemill.metrics.showing import METRICS, leave_totals, mended, shown, where
from notemill.metrics.target import Target
from notemill.paths import Layout

_WHOSE = ("server", "model", "host", "slurm_job")


@contextmanager
def watched_server(section: MetricsSection, layout: Layout, server: Server) -> Iterator[None]:
    """Serve how a server stands while it lives within it, and leave the last totals.

    What goes wrong here is a warning and no more.
    """
    seen = _Seen(server)
    try:
        with shown(section, layout, seen):
            yield
    finally:
        with mended("the server's last totals are not kept"):
            leave_totals(layout, seen.name, partial(_counted, seen.whose, server))


class _Seen:
    """What is shown of a server."""

    def __init__(self, server: Server) -> None:
        self.name = f"server.{server.name}"
        self.whose = {"server": server.name, "model": server.model, **where()}
        self._server = server
        self._own = OwnPages(server.own)
        self._gpus: Sequence[GpuUse] = ()

    def begin(self) -> None:
        pass

    def sample(self) -> None:
        self._gpus = gpus_in_use()

    def targets(self) -> list[Target]:
        return [Target(METRICS, self.whose), *self._own.targets(self.whose)]

    def paths(self, path: str, accept: str) -> Page | None:
        return page(self._families, accept) if path == METRICS else self._own.at(path)

    def _families(self) -> Iterator[Metric]:
        yield from _counted(self.whose, self._server)
        yield from _standing(self.whose, self._server)
        yield from gpu_families(self.whose, self._gpus)


def _counted(whose: Mapping[str, str], server: Server) -> Iterator[Metric]:
    labels = [whose[name] for name in _WHOSE]
    requests = CounterMetricFamily(
        "notemill_server_requests",
        "Requests to the server's model that have ended, by whether it answered.",
        labels=[*_WHOSE, "status"],
    )
    requests.add_metric([*labels, "answered"], server.guard.answered)
    requests.add_metric([*labels, "failed"], server.guard.failed)
    restarts = CounterMetricFamily(
        "notemill_server_engine_restarts",
        "Starts of the server's engine after it was lost.",
        labels=_WHOSE,
    )
    restarts.add_metric(labels, server.restarts)
    yield from (requests, restarts)


def _standing(whose: Mapping[str, str], server: Server) -> Iterator[Metric]:
    guard, until = server.guard, server.until
    told: list[tuple[str, str, float | None]] = [
        ("slots", "Requests that the server answers at once.", guard.about.slots),
        ("requests_in_flight", "Requests of all clients that have not ended.", guard.in_flight),
        ("ready", "1 while the server takes new requests, else 0.", guard.state == "ready"),
        (
            "expires_timestamp_seconds",
            "When its time limit ends the server.",
            until.timestamp() if until else None,
        ),
    ]
    for name, what, value in told:
        if value is not None:
            unit = "seconds" if name.endswith("seconds") else ""
            family = GaugeMetricFamily(f"notemill_server_{name}", what, labels=_WHOSE, unit=unit)
            family.add_metric([whose[label] for label in _WHOSE], value)
            yield family
