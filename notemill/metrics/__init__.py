"""How jobs and servers go, for Prometheus.

Nothing here may slow or end what it watches: what can't be done is a warning, and the asking's
thread is never waited for. docs/monitoring.md lists the names.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from notemill.config import Config
from notemill.counts import Watched
from notemill.logs import log
from notemill.paths import Layout

if TYPE_CHECKING:
    from notemill.endpoints.serving import Watched as WatchedServer

_WITHOUT = "no metrics are served: %s; install notemill's requirements anew"


def watching(config: Config) -> Watched:
    """Shows jobs as configured; nothing is imported for it where `metrics` is left out."""
    if config.metrics is not None:
        try:
            from notemill.metrics.job import watched  # noqa: PLC0415

            return partial(watched, config.metrics, Layout(config.results))
        except ImportError as error:
            log.warning(_WITHOUT, error)
    return lambda _: nullcontext()


def watching_servers(config: Config) -> WatchedServer:
    """The same for servers that live on."""
    if config.metrics is not None:
        try:
            from notemill.metrics.server import watched_server  # noqa: PLC0415

            return partial(watched_server, config.metrics, Layout(config.results))
        except ImportError as error:
            log.warning(_WITHOUT, error)
    return lambda _: nullcontext()
