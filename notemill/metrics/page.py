"""Metrics as the text that Prometheus reads: for our own server, a guard, or a file."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from typing import NamedTuple

from prometheus_client.core import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.registry import Collector

Families = Callable[[], Iterable[Metric]]


class Page(NamedTuple):
    """A response's body, and its Content-Type."""

    body: bytes
    kind: str


class _Collected(Collector):
    def __init__(self, families: Families) -> None:
        self._families = families

    def describe(self) -> Iterable[Metric]:
        return []  # or it would be collected when it is registered

    def collect(self) -> Iterable[Metric]:
        return self._families()


def _registry(families: Families) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Collected(families))
    return registry


def page(families: Families, accept: str = "") -> Page:
    """What a scrape gets whose header `Accept` is this."""
    encode, kind = choose_encoder(accept)
    return Page(encode(_registry(families)), kind)


def as_file(families: Families) -> bytes:
    """The text format of files, as node exporter's textfile collector reads it."""
    return bytes(generate_latest(_registry(families)))


def may_scrape(authorization: str, token: str) -> bool:
    """Whether a header `Authorization` has the token; anyone may where none is asked for."""
    given = authorization.encode("utf-8", "surrogateescape")
    return not token or hmac.compare_digest(given, f"Bearer {token}".encode())
