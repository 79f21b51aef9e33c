"""What loads have written into a real server."""

from __future__ import annotations

from typing import Any

from tests.unit.load.rows import everything as _everything
from tests.unit.loads import Loads

TABLES = ("answers", "answers_failures", "experiments")


def everything(loads: Loads, *, but: str = "") -> list[list[tuple[Any, ...]]]:
    """All rows of all tables, without the time of the load and the column `but`."""
    return _everything(loads.clinic, but=but)
