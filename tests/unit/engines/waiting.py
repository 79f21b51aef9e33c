"""Waiting for another process."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(true: Callable[[], bool]) -> None:
    """Wait for it; how long is not the test's matter."""
    deadline = time.monotonic() + 180
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
