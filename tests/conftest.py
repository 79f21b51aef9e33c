"""In which order the files come. Under xdist (`make test`) each worker takes the next one."""

from __future__ import annotations

import pytest

LONGEST = (
    "chaos/test_chaos.py",
    "servers/test_slurm_troubles.py",
    "servers/test_slurm_kills.py",
    "servers/test_end_to_end.py",
    "servers/test_pool_slurm.py",
    "servers/test_secrets.py",
)
"""Mostly waiting for Slurm: they come first, so that others use the processors meanwhile."""
ORDER = (*LONGEST, "workflow/", "servers/", "unit/")
"""Short files come last, so that no worker is left alone with a long one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    path = item.nodeid.removeprefix("tests/")
    return next((place for place, start in enumerate(ORDER) if path.startswith(start)), len(ORDER))
