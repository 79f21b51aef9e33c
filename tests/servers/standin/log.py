"""Log lines as Ollama's server writes them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any


def now() -> str:
    """The time in Ollama's notation."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def log(level: str, source: str, message: str, **values: Any) -> None:
    """One line on standard error."""
    rest = "".join(f" {name}={value}" for name, value in values.items())
    line = f'time={now()} level={level} source={source} msg="{message}"{rest}\n'
    sys.stderr.write(line)
    sys.stderr.flush()
