"""How jobs and servers go, for Prometheus.

Nothing here may slow or end what it watches: what can't be done is a warning, and the asking's
thread is never waited for. docs/monitoring.md lists the names.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

from notemill.config import Config
from notemill.counts import Watched
from notemill.logs import log
from notemill.paths import Layout


def watching(config: Config) -> Watched:
    """As configured; nothing is shown, and nothing imported for it, where `metrics` is left out."""
    if config.metrics is None:
        return lambda _: nullcontext()
    try:
        from notemill.metrics.job import watched  # noqa: PLC0415
    except ImportError as error:
        log.warning("no metrics are served: %s; install notemill's requirements anew", error)
        return lambda _: nullcontext()
    return partial(watched, config.metrics, Layout(config.results))
