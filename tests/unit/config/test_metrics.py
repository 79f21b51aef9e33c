"""The configuration's `metrics`"""

from __future__ import annotations

from typing import Any

import pytest

from notemill.config import MetricsSection
from notemill.errors import NotemillError
from tests.unit.conftest import config


def test_no_metrics_by_default_and_loopback_when_asked_for() -> None:
    assert config().metrics is None
    assert config(metrics={}).metrics == MetricsSection(address="127.0.0.1")


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"address": "0.0.0.0"}, "needs a token_file"),
        ({"address": "::"}, "needs a token_file"),
        ({"address": "10.1.2.3"}, "needs a token_file"),
        ({"address": "node7", "token_file": "/t"}, "write an IP address"),
        ({"ports": [9500, 9400]}, "the smaller port first"),
        ({"ports": [80, 9400]}, "metrics.ports.0"),
        ({"port": 9400}, "did you mean 'ports'"),
    ],
)
def test_what_can_not_be_served_safely_is_refused(metrics: dict[str, Any], told: str) -> None:
    with pytest.raises(NotemillError) as refused:
        config(metrics=metrics)
    assert told in refused.value.what


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1"])
def test_loopback_needs_no_token(address: str) -> None:
    assert config(metrics={"address": address}).metrics
